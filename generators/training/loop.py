"""The only training loop of the project.

Everything random in an epoch is seeded by (seed, epoch), so a state written at the end of an epoch is all that is
needed to go on, and a resumed training on the CPU repeats the uninterrupted one bit for bit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from generators.errors import DivergedError
from generators.protocols import Monitor, Progress
from generators.training.acceleration import accelerator, compiled, precision_for
from generators.training.averaging import Average, within
from generators.training.batches import Rows, TrainingData, ordered, shuffled
from generators.training.checkpoint import checkpoint_of, taken_over, write_checkpoint
from generators.training.containers import RaggedTensor, identity_of_container
from generators.training.modules import Everything, clip, set_rate, states_of
from generators.training.phases import Phase, checked
from generators.training.processes import fabric_for, mean_over_processes, share_of
from generators.training.rules import BestLoss, Epoch, Rule
from generators.training.schedules import SCHEDULES
from generators.training.settings import TrainingSettings
from generators.training.stopping import BestStates
from generators.training.trained import Losses, Trained, identity_of

#: Validation batches are this many times larger: no gradients are kept.
_VALIDATION_BATCH_FACTOR = 4


def train(
    model: nn.Module,
    phases: Sequence[Phase],
    data: Rows,
    settings: TrainingSettings,
    *,
    seed: int,
    rule: Rule | None = None,
    keep: nn.Module | None = None,
    averaged: Sequence[nn.Module] | None = None,
    monitor: Monitor | None = None,
    checkpoint: Path | None = None,
    description: Mapping[str, Any] | None = None,
    after_epoch: Callable[[nn.Module, Rows], None] | None = None,
) -> Trained:
    """Train the phases of `model`, one network or `Members`, and return its best states.

    The best epochs are those that `rule` says, by default those of the lowest held-out loss of the first phase. Kept is
    the state of `keep`, a part of the model such as a generator without its critic, by default the whole of it. If
    there is an average, it is that of the modules `averaged`, by default of the model, and everything is evaluated with
    it. Held-out losses have the same random numbers after every epoch. `after_epoch(model, training_data)` may set
    statistics before.

    A `checkpoint` holds the model and every module of every phase. One that was written by the same model, data,
    settings and seed is continued; another one is refused. `description` (JSON types) holds what makes the model beside
    the shapes of its tensors.

    Raises
    ------
    DivergedError
        If a loss is not finite; names the epoch.
    CheckpointError
        If the checkpoint is unreadable or belongs to another training.
    PhaseError, ProcessesError
        If phases or processes are not as they should be.
    """
    kept, chosen = model if keep is None else keep, (model,) if averaged is None else averaged
    training = _Training(model, checked(phases), data, settings, seed=seed, kept=kept, averaged=chosen)
    words, tensors = identity_of_container(data.x)
    identity = identity_of(
        [seed, description, [phase.description() for phase in phases], settings, training.everything.shapes(), *words],
        *(*tensors, data.context, data.weights, *(data.more[name] for name in sorted(data.more))),
    )
    if checkpoint is not None and checkpoint.exists():
        training.resume(checkpoint, identity)
    while not training.over():
        training.learn()
        training.evaluate(BestLoss() if rule is None else rule, after_epoch)
        if checkpoint is not None:
            training.store(checkpoint, identity)
        if monitor is not None:
            monitor(training.progress())
    return training.result()


class _Training:
    """A training between two epochs."""

    def __init__(
        self,
        model: nn.Module,
        phases: Sequence[Phase],
        data: Rows,
        settings: TrainingSettings,
        *,
        seed: int,
        kept: nn.Module,
        averaged: Sequence[nn.Module],
    ) -> None:
        device = accelerator()
        fabric = fabric_for(settings.devices, device, precision_for(model, settings, device))
        self.model, self.phases, self.settings, self.seed, self.kept = model, phases, settings, seed, kept
        self.fabric, self.device = fabric, fabric.device
        self.training, self.held_out = (
            part.to(fabric.device) for part in data.split(settings.validation_fraction, seed=seed)
        )
        rows = min(settings.batch_size, len(self.training))
        self.share = None if settings.devices == 1 else share_of(fabric, rows)
        # Weights of mean one keep learning rate and clipping meaningful whatever their unit.
        self.scale = self.training.taken_weights().mean(dim=0)
        if self.share is not None:
            self.scale = self.scale / self.share.weight(rows)
        model.to(fabric.device)
        self.everything = Everything(model, phases)
        self.choices = [phase.optimiser or settings.optimiser() for phase in phases]
        self.optimisers = [choice.of(phase.parameters) for choice, phase in zip(self.choices, phases, strict=True)]
        with ExitStack() as stack:
            self.objectives = []
            for phase in phases:
                # What is not of this phase takes no part in what processes tell each other.
                stack.enter_context(self.everything.moving(phase))
                self.objectives.append(fabric.setup_module(phase.objective))
        self.batches = max(phase.repeat for phase in phases)
        self.plan = settings.plan(len(self.training), self.batches)
        ragged = isinstance(self.training.x, RaggedTensor)
        # Validation batches have other sizes, for which nothing is compiled.
        self.stepped = [
            compiled(objective, settings, device, steps=phase.repeat * sum(self.plan), ragged=ragged)
            if phase.compile
            else objective
            for objective, phase in zip(self.objectives, phases, strict=True)
        ]
        self.best = [BestStates(settings.best_states, settings.patience) for _ in states_of(kept)]
        decay = settings.ema_decay
        self.average = None if decay is None else Average(averaged, within(decay, sum(self.plan)))
        self.epoch = 0
        self.losses = {phase.name: Losses([], []) for phase in phases}

    def over(self) -> bool:
        """Whether the budget or the patience is at its end."""
        return self.epoch >= len(self.plan) or all(one.out_of_patience(self.epoch) for one in self.best)

    def learn(self) -> None:
        """One epoch of steps; what they lose is noted."""
        rank = 0 if self.share is None else self.share.rank
        steps, done, total = self.plan[self.epoch], sum(self.plan[: self.epoch]), sum(self.plan)
        lost = [torch.zeros_like(self.scale) for _ in self.phases]
        self.everything.learning()
        with _seeded(_derive(self.seed, "epoch", self.epoch, *([rank] if rank else [])), self.device):
            rows = shuffled(
                self.training,
                self.settings.batch_size,
                steps * self.batches,
                seed=_derive(self.seed, "order", self.epoch),
                share=self.share,
            )
            for step in range(done, done + steps):
                batches = list(islice(rows, self.batches))
                for index, phase in enumerate(self.phases):
                    if step < phase.start:
                        continue
                    progress = (step - phase.start) / (total - phase.start)
                    with self.everything.moving(phase):
                        for batch in batches[-phase.repeat :]:
                            lost[index] += self._step(index, batch, progress)
                if self.average is not None:
                    self.average.update()
        for phase, loss in zip(self.phases, lost, strict=True):
            made = phase.repeat * (steps - min(max(phase.start - done, 0), steps))
            whole = loss if self.share is None else mean_over_processes(self.fabric, loss)
            self.losses[phase.name].train.append(float(whole.mean()) / made if made else math.nan)

    def evaluate(self, rule: Rule, after_epoch: Callable[[nn.Module, Rows], None] | None) -> None:
        """Losses of the rows that are held out, and whether this is one of the best epochs."""
        self.everything.evaluating()
        with ExitStack() as stack:
            if self.average is not None:
                stack.enter_context(self.average.applied(self.everything.buffers()))
            if after_epoch is not None:
                after_epoch(self.model, self.training)
            held_out = {
                phase.name: self._held_out_loss(objective)
                for phase, objective in zip(self.phases, self.objectives, strict=True)
            }
            for name, losses in held_out.items():
                self.losses[name].validation.append(float(losses.mean()))
            self._refuse_nonsense()
            self.epoch += 1
            with torch.no_grad(), _seeded(_derive(self.seed, "metric"), self.device):
                scores = rule.scores(Epoch(self.epoch, held_out, self.model, self.held_out))
            # Several processes have to agree to the last bit on when to stop.
            scores = self.fabric.broadcast(scores) if self.settings.devices > 1 else scores
            for one, score, state in zip(self.best, scores, states_of(self.kept), strict=True):
                one.offer(score, self.epoch, state)

    def progress(self) -> Progress:
        """Where the training stands; the losses are those of the first phase."""
        last = {name: (losses.train[-1], losses.validation[-1]) for name, losses in self.losses.items()}
        return Progress(self.epoch, len(self.plan), *next(iter(last.values())), phases=last)

    def result(self) -> Trained:
        """The best states so far."""
        states = [state for one in self.best for state in one.states]
        epochs = [epoch for one in self.best for epoch in one.epochs]
        scores = [score for one in self.best for score in one.scores]
        return Trained(states, epochs, scores, self.losses)

    def store(self, path: Path, identity: str) -> None:
        """Write all that is needed to go on."""
        tree: dict[str, Any] = {
            "identity": identity,
            **self.everything.to_tree(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "average": None if self.average is None else self.average.to_tree(),
            "best": [one.to_tree() for one in self.best],
            "position": {"epoch": self.epoch},
            "losses": {name: losses.to_tree() for name, losses in self.losses.items()},
        }
        write_checkpoint(path, tree)

    def resume(self, path: Path, identity: str) -> None:
        """Take what `store` wrote."""
        tree = checkpoint_of(path, identity)
        with taken_over(path):
            self._take_over(tree)

    def _take_over(self, tree: dict[str, Any]) -> None:
        self.everything.restore(tree)
        for optimiser, state in zip(self.optimisers, tree["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        if self.average is not None:
            self.average.restore(tree["average"])
        for one, kept in zip(self.best, tree["best"], strict=True):
            one.restore(kept)
        losses = {name: Losses.from_tree(each) for name, each in tree["losses"].items()}
        if losses.keys() != self.losses.keys() or type(tree["position"]["epoch"]) is not int:
            raise ValueError("its losses are of other phases")
        self.epoch, self.losses = tree["position"]["epoch"], losses

    def _step(self, index: int, batch: TrainingData, progress: float) -> Tensor:
        """One step of a phase; its loss before the step, of the batch and of every member."""
        choice, optimiser = self.choices[index], self.optimisers[index]
        set_rate(optimiser, choice.learning_rate * SCHEDULES[choice.schedule](progress))
        loss: Tensor = (self.stepped[index](batch.x, batch.context, **batch.more) * batch.weights).mean(
            dim=-1
        ) / self.scale
        optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss.sum())
        if choice.clip is not None:
            clip(self.phases[index].parameters, choice.clip, members=loss.ndim == 1)
        optimiser.step()
        return loss.detach()

    def _held_out_loss(self, objective: nn.Module) -> Tensor:
        weights = self.held_out.weights.double().sum(dim=0)
        total = torch.zeros_like(weights)
        with torch.no_grad(), _seeded(_derive(self.seed, "validation"), self.device):
            for batch in ordered(self.held_out, self.settings.batch_size * _VALIDATION_BATCH_FACTOR):
                total += (objective(batch.x, batch.context, **batch.more) * batch.weights).double().sum(dim=-1)
        return total / weights

    def _refuse_nonsense(self) -> None:
        for phase, choice in zip(self.phases, self.choices, strict=True):
            train, validation = self.losses[phase.name].train[-1], self.losses[phase.name].validation[-1]
            begun = sum(self.plan[: self.epoch + 1]) > phase.start
            if not math.isfinite(validation) or (begun and not math.isfinite(train)):
                whose = f" of phase '{phase.name}'" if len(self.phases) > 1 else ""
                raise DivergedError(
                    f"Loss{whose} in epoch {self.epoch + 1} is {train} (training) and {validation} (validation). "
                    f"Lower learning_rate (now {choice.learning_rate}) or look for outliers in the features."
                )


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside of the block and give the caller's random state back after it."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _derive(seed: int, *path: str | int) -> int:
    """Independent 63-bit seed for a purpose."""
    digest = hashlib.sha256(repr((seed, *path)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
