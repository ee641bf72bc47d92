"""Networks of several seeds, each at its best epochs: how every classifier that is a network is trained and asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cathode.classifiers.protocol import Monitor
from cathode.classifiers.storage import save_folder
from cathode.errors import ConfigError
from cathode.runtime.processes import one_thread
from generators.ceiling import ceiling
from generators.protocols import Progress
from generators.training.batches import Rows, TrainingData
from generators.training.loop import train
from generators.training.phases import Phase, trainable
from generators.training.rules import BestLoss, BestMetric, Rule
from generators.training.settings import TrainingSettings
from generators.training.stopping import State


@dataclass(frozen=True, eq=False)
class NetworkEnsemble:
    """What a training leaves behind: per member its states, best epoch first, and its losses per epoch."""

    states: list[list[State]]
    train_losses: list[list[float]]
    validation_losses: list[list[float]]

    @classmethod
    def trained(
        cls,
        name: str,
        network: Callable[[int, int], nn.Module],
        objective: Callable[[nn.Module], nn.Module],
        data: TrainingData,
        settings: TrainingSettings,
        *,
        members: int,
        seed: int,
        monitor: Monitor | None,
        rule: Rule | None = None,
    ) -> Self:
        """Train `members` networks, each with its own start and split; the label is the context of `data`.

        `network(member, seed)` makes one at its start, `objective(network)` the loss of its events. The monitor gets
        how many epochs of all members are done. `rule` says which epochs are the best, by default those of the lowest
        held-out loss.
        """
        found = []
        for member, stream in enumerate(np.random.SeedSequence(seed).spawn(members)):
            of_member = int(stream.generate_state(1)[0])
            model = network(member, of_member)
            loss = objective(model)
            phases = [Phase(name, loss, trainable(loss))]
            report = _member_progress(monitor, member, members)
            with one_thread():
                found.append(train(model, phases, data, settings, seed=of_member, monitor=report, rule=rule))
        return cls(
            [each.states for each in found],
            [each.train_losses for each in found],
            [each.validation_losses for each in found],
        )

    def probability(self, network: nn.Module, *inputs: Tensor, chunk: int) -> NDArray[np.float64]:
        """Mean probability of data over all states, (M,), for what the network takes of M events, `chunk` at once.

        `network` lends its architecture and its device; its weights are overwritten.
        """
        total = torch.zeros(len(inputs[0]), dtype=torch.float64)
        states = [state for member in self.states for state in member]
        device = next(network.parameters()).device
        network.eval()
        with one_thread(), torch.no_grad():
            for state in states:
                network.load_state_dict(state)
                for start in range(0, len(total), chunk):
                    part = slice(start, start + chunk)
                    logit = network(*(each[part].to(device) for each in inputs))[:, 0]
                    total[part] += torch.sigmoid(logit.double()).cpu()
        return (total / len(states)).numpy()

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays to be saved."""
        arrays = {
            f"network.{member}.{place}.{key}": value.numpy()
            for member, states in enumerate(self.states)
            for place, state in enumerate(states)
            for key, value in state.items()
        }
        return arrays | {
            "losses.train": np.array(self.train_losses),
            "losses.validation": np.array(self.validation_losses),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], members: int) -> Self:
        """What `to_arrays` gave; a `KeyError` or `ValueError` if something is missing."""
        found: list[dict[int, State]] = [{} for _ in range(members)]
        for name, array in arrays.items():
            if name.startswith("network."):
                _, member, place, key = name.split(".", 3)
                found[int(member)].setdefault(int(place), {})[key] = torch.tensor(array)
        if not all(found):
            raise KeyError("network")
        return cls(
            [[states[place] for place in sorted(states)] for states in found],
            arrays["losses.train"].tolist(),
            arrays["losses.validation"].tolist(),
        )

    def save(
        self,
        folder: str | os.PathLike[str],
        kind: str,
        hyperparameters: dict[str, Any],
        seed: int,
        arrays: Mapping[str, NDArray[Any]],
    ) -> Path:
        """Write all networks and further `arrays` of a classifier to a folder, as `save_folder`."""
        return save_folder(folder, kind, hyperparameters, seed, self.to_arrays() | dict(arrays))

    def require_fit_to(self, make: Callable[[], nn.Module]) -> None:
        """Refuse states with other tensors than those of the network that `make` makes, by a `ValueError`."""
        states = [state for member in self.states for state in member]
        with ceiling(value.shape for state in states for value in state.values()):
            shapes = {name: value.shape for name, value in make().state_dict().items()}
        for state in states:
            if {name: value.shape for name, value in state.items()} != shapes:
                differ = sorted(shapes.keys() ^ state.keys()) or [k for k in shapes if shapes[k] != state[k].shape]
                raise ValueError(f"its tensors are not those of such a network, first '{differ[0]}'")


class CrossEntropy(nn.Module):
    """Binary cross-entropy of every event, (N,).

    The label is the first column of the context; the network gets the others, if there are any.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Loss of every event."""
        label, observables = context.tensor_split([1], dim=1)
        logit = self.network(x, observables) if observables.shape[1] else self.network(x)
        return nn.functional.binary_cross_entropy_with_logits(logit, label, reduction="none")[:, 0]


#: What chooses the best epochs of a classifier, without labels: the held-out cross-entropy, or ARGOS.
SELECTIONS = ("bce", "argos")


def selection_rule(selection: str) -> Rule:
    """The rule of that name; see `analysis.metrics.argos` for what is better than the cross-entropy at small signals.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if selection not in SELECTIONS:
        raise ConfigError(f"selection '{selection}' is not one of {', '.join(SELECTIONS)}.")
    return BestLoss() if selection == "bce" else BestMetric(_minus_argos)


def _minus_argos(network: nn.Module, held_out: Rows) -> float:
    """Minus ARGOS of the held-out rows; the first column of their context is 1 for data."""
    from analysis.metrics.argos import argos

    label, observables = held_out.context.tensor_split([1], dim=1)
    logit = network(held_out.x, observables) if observables.shape[1] else network(held_out.x)
    score, weights, data = (each.double().cpu().numpy() for each in (logit[:, 0], held_out.weights, label[:, 0]))
    of_data = data > 0.5
    return -argos(score[of_data], score[~of_data], weights[of_data], weights[~of_data])


def _member_progress(monitor: Monitor | None, member: int, members: int) -> Callable[[Progress], None] | None:
    """The monitor of a training, in epochs of all members."""
    if monitor is None:
        return None

    def tell(progress: Progress) -> None:
        monitor(member * progress.epochs + progress.epoch, members * progress.epochs)

    return tell
