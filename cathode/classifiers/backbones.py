"""What a transformer knows before it is asked about data and template, and how unlabelled events teach it that."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from analysis.errors import TooFewEventsError
from cathode.classifiers.high_level import computed, specified
from cathode.classifiers.network_ensemble import NetworkEnsemble
from cathode.classifiers.protocol import Monitor
from cathode.classifiers.rows import MINIMUM
from cathode.classifiers.storage import load_folder, read_card, restoring
from cathode.errors import ClassifierFolderError, ConfigError
from cathode.runtime.specification import refuse_unknown
from generators.training.batches import TrainingData
from generators.training.settings import TrainingSettings
from generators.training.stopping import State

#: The kind of folder that `pretrain` writes.
BACKBONE = "transformer_backbone"

#: Layers that answer one question only, and those that take more than constituents; the backbone is everything else.
_OWN = ("head.", "high_level.")


@dataclass(frozen=True, kw_only=True)
class SubstructureRegression:
    """Learn to compute observables of an event from its constituents: no labels, no simulation, and no signal needed.

    A few thousand events of data and template are too few to find out what a jet consists of and what is new in it at
    once. The first is learned here: the network is asked for the `observables` of events, such as N-subjettiness, as
    normal scores (ranks turned into quantiles of a normal distribution), by squared error and in `steps` steps.
    """

    observables: str | Mapping[str, Any] = "dijet_substructure"
    steps: int = 1000

    @classmethod
    def of(cls, given: SubstructureRegression | Mapping[str, Any]) -> SubstructureRegression:
        """From hyperparameters, as they stand in a configuration.

        Raises
        ------
        ConfigError
            If a hyperparameter or the observables are unknown, or steps are not positive.
        """
        if isinstance(given, SubstructureRegression):
            return given
        if not isinstance(given, Mapping):
            raise ConfigError(f"pretraining: {given!r} is no mapping with the keys observables, steps.")
        refuse_unknown(cls, given, "pretraining")
        return cls(**given)

    def __post_init__(self) -> None:
        if not self.steps >= 1:
            raise ConfigError(f"pretraining: steps = {self.steps} must be at least 1.")
        object.__setattr__(self, "observables", specified(self.observables))

    def learned(
        self,
        network: Callable[[int, int], nn.Module],
        x: NDArray[np.float32],
        settings: TrainingSettings,
        *,
        seed: int,
        monitor: Monitor | None = None,
    ) -> NetworkEnsemble:
        """Train `network(outputs, seed)` on events x (N, J, P, 3), of which it knows mean and width already.

        More events than the steps can look at are left out at random.

        Raises
        ------
        TooFewEventsError
            If there are fewer than 10.
        NonFiniteError
            If an observable is NaN or infinite.
        """
        if len(x) < MINIMUM:
            raise TooFewEventsError(f"{len(x)} events; pretraining needs at least {MINIMUM}.")
        most = math.ceil(self.steps * settings.batch_size / (1 - settings.validation_fraction))
        if len(x) > most:
            x = x[np.sort(np.random.default_rng(seed).permutation(len(x))[:most])]
        assert not isinstance(self.observables, str)
        values = computed(self.observables, x, of="pretraining")
        scores = stats.norm.ppf((stats.rankdata(values, axis=0) - 0.5) / len(values))
        data = TrainingData(
            torch.as_tensor(x), torch.as_tensor(scores, dtype=torch.float32), torch.ones(len(x), dtype=torch.float32)
        )
        return NetworkEnsemble.trained(
            BACKBONE,
            lambda _, of_member: network(values.shape[1], of_member),
            _Regression,
            data,
            settings,
            members=1,
            seed=seed,
            monitor=monitor,
        )


class _Regression(nn.Module):
    """Mean squared error of every event; what it should say (N, K) is the context."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, asked: Tensor) -> Tensor:
        loss: Tensor = (self.network(x) - asked).square().mean(dim=1)
        return loss


def bodies(trained: NetworkEnsemble) -> list[State]:
    """The best state of every member, without the layers that are its own."""
    return [{k: v for k, v in states[0].items() if not k.startswith(_OWN)} for states in trained.states]


def read_bodies(folder: str | os.PathLike[str], kind: str, hyperparameters: Mapping[str, Any]) -> list[State]:
    """The backbones in a folder that a classifier of this kind, or `pretrain`, wrote.

    Raises
    ------
    ClassifierFolderError
        If it can not be read, or holds another kind.
    ConfigError
        If it has other hyperparameters than these.
    """
    there = read_card(folder).kind
    if there not in (kind, BACKBONE):
        raise ClassifierFolderError(f"{folder} holds a classifier of kind '{there}'; a backbone is a '{kind}'.")
    card, arrays = load_folder(folder, there)
    for name, value in json.loads(json.dumps(hyperparameters)).items():
        if card.hyperparameters.get(name) != value:
            raise ConfigError(
                f"{kind}: {name} = {value}, but the backbone in {folder} has {card.hyperparameters.get(name)}. "
                "Use that, or another backbone."
            )
    with restoring(folder, card, arrays):
        return bodies(NetworkEnsemble.from_arrays(arrays, int(card.hyperparameters.get("members", 1))))
