"""What a training needs to know besides the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from generators.errors import GeneratorError
from generators.scalar_types import require_scalar_types
from generators.training.optimisers import AdamW, Optimiser

#: With a budget in steps, losses are evaluated about this often.
_EVALUATIONS = 40


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Budget, optimiser and choice of states.

    Exactly one of `epochs` (passes over the data) and `steps` (optimiser steps, whatever the size of the data) sets the
    budget. `schedule` is "one_cycle" (Smith & Topin, 1708.07120: warm-up over the first tenth, cosine decay to zero)
    or "constant". `ema_decay` keeps an exponential moving average of the weights and evaluates with it, and is less in
    a training that is too short to forget its beginning by it (see `within`); `clip` bounds the gradient norm;
    `patience` stops after so many epochs without a better validation loss; `best_states` is the number of epochs with
    the lowest validation loss whose weights are kept (CATHODE, 2109.00546, keeps ten).

    `precision` is one of Lightning Fabric, or "auto": mixed with bfloat16 where there is a GPU and the model bears it
    (see `tolerates_bfloat16`), single elsewhere; "bf16-mixed" is faster on a CPU with AVX512-BF16 or AMX too, but the
    same seed then gives another model on another processor. `compile` lets torch compile the training step; by default
    in long trainings where there is a GPU and Triton.

    `devices` is the number of processes that train together, each with a device of its own and an equal part of every
    batch. They are started from outside, by `torchrun --nproc-per-node` or by Slurm, all with the same program and the
    same events, and end with the same states; the first of them writes the checkpoint. A search, whose folder has one
    writer, is no such program.
    """

    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 1024
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "one_cycle"
    clip: float | None = 1.0
    ema_decay: float | None = None
    validation_fraction: float = 0.1
    patience: int | None = None
    best_states: int = 1
    precision: str = "auto"
    compile: bool | None = None
    devices: int = 1

    def __post_init__(self) -> None:
        require_scalar_types(self, "training")
        if (self.epochs is None) == (self.steps is None):
            raise GeneratorError(f"Give epochs or steps, not both or none: {self.epochs=}, {self.steps=}.")
        for name in ("epochs", "steps", "batch_size", "best_states", "patience", "devices"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise GeneratorError(f"{name} = {value} must be at least 1.")
        if not 0 < self.validation_fraction < 1:
            raise GeneratorError(f"validation_fraction = {self.validation_fraction} must lie between 0 and 1.")
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise GeneratorError(f"ema_decay = {self.ema_decay} must lie in [0, 1).")
        self.optimiser()

    def optimiser(self) -> Optimiser:
        """The optimiser of every phase that has none of its own."""
        return AdamW(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            clip=self.clip,
        )

    def plan(self, rows: int, batches: int = 1) -> list[int]:
        """Steps of every epoch for `rows` training events, where a step takes so many batches."""
        per_pass = steps_per_pass(rows, self.batch_size * batches)
        if self.epochs is not None:
            return [per_pass] * self.epochs
        assert self.steps is not None
        # A small sample would otherwise be evaluated after every few steps.
        each = per_pass * math.ceil(self.steps / (_EVALUATIONS * per_pass))
        full, rest = divmod(self.steps, each)
        return [each] * full + ([rest] if rest else [])


def steps_per_pass(rows: int, batch_size: int) -> int:
    """Batches in one pass; the remainder is dropped so that every step sees the same number of events."""
    return max(1, rows // batch_size)
