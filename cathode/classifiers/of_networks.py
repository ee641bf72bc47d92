"""Base of classifiers that are networks: what is kept of a training, and how it is saved and read."""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from numpy.typing import NDArray
from torch import nn

from cathode.classifiers.network_ensemble import NetworkEnsemble
from cathode.classifiers.storage import load_folder, restoring
from generators.errors import NotFittedError
from generators.parameters import Parameters
from generators.training.stopping import State


class OfNetworks(Parameters, ABC):
    """A classifier that is the mean over `members` networks at their best epochs, a dataclass of its hyperparameters.

    After `fit`: `ensemble_` and `seed_`, and as views of the first `states_` (per member, best epoch first),
    `train_losses_` and `validation_losses_` (per member).
    """

    kind: ClassVar[str]

    members: int
    ensemble_: NetworkEnsemble
    seed_: int

    @abstractmethod
    def kept(self) -> dict[str, NDArray[Any]]:
        """What is known beside the networks after `fit`, to be saved."""

    @abstractmethod
    def take(self, arrays: Mapping[str, NDArray[Any]]) -> Callable[[], nn.Module]:
        """Take what `kept` gave, and say how a network is made.

        A `KeyError` or `ValueError` says what is not right.
        """

    @property
    def states_(self) -> list[list[State]]:
        """Per member its states, best epoch first."""
        return self.ensemble_.states

    @property
    def train_losses_(self) -> list[list[float]]:
        """Per member its losses per epoch."""
        return self.ensemble_.train_losses

    @property
    def validation_losses_(self) -> list[list[float]]:
        """Per member its losses per epoch on the rows held back."""
        return self.ensemble_.validation_losses

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dataclasses.asdict(self)  # type: ignore[call-overload, no-any-return]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the networks to a folder, which appears or is replaced as a whole."""
        self.require_fit()
        return self.ensemble_.save(folder, self.kind, self.hyperparameters(), self.seed_, self.kept())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """What `save` wrote; nothing else is needed.

        Raises
        ------
        ClassifierFolderError
            If a file is missing, was altered, or is not of this kind.
        """
        card, arrays = load_folder(folder, cls.kind)
        with restoring(folder, card, arrays):
            loaded = cls(**card.hyperparameters)
            loaded.ensemble_, loaded.seed_ = NetworkEnsemble.from_arrays(arrays, loaded.members), card.seed
            loaded.ensemble_.require_fit_to(loaded.take(arrays))
        return loaded

    def require_fit(self) -> None:
        """Refuse to go on before `fit`."""
        if not hasattr(self, "ensemble_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit, or load a saved one.")
