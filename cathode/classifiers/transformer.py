"""A transformer on the constituents of jets, the classifier of searches in the full phase space."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from cathode.classifiers.constituents import finite_constituents, jet_coordinates
from cathode.classifiers.network_ensemble import CrossEntropy, NetworkEnsemble
from cathode.classifiers.particle_transformer import ParticleTransformer
from cathode.classifiers.protocol import Monitor
from cathode.classifiers.rows import balanced, weighted_rows
from cathode.classifiers.storage import load_folder, read_card, save_folder
from cathode.errors import ClassifierFolderError, ClassifierInputError, ConfigError, NotFittedError
from generators.training.acceleration import accelerator
from generators.training.batches import TrainingData
from generators.training.settings import TrainingSettings
from generators.training.stopping import State

#: Hyperparameters that a network and the backbone it starts from have in common.
ARCHITECTURE = ("width", "blocks", "jet_blocks", "heads", "expansion")
#: The kind of folder that `pretrain` writes.
BACKBONE = "transformer_backbone"

#: Layers that answer one question only; everything else is the backbone.
_HEAD = "head."
#: Events that go through a network at once when scoring.
_CHUNK = 1024


@dataclass(kw_only=True, eq=False)
class Transformer:
    """Mean probability of a `ParticleTransformer` at its best epochs, from constituents (2310.06897).

    Events are x (N, J, P, 3): J jets of up to P constituents with (pT in GeV, η, φ), absent ones with pT = 0. Any P can
    be scored. Turning an event about the beam or reflecting it does not change its score, see `quantities`.

    `blocks` of attention over the constituents of a jet, `jet_blocks` over the jets, of `width` numbers in `heads`
    parts; binary cross-entropy, AdamW with the one-cycle rate, an average over weights with `ema_decay`, and the mean
    over the `best_epochs` epochs of lowest validation loss and over `members` networks of their own start and split.
    Data and template get equal weight, multiplied by the event weights; negative ones are cancelled against events
    whose jets are alike in (pT, η, φ, m, N).

    With a `backbone`, a folder that `save` or `pretrain` wrote with the same architecture, members start from its
    networks, with its standardisation and a new head, instead of from random numbers.

    After `fit`: `ensemble_`, `jets_`, `seed_`, and as a view of the first `validation_losses_`.
    """

    kind: ClassVar[str] = "transformer"

    members: int = 1
    width: int = 64
    blocks: int = 2
    jet_blocks: int = 1
    heads: int = 4
    expansion: int = 2
    dropout: float = 0.0
    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    ema_decay: float | None = 0.99
    best_epochs: int = 3
    validation_fraction: float = 0.2
    backbone: str | None = None

    def __post_init__(self) -> None:
        for name in ("members", *ARCHITECTURE, "epochs", "batch_size", "best_epochs"):
            low = 0 if name == "jet_blocks" else 1
            if not getattr(self, name) >= low:
                raise ConfigError(f"transformer: {name} = {getattr(self, name)} must be at least {low}.")
        if self.width % self.heads:
            raise ConfigError(f"transformer: width = {self.width} can not be shared among heads = {self.heads}.")
        if not self.learning_rate > 0:
            raise ConfigError(f"transformer: learning_rate = {self.learning_rate} must be positive.")
        if not self.weight_decay >= 0:
            raise ConfigError(f"transformer: weight_decay = {self.weight_decay} must not be negative.")
        for name in ("dropout", "ema_decay", "validation_fraction"):
            value, zero = getattr(self, name), name == "dropout"
            if value is not None and not (0 < value < 1 or (zero and value == 0)):
                raise ConfigError(f"transformer: {name} = {value} must lie between 0 and 1.")
        if self.backbone is not None:
            self.backbone = os.fspath(self.backbone)

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        seed: int,
        monitor: Monitor | None = None,
    ) -> Self:
        """Learn from x (N, J, P, 3), y (N,) and event weights (N,); `monitor` is told how many epochs are done.

        Raises
        ------
        ClassifierInputError, NonFiniteError, TooFewEventsError
            As `finite_constituents` and `weighted_rows`, before anything changes.
        ClassifierFolderError, ConfigError
            If the backbone can not be read, or has another architecture.
        DivergedError
            If the loss becomes NaN or infinite.
        """
        rows = weighted_rows(finite_constituents(x), y, weights, coordinates=jet_coordinates)
        events = torch.as_tensor(rows.x)
        w = torch.as_tensor(balanced(rows.y, rows.weights), dtype=torch.float32)
        starts = [self._standardised(events, w)] if self.backbone is None else self._backbones(self.backbone)

        def network(member: int, of_member: int) -> ParticleTransformer:
            fresh = self.network(seed=of_member)
            fresh.load_state_dict(starts[member % len(starts)], strict=False)
            return fresh

        trained = NetworkEnsemble.trained(
            self.kind,
            network,
            CrossEntropy,
            TrainingData(events, torch.as_tensor(rows.y[:, None], dtype=torch.float32), w),
            self.settings(),
            members=self.members,
            seed=seed,
            monitor=monitor,
        )
        self.ensemble_, self.jets_, self.seed_ = trained, events.shape[1], seed
        return self

    def score(self, x: ArrayLike) -> NDArray[np.float64]:
        """Mean probability of data for x (M, J, P, 3), (M,), for any P."""
        self._require_fit()
        events = finite_constituents(x)
        if events.shape[1] != self.jets_:
            raise ClassifierInputError(
                f"x has {events.shape[1]} jets per event; the classifier was trained with {self.jets_}."
            )
        network = self.network(seed=0).to(accelerator())
        return self.ensemble_.probability(network, torch.as_tensor(events), chunk=_CHUNK)

    @property
    def validation_losses_(self) -> list[list[float]]:
        """Per member its losses per epoch on the rows held back."""
        return self.ensemble_.validation_losses

    def network(self, *, seed: int, outputs: int = 1) -> ParticleTransformer:
        """A network at its random start."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return ParticleTransformer(
                **{name: getattr(self, name) for name in ARCHITECTURE}, dropout=self.dropout, outputs=outputs
            )

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
            # Parts are cut to lengths of their own, for each of which a graph would be compiled.
            compile=False,
        )

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dataclasses.asdict(self)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the networks to a folder, which appears or is replaced as a whole."""
        self._require_fit()
        arrays = self.ensemble_.to_arrays() | {"jets": np.array([self.jets_])}
        return save_folder(folder, self.kind, self.hyperparameters(), self.seed_, arrays)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """What `save` wrote; the backbone it started from is no longer needed.

        Raises
        ------
        ClassifierFolderError
            If a file is missing, was altered, or is not of this kind.
        """
        card, arrays = load_folder(folder, cls.kind)
        try:
            loaded = cls(**card.hyperparameters)
            loaded.ensemble_ = NetworkEnsemble.from_arrays(arrays, loaded.members)
            loaded.jets_, loaded.seed_ = int(arrays["jets"][0]), card.seed
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ClassifierFolderError(f"{folder}: no network can be read from it ({error!r}).") from error
        return loaded

    def _standardised(self, events: torch.Tensor, weights: torch.Tensor) -> State:
        """Mean and width of all quantities, as the part of a state that is not trained."""
        network = self.network(seed=0)
        network.standardise(events, weights)
        return dict(network.named_buffers())

    def _backbones(self, folder: str) -> list[State]:
        """The best state of every member in a folder, without its head."""
        kind = read_card(folder).kind
        if kind not in (self.kind, BACKBONE):
            raise ClassifierFolderError(f"{folder} holds a classifier of kind '{kind}'; a backbone is a '{self.kind}'.")
        card, arrays = load_folder(folder, kind)
        for name in ARCHITECTURE:
            if card.hyperparameters.get(name) != getattr(self, name):
                raise ConfigError(
                    f"transformer: {name} = {getattr(self, name)}, but the backbone in {folder} has "
                    f"{card.hyperparameters.get(name)}. Use that, or another backbone."
                )
        kept = NetworkEnsemble.from_arrays(arrays, int(card.hyperparameters.get("members", 1)))
        return [{key: value for key, value in states[0].items() if not key.startswith(_HEAD)} for states in kept.states]

    def _require_fit(self) -> None:
        if not hasattr(self, "ensemble_"):
            raise NotFittedError("Transformer has not been fitted; call fit, or load a saved one.")
