"""The only training loop of the project.

Everything random in an epoch is seeded by (seed, epoch), so a state written at the end of an epoch is all that is
needed to go on, and a resumed training on the CPU repeats the uninterrupted one bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from generators.errors import CheckpointError, DivergedError
from generators.protocols import Monitor, Progress
from generators.training.acceleration import accelerator, compiled, precision_for
from generators.training.batches import TrainingData, ordered, shuffled
from generators.training.checkpoint import read_checkpoint, write_checkpoint
from generators.training.members import Members
from generators.training.settings import SCHEDULES, TrainingSettings
from generators.training.stopping import BestStates, State

#: Validation batches are this many times larger: no gradients are kept.
_VALIDATION_BATCH_FACTOR = 4


@dataclass(frozen=True)
class Phase:
    """One objective that is stepped once per batch.

    `objective(x, context)` returns the loss of every event, (N,); the loop applies the event weights, so that no model
    can forget them. A flow has one phase, a GAN two, which share modules but step different `parameters`.
    """

    name: str
    objective: nn.Module
    parameters: Sequence[nn.Parameter] | None = None


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind: best states first, losses per epoch of the first phase.

    Of `Members`, the best states of the first, then those of the second and so on, and the mean of the losses.
    """

    states: list[State]
    best_epochs: list[int]
    train_losses: list[float]
    validation_losses: list[float]


@dataclass
class _Position:
    """Everything that changes while training, apart from weights and optimisers."""

    epoch: int = 0
    train_losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)


def train(
    model: nn.Module,
    phases: Sequence[Phase],
    data: TrainingData,
    settings: TrainingSettings,
    *,
    seed: int,
    monitor: Monitor | None = None,
    checkpoint: Path | None = None,
    description: Mapping[str, Any] | None = None,
    after_epoch: Callable[[nn.Module, TrainingData], None] | None = None,
) -> Trained:
    """Train the phases of `model`, one network or `Members`, and return its best states.

    The validation loss is that of the first phase, with averaged weights if there is an average, and with the same
    random numbers after every epoch. `after_epoch(model, training_data)` may set statistics before validation. A
    `checkpoint` written by the same model, data, settings and seed is continued; another one is refused. `description`
    (JSON types) holds what makes the model beside the shapes of its tensors.

    Raises
    ------
    DivergedError
        If a loss is not finite; names the epoch.
    CheckpointError
        If the checkpoint is unreadable or belongs to another training.
    """
    from lightning_fabric import Fabric

    device = accelerator()
    precision: Any = precision_for(model, settings, device)
    fabric = Fabric(accelerator=device.type, devices=1, precision=precision)
    training, validation = (part.to(fabric.device) for part in data.split(settings.validation_fraction, seed=seed))
    # Weights of mean one keep learning rate and clipping meaningful whatever their unit.
    scale = training.weights.mean(dim=0)

    model.to(fabric.device)
    optimisers = [_optimiser(phase, settings) for phase in phases]
    objectives = [fabric.setup_module(phase.objective) for phase in phases]
    # Validation batches have other sizes, for which nothing is compiled.
    stepped = [compiled(objective, settings, device) for objective in objectives]
    average = _average(model, settings)
    best = [BestStates(settings.best_states, settings.patience) for _ in _states(model)]
    plan = settings.plan(len(training))
    position = _Position()

    identity = _identity(model, data, settings, seed, description)
    if checkpoint is not None and checkpoint.exists():
        _resume(checkpoint, identity, model, optimisers, average, best, position)

    while position.epoch < len(plan) and not all(one.exhausted(position.epoch) for one in best):
        epoch = position.epoch
        model.train()
        done = sum(plan[:epoch])
        total = torch.zeros_like(scale)
        with _seeded(_derive(seed, "epoch", epoch), fabric.device):
            batches = shuffled(training, settings.batch_size, plan[epoch], seed=_derive(seed, "order", epoch))
            for step, batch in enumerate(batches):
                factor = SCHEDULES[settings.schedule]((done + step) / sum(plan))
                for index, (objective, optimiser) in enumerate(zip(stepped, optimisers, strict=True)):
                    _set_rate(optimiser, settings.learning_rate * factor)
                    loss = (objective(batch.x, batch.context) * batch.weights).mean(dim=-1) / scale
                    optimiser.zero_grad(set_to_none=True)
                    fabric.backward(loss.sum())
                    if settings.clip is not None:
                        _clip(_parameters(phases[index]), settings.clip, members=loss.ndim == 1)
                    optimiser.step()
                    if index == 0:
                        total += loss.detach()
                if average is not None:
                    average.update_parameters(model)
        evaluated = model if average is None else average.module
        evaluated.eval()
        if after_epoch is not None:
            after_epoch(evaluated, training)
        train_loss = float(total.mean()) / plan[epoch]
        with _swapped(model, evaluated):
            validation_losses = _evaluate(objectives[0], validation, settings, seed, fabric.device)
        validation_loss = float(validation_losses.mean())
        if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
            raise DivergedError(
                f"Loss in epoch {epoch + 1} is {train_loss} (training) and {validation_loss} (validation). "
                f"Lower learning_rate (now {settings.learning_rate}) or look for outliers in the features."
            )
        position.epoch += 1
        position.train_losses.append(train_loss)
        position.validation_losses.append(validation_loss)
        for one, loss, state in zip(best, validation_losses.reshape(-1).tolist(), _states(evaluated), strict=True):
            one.offer(loss, position.epoch, state)
        if checkpoint is not None:
            _store(checkpoint, identity, model, optimisers, average, best, position)
        if monitor is not None:
            monitor(Progress(position.epoch, len(plan), train_loss, validation_loss))
    states, epochs = [state for one in best for state in one.states], [epoch for one in best for epoch in one.epochs]
    return Trained(states, epochs, position.train_losses, position.validation_losses)


