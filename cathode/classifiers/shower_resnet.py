"""A residual network of three-dimensional convolutions for showers, the hardest test of the CaloChallenge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from typing_extensions import override

from cathode.classifiers.network_ensemble import CrossEntropy, NetworkEnsemble
from cathode.classifiers.of_networks import OfNetworks
from cathode.classifiers.protocol import Monitor
from cathode.classifiers.rows import balanced, finite_rows, weighted_rows
from cathode.classifiers.volumes import VolumeNetwork
from cathode.errors import ClassifierInputError, ConfigError
from generators.training.acceleration import accelerator
from generators.training.batches import TrainingData
from generators.training.settings import TrainingSettings

#: Showers that go through a network at once when scoring.
_CHUNK = 512


@dataclass(kw_only=True, eq=False)
class ShowerResNet(OfNetworks):
    """Mean probability of a residual network of convolutions at its best epochs (He et al., 1512.03385; 2410.21611).

    Events are x (N, K + L·A·R): K other numbers, such as log₁₀ E_inc, then the voxels of `layers` layers of `angles` ×
    `rings`, in the order of a file of showers. Angles close to a circle unless `periodic` is False. `width` is the
    number of channels after the first convolution, `blocks` the number of residual blocks in each of four parts; 32 and
    2 are the size of the CaloChallenge, which has layers of one binning alone, as this has.

    Binary cross-entropy, AdamW with the one-cycle rate, and the mean over the `best_epochs` of lowest validation loss
    and over `members` networks of their own start and split. Data and template get equal weight, multiplied by the
    event weights.

    After `fit`: `ensemble_`, `features_` (K + L·A·R), `seed_`, and as a view of the first `validation_losses_`.
    """

    kind: ClassVar[str] = "shower_resnet"

    layers: int
    angles: int
    rings: int
    periodic: bool = True
    members: int = 1
    width: int = 8
    blocks: int = 1
    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    best_epochs: int = 2
    validation_fraction: float = 0.2

    def __post_init__(self) -> None:
        whole = ("layers", "angles", "rings", "members", "width", "blocks", "epochs", "batch_size", "best_epochs")
        for name in whole:
            if not getattr(self, name) >= 1:
                raise ConfigError(f"{self.kind}: {name} = {getattr(self, name)} must be at least 1.")
        if not self.learning_rate > 0:
            raise ConfigError(f"{self.kind}: learning_rate = {self.learning_rate} must be positive.")
        if not self.weight_decay >= 0:
            raise ConfigError(f"{self.kind}: weight_decay = {self.weight_decay} must not be negative.")
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(
                f"{self.kind}: validation_fraction = {self.validation_fraction} must lie between 0 and 1."
            )

    @property
    def voxels(self) -> int:
        """Number of voxels of an event."""
        return self.layers * self.angles * self.rings

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        seed: int,
        monitor: Monitor | None = None,
    ) -> Self:
        """Learn from x (N, K + L·A·R), y (N,) and event weights (N,); `monitor` gets how many epochs are done.

        Raises
        ------
        ClassifierInputError, NonFiniteError, TooFewEventsError
            As `weighted_rows`, or if an event has fewer numbers than voxels; before anything changes.
        DivergedError
            If the loss becomes NaN or infinite.
        """
        features = finite_rows(x)
        if features.shape[1] < self.voxels:
            raise ClassifierInputError(
                f"x has {features.shape[1]} numbers in an event; {self.layers} × {self.angles} × {self.rings} voxels "
                f"are {self.voxels}. Mend layers, angles and rings of the classifier."
            )
        rows = weighted_rows(features, y, weights, coordinates=lambda mine: mine)
        events = torch.as_tensor(rows.x, dtype=torch.float32)
        w = torch.as_tensor(balanced(rows.y, rows.weights), dtype=torch.float32)

        def network(member: int, of_member: int) -> VolumeNetwork:
            fresh = self.network(events.shape[1] - self.voxels, seed=of_member)
            fresh.standardise(events, w)
            return fresh

        labels = torch.as_tensor(rows.y[:, None], dtype=torch.float32)
        self.ensemble_ = NetworkEnsemble.trained(
            self.kind,
            network,
            CrossEntropy,
            TrainingData(events, labels, w),
            self.settings(),
            members=self.members,
            seed=seed,
            monitor=monitor,
        )
        self.features_, self.seed_ = events.shape[1], seed
        return self

    def score(self, x: ArrayLike) -> NDArray[np.float64]:
        """Mean probability of data for x (M, K + L·A·R), (M,)."""
        self.require_fit()
        events = torch.as_tensor(finite_rows(x, self.features_), dtype=torch.float32)
        network = self.network(self.features_ - self.voxels, seed=0).to(accelerator())
        return self.ensemble_.probability(network, events, chunk=_CHUNK)

    def network(self, others: int, *, seed: int) -> VolumeNetwork:
        """A network at its random start, for events with so many numbers beside the voxels."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            shape = (self.layers, self.angles, self.rings)
            return VolumeNetwork(shape, others, width=self.width, blocks=self.blocks, periodic=self.periodic)

    def settings(self) -> TrainingSettings:
        """Budget, optimiser and choice of epochs, as the training loop wants them."""
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            validation_fraction=self.validation_fraction,
            best_states=self.best_epochs,
        )

    @override
    def kept(self) -> dict[str, NDArray[Any]]:
        return {"features": np.array([self.features_])}

    @override
    def take(self, arrays: Mapping[str, NDArray[Any]]) -> Callable[[], nn.Module]:
        self.features_ = int(arrays["features"][0])
        if self.features_ < self.voxels:
            raise ValueError(f"events have {self.features_} numbers and {self.voxels} voxels")
        return lambda: self.network(self.features_ - self.voxels, seed=0)
