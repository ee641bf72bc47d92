"""Deep sets and energy flow networks on the constituents of jets (1703.06114, 1810.05165)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from typing_extensions import override

from cathode.classifiers.constituents import finite_constituents, jet_coordinates
from cathode.classifiers.network_ensemble import CrossEntropy, NetworkEnsemble
from cathode.classifiers.of_networks import OfNetworks
from cathode.classifiers.protocol import Monitor
from cathode.classifiers.rows import balanced, weighted_rows
from cathode.classifiers.sets import SetNetwork
from cathode.errors import ClassifierInputError, ConfigError
from generators.training.acceleration import accelerator
from generators.training.batches import TrainingData
from generators.training.settings import TrainingSettings

#: Events that go through a network at once when scoring.
_CHUNK = 2048


@dataclass(kw_only=True, eq=False)
class DeepSets(OfNetworks):
    """Mean probability of a particle flow network at its best epochs (Zaheer et al., 1703.06114; 1810.05165).

    Events are x (N, J, P, 3): J jets of up to P constituents with (pT in GeV, η, φ), absent ones with pT = 0. Any P can
    be scored; what it sees is turned and mirrored as in `quantities`. A score is a function of sums over constituents,
    see `SetNetwork`, which costs a small part of a transformer.

    Binary cross-entropy, AdamW with the one-cycle rate, and the mean over the `best_epochs` of lowest validation loss
    and over `members` networks of their own start and split. Data and template get equal weight, multiplied by the
    event weights; negative ones are cancelled against events whose jets are alike.

    After `fit`: `ensemble_`, `jets_`, `seed_`, and as a view of the first `validation_losses_`.
    """

    kind: ClassVar[str] = "deep_sets"
    #: Whether soft and collinear constituents change nothing.
    safe: ClassVar[bool] = False

    members: int = 1
    hidden: int = 64
    layers: int = 2
    latent: int = 64
    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    ema_decay: float | None = 0.99
    best_epochs: int = 3
    validation_fraction: float = 0.2

    def __post_init__(self) -> None:
        for name in ("members", "hidden", "layers", "latent", "epochs", "batch_size", "best_epochs"):
            if not getattr(self, name) >= 1:
                raise ConfigError(f"{self.kind}: {name} = {getattr(self, name)} must be at least 1.")
        if not self.learning_rate > 0:
            raise ConfigError(f"{self.kind}: learning_rate = {self.learning_rate} must be positive.")
        if not self.weight_decay >= 0:
            raise ConfigError(f"{self.kind}: weight_decay = {self.weight_decay} must not be negative.")
        for name in ("ema_decay", "validation_fraction"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ConfigError(f"{self.kind}: {name} = {value} must lie between 0 and 1.")

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        seed: int,
        monitor: Monitor | None = None,
    ) -> Self:
        """Learn from x (N, J, P, 3), y (N,) and event weights (N,); `monitor` gets how many epochs are done.

        Raises
        ------
        ClassifierInputError, NonFiniteError, TooFewEventsError
            As `finite_constituents` and `weighted_rows`; before anything changes.
        DivergedError
            If the loss becomes NaN or infinite.
        """
        rows = weighted_rows(finite_constituents(x), y, weights, coordinates=jet_coordinates)
        events = torch.as_tensor(rows.x)
        w = torch.as_tensor(balanced(rows.y, rows.weights), dtype=torch.float32)

        def network(member: int, of_member: int) -> SetNetwork:
            fresh = self.network(seed=of_member)
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
        self.jets_, self.seed_ = events.shape[1], seed
        return self

    def score(self, x: ArrayLike) -> NDArray[np.float64]:
        """Mean probability of data for x (M, J, P, 3), (M,), for any P."""
        self.require_fit()
        events = finite_constituents(x)
        if events.shape[1] != self.jets_:
            raise ClassifierInputError(
                f"x has {events.shape[1]} jets per event; the classifier was trained with {self.jets_}."
            )
        network = self.network(seed=0).to(accelerator())
        return self.ensemble_.probability(network, torch.as_tensor(events), chunk=_CHUNK)

    def network(self, *, seed: int) -> SetNetwork:
        """A network at its random start."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return SetNetwork(hidden=self.hidden, layers=self.layers, latent=self.latent, safe=self.safe)

    def settings(self) -> TrainingSettings:
        """Budget, optimiser and choice of epochs, as the training loop wants them."""
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            ema_decay=self.ema_decay,
            validation_fraction=self.validation_fraction,
            best_states=self.best_epochs,
        )

    @override
    def kept(self) -> dict[str, NDArray[Any]]:
        return {"jets": np.array([self.jets_])}

    @override
    def take(self, arrays: Mapping[str, NDArray[Any]]) -> Callable[[], nn.Module]:
        self.jets_ = int(arrays["jets"][0])
        return lambda: self.network(seed=0)


@dataclass(kw_only=True, eq=False)
class EnergyFlow(DeepSets):
    """Mean probability of an energy flow network at its best epochs (Komiske, Metodiev & Thaler, 1810.05165).

    As `DeepSets`, but its score is safe: it does not change when a constituent splits into parallel ones, nor by
    constituents without momentum. It does not see what a detector or a shower makes of soft ones, nor how many there
    are; see `SetNetwork`.
    """

    kind: ClassVar[str] = "energy_flow"
    safe: ClassVar[bool] = True