def _states(model: nn.Module) -> list[State]:
    """The state of a network, or of every one of several."""
    return model.states() if isinstance(model, Members) else [model.state_dict()]


def _clip(parameters: list[nn.Parameter], norm: float, *, members: bool) -> None:
    """Bound the norm of the gradient, that of every member on its own."""
    if not members:
        nn.utils.clip_grad_norm_(parameters, norm, foreach=True)
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
    factor = (norm / (norms + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))


def _parameters(phase: Phase) -> list[nn.Parameter]:
    return list(phase.objective.parameters() if phase.parameters is None else phase.parameters)


def _optimiser(phase: Phase, settings: TrainingSettings) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    return torch.optim.AdamW(_parameters(phase), lr=rate, weight_decay=decay, fused=True)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _average(model: nn.Module, settings: TrainingSettings) -> AveragedModel | None:
    if settings.ema_decay is None:
        return None
    ema = get_ema_multi_avg_fn(settings.ema_decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=ema, use_buffers=False)


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


@contextmanager
def _swapped(model: nn.Module, other: nn.Module) -> Iterator[None]:
    """Let `model` compute with the weights of `other` inside of the block."""
    if model is other:
        yield
        return
    mine = {key: value.clone() for key, value in model.state_dict().items()}
    training = model.training
    model.load_state_dict(other.state_dict())
    model.eval()
    try:
        yield
    finally:
        model.load_state_dict(mine)
        model.train(training)


def _evaluate(
    objective: nn.Module, validation: TrainingData, settings: TrainingSettings, seed: int, device: torch.device
) -> Tensor:
    weights = validation.weights.double().sum(dim=0)
    total = torch.zeros_like(weights)
    with torch.no_grad(), _seeded(_derive(seed, "validation"), device):
        for batch in ordered(validation, settings.batch_size * _VALIDATION_BATCH_FACTOR):
            total += (objective(batch.x, batch.context) * batch.weights).double().sum(dim=-1)
    return total / weights


def _identity(
    model: nn.Module, data: TrainingData, settings: TrainingSettings, seed: int, description: Mapping[str, Any] | None
) -> str:
    """Hash of all that a checkpoint must have in common with the training that continues from it."""
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    digest = hashlib.sha256(json.dumps([shapes, asdict(settings), seed, description], sort_keys=True).encode())
    for tensor in (data.x, data.context, data.weights):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _store(
    path: Path,
    identity: str,
    model: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    average: AveragedModel | None,
    best: Sequence[BestStates],
    position: _Position,
) -> None:
    tree: dict[str, Any] = {
        "identity": identity,
        "model": dict(model.state_dict()),
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        "average": None if average is None else dict(average.state_dict()),
        "best": [one.to_tree() for one in best],
        "position": asdict(position),
    }
    write_checkpoint(path, tree)


def _resume(
    path: Path,
    identity: str,
    model: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    average: AveragedModel | None,
    best: Sequence[BestStates],
    position: _Position,
) -> None:
    tree = read_checkpoint(path)
    if not isinstance(tree, dict) or tree.get("identity") != identity:
        raise CheckpointError(
            f"{path}: this checkpoint belongs to another model, data set, setting or seed. Delete it to start afresh."
        )
    try:
        _take_over(tree, model, optimisers, average, best, position)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: not a state of this training ({' '.join(str(error).split())[:300]!r}). Delete it to start afresh."
        ) from error


def _take_over(
    tree: dict[str, Any],
    model: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    average: AveragedModel | None,
    best: Sequence[BestStates],
    position: _Position,
) -> None:
    """Set everything that changes while training from what `_store` wrote."""
    model.load_state_dict(tree["model"])
    for optimiser, state in zip(optimisers, tree["optimisers"], strict=True):
        optimiser.load_state_dict(state)
    if average is not None:
        average.load_state_dict(tree["average"])
    for one, kept in zip(best, tree["best"], strict=True):
        one.restore(kept)
    position.epoch = tree["position"]["epoch"]
    position.train_losses = tree["position"]["train_losses"]
    position.validation_losses = tree["position"]["validation_losses"]
