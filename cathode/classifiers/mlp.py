"""A multilayer perceptron, the classifier of the CATHODE paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from typing_extensions import override

from cathode.classifiers.network_ensemble import CrossEntropy, NetworkEnsemble, selection_rule
from cathode.classifiers.of_networks import OfNetworks
from cathode.classifiers.protocol import Monitor
from cathode.classifiers.rows import balanced, finite_rows, training_rows
from cathode.errors import ConfigError
from generators.training.batches import TrainingData
from generators.training.settings import TrainingSettings

#: Rows that go through a network at once when scoring.
_CHUNK = 1 << 16


@dataclass(kw_only=True, eq=False)
class Mlp(OfNetworks):
    """Mean probability of a small network at its best epochs (CATHODE, Hallin et al., 2109.00546).

    `layers` hidden layers of `hidden` ReLU units on standardised features, binary cross-entropy, Adam with a constant
    `learning_rate`, half of the rows for validation, and the mean over the `best_epochs` epochs of lowest validation
    loss, or with `selection` "argos" of the largest ARGOS of the rows held back (2511.14832). Data and template get
    equal weight, multiplied by the event weights. With `members` above one it is also the mean over networks with their
    own start and split.

    After `fit`: `ensemble_`, `mean_`, `scale_`, `seed_`, and as views of the first `states_` (per member, best epoch
    first), `train_losses_` and `validation_losses_` (per member).

    >>> rng = np.random.default_rng(1)
    >>> y = np.repeat([1, 0], 100)
    >>> x = rng.normal(y[:, None], 1, (200, 2))
    >>> network = Mlp(layers=1, hidden=8, epochs=4, best_epochs=1, learning_rate=0.1).fit(x, y, seed=1)
    >>> bool(network.score(x[:100]).mean() > network.score(x[100:]).mean())
    True
    """

    kind: ClassVar[str] = "mlp"

    members: int = 1
    hidden: int = 64
    layers: int = 3
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 1e-3
    best_epochs: int = 10
    validation_fraction: float = 0.5
    selection: str = "bce"

    def __post_init__(self) -> None:
        for name in ("members", "hidden", "layers", "epochs", "batch_size", "best_epochs"):
            if not getattr(self, name) >= 1:
                raise ConfigError(f"mlp: {name} = {getattr(self, name)} must be at least 1.")
        if not self.learning_rate > 0:
            raise ConfigError(f"mlp: learning_rate = {self.learning_rate} must be positive.")
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(f"mlp: validation_fraction = {self.validation_fraction} must lie between 0 and 1.")
        selection_rule(self.selection)

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        seed: int,
        monitor: Monitor | None = None,
    ) -> Self:
        """Learn from x (N, D), y (N,) and event weights (N,); `monitor` gets how many epochs are done.

        Raises
        ------
        ClassifierInputError, NonFiniteError, TooFewEventsError, ConstantFeatureError
            As `training_rows`, before anything changes.
        DivergedError
            If the loss becomes NaN or infinite.
        """
        rows = training_rows(x, y, weights)
        w = balanced(rows.y, rows.weights)
        mean = np.average(rows.x, axis=0, weights=w)
        scale = np.sqrt(np.average((rows.x - mean) ** 2, axis=0, weights=w))
        data = TrainingData(
            torch.as_tensor((rows.x - mean) / scale, dtype=torch.float32),
            torch.as_tensor(rows.y[:, None], dtype=torch.float32),
            torch.as_tensor(w, dtype=torch.float32),
        )
        settings = TrainingSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            schedule="constant",
            clip=None,
            validation_fraction=self.validation_fraction,
            best_states=self.best_epochs,
        )
        trained = NetworkEnsemble.trained(
            self.kind,
            lambda member, of_member: _network(data.x.shape[1], self.hidden, self.layers, seed=of_member),
            CrossEntropy,
            data,
            settings,
            members=self.members,
            seed=seed,
            monitor=monitor,
            rule=selection_rule(self.selection),
        )
        self.mean_, self.scale_, self.seed_, self.ensemble_ = mean, scale, seed, trained
        return self

    def score(self, x: ArrayLike) -> NDArray[np.float64]:
        """Mean probability of data for x (M, D), (M,)."""
        self.require_fit()
        rows = finite_rows(x, len(self.mean_))
        z = torch.as_tensor((rows - self.mean_) / self.scale_, dtype=torch.float32)
        network = _network(len(self.mean_), self.hidden, self.layers, seed=0)
        return self.ensemble_.probability(network, z, chunk=_CHUNK)

    @override
    def kept(self) -> dict[str, NDArray[Any]]:
        return {"mean": self.mean_, "scale": self.scale_}

    @override
    def take(self, arrays: Mapping[str, NDArray[Any]]) -> Callable[[], nn.Module]:
        self.mean_, self.scale_ = arrays["mean"], arrays["scale"]
        (features,) = self.mean_.shape
        if self.scale_.shape != self.mean_.shape or not (self.scale_ > 0).all():
            raise ValueError("there is not one mean and one positive scale of every feature")
        return lambda: _network(features, self.hidden, self.layers, seed=0)


def _network(features: int, hidden: int, layers: int, *, seed: int) -> nn.Sequential:
    body: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for wide, narrow in pairwise([features] + [hidden] * layers):
            body += [nn.Linear(wide, narrow), nn.ReLU()]
        return nn.Sequential(*body, nn.Linear(hidden, 1))
