"""A transformer on the constituents of jets, the classifier of searches in the full phase space."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from typing_extensions import override

from cathode.classifiers.backbones import BACKBONE, SubstructureRegression, bodies, read_bodies
from cathode.classifiers.constituents import finite_constituents, jet_coordinates
from cathode.classifiers.high_level import computed, specified
from cathode.classifiers.network_ensemble import CrossEntropy, NetworkEnsemble
from cathode.classifiers.of_networks import OfNetworks
from cathode.classifiers.particle_transformer import ParticleTransformer
from cathode.classifiers.protocol import Monitor
from cathode.classifiers.rows import balanced, weighted_rows
from cathode.classifiers.storage import read_card, save_folder
from cathode.errors import ClassifierInputError, ConfigError
from generators.training.acceleration import accelerator
from generators.training.batches import TrainingData
from generators.training.settings import TrainingSettings
from generators.training.stopping import State

#: Hyperparameters that a network and the backbone it starts from have in common.
ARCHITECTURE = ("width", "blocks", "jet_blocks", "heads", "expansion")
#: Events that go through a network at once when scoring.
_CHUNK = 1024


@dataclass(kw_only=True, eq=False)
class Transformer(OfNetworks):
    """Mean probability of a `ParticleTransformer` at its best epochs, from constituents (2310.06897).

    Events are x (N, J, P, 3): J jets of up to P constituents with (pT in GeV, η, φ), absent ones with pT = 0. Any P can
    be scored. Turning an event about the beam or reflecting it does not change its score, see `quantities`.

    `blocks` of attention over the constituents of a jet, `jet_blocks` over the jets, of `width` numbers in `heads`
    parts; binary cross-entropy, AdamW with the one-cycle rate, an average over weights with `ema_decay`, and the mean
    over the `best_epochs` epochs of lowest validation loss and over `members` networks of their own start and split.
    Data and template get equal weight, multiplied by the event weights; negative ones are cancelled against events
    whose jets are alike in (pT, η, φ, m, N). With `high_level`, observables that are computed from the constituents,
    the last layers see these too: what is known to matter need not be found.

    With a `backbone`, a folder that `save` or `pretrain` wrote with the same architecture, members start from its
    networks, with its standardisation and a new head, instead of from random numbers. With `pretraining` they start
    from a network that has learned to compute substructure, see `SubstructureRegression`: from the events that
    `pretrained` was given, as a search does with its sidebands, else from those of `fit`, without their labels.

    After `pretrained`: `start_`. After `fit`: `ensemble_`, `jets_`, `seed_`, and as a view of the first
    `validation_losses_`.

    >>> x = np.random.default_rng(1).uniform(0.1, 0.5, (40, 2, 3, 3))  # two jets of three constituents
    >>> small = Transformer(width=8, heads=2, blocks=1, jet_blocks=1, epochs=1, best_epochs=1, batch_size=16)
    >>> small.fit(x, np.repeat([1, 0], 20), seed=1).score(x).shape
    (40,)
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
    pretraining: SubstructureRegression | None = None
    high_level: str | Mapping[str, Any] | None = None

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
        if self.high_level is not None:
            self.high_level = specified(self.high_level)
        if self.backbone is not None:
            self.backbone = os.fspath(self.backbone)
        if self.pretraining is not None:
            self.pretraining = SubstructureRegression.of(self.pretraining)
            if self.backbone is not None:
                raise ConfigError("transformer: give a backbone or pretraining, not both: each is where members start.")

    def pretrained(
        self,
        x: ArrayLike,
        *,
        seed: int,
        folder: str | os.PathLike[str] | None = None,
        monitor: Monitor | None = None,
    ) -> Self:
        """A copy that has done its `pretraining` on unlabelled events x (N, J, P, 3), or the same if there is none.

        With a `folder` what was learned is saved there, and not learned again if it is there.

        Raises
        ------
        ClassifierInputError, NonFiniteError, TooFewEventsError
            As `finite_constituents` and `SubstructureRegression.learned`.
        ClassifierFolderError, ConfigError
            If what is in the folder can not be read, or belongs to another architecture or pretraining.
        """
        if self.pretraining is None:
            return self
        if folder is not None and Path(folder).exists():
            learned = self.architecture() | {"pretraining": dataclasses.asdict(self.pretraining)}
            return copy.deepcopy(self)._starting(*read_bodies(folder, self.kind, learned))
        trained = self._pretrain(finite_constituents(x), seed, monitor)
        if folder is not None:
            one = self.hyperparameters() | {"members": 1}
            save_folder(folder, BACKBONE, one, seed, trained.to_arrays())
        return copy.deepcopy(self)._starting(*bodies(trained))

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
            As `finite_constituents` and `weighted_rows`, or if an observable is not finite; before anything changes.
        ClassifierFolderError, ConfigError
            If the backbone can not be read, or has another architecture.
        DivergedError
            If the loss becomes NaN or infinite.
        """
        rows = weighted_rows(finite_constituents(x), y, weights, coordinates=jet_coordinates)
        events = torch.as_tensor(rows.x)
        w = torch.as_tensor(balanced(rows.y, rows.weights), dtype=torch.float32)
        observables = self._inputs_beside(rows.x)
        starts = self._starts(events, w, seed)

        def network(member: int, of_member: int) -> ParticleTransformer:
            fresh = self.network(seed=of_member, observables=observables.shape[1])
            if fresh.high_level is not None:
                fresh.high_level.standardise(observables, w)
            fresh.load_state_dict(starts[member % len(starts)], strict=False)
            return fresh

        trained = NetworkEnsemble.trained(
            self.kind,
            network,
            CrossEntropy,
            TrainingData(
                events, torch.cat([torch.as_tensor(rows.y[:, None], dtype=torch.float32), observables], dim=1), w
            ),
            self.settings(),
            members=self.members,
            seed=seed,
            monitor=monitor,
        )
        self.ensemble_, self.jets_, self.seed_ = trained, events.shape[1], seed
        return self

    def score(self, x: ArrayLike) -> NDArray[np.float64]:
        """Mean probability of data for x (M, J, P, 3), (M,), for any P."""
        self.require_fit()
        events = finite_constituents(x)
        if events.shape[1] != self.jets_:
            raise ClassifierInputError(
                f"x has {events.shape[1]} jets per event; the classifier was trained with {self.jets_}."
            )
        observables = self._inputs_beside(events)
        network = self.network(seed=0, observables=observables.shape[1]).to(accelerator())
        return self.ensemble_.probability(network, torch.as_tensor(events), observables, chunk=_CHUNK)

    def network(self, *, seed: int, outputs: int = 1, observables: int = 0) -> ParticleTransformer:
        """A network at its random start, which gets so many observables beside the constituents."""
        made: dict[str, Any] = {**self.architecture(), "dropout": self.dropout}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return ParticleTransformer(**made, outputs=outputs, observables=observables)

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

    def files(self) -> dict[str, str]:
        """SHA-256 of the weights of the backbone, if there is one.

        Raises
        ------
        ClassifierFolderError
            If it can not be read.
        """
        return {} if self.backbone is None else {"backbone": read_card(self.backbone).weights_sha256}

    @override
    def kept(self) -> dict[str, NDArray[Any]]:
        return {"jets": np.array([self.jets_])}

    @override
    def take(self, arrays: Mapping[str, NDArray[Any]]) -> Callable[[], nn.Module]:
        self.jets_ = int(arrays["jets"][0])
        observables = len(self.ensemble_.states[0][0].get("high_level.mean", ()))
        return lambda: self.network(seed=0, observables=observables)

    def architecture(self) -> dict[str, Any]:
        """What a network and its backbone have in common."""
        return {name: getattr(self, name) for name in ARCHITECTURE}

    def _inputs_beside(self, x: NDArray[np.float32]) -> torch.Tensor:
        """The observables beside the constituents, (N, K); none without `high_level`."""
        if self.high_level is None:
            return torch.empty(len(x), 0)
        assert not isinstance(self.high_level, str)
        return torch.as_tensor(computed(self.high_level, x, of="high_level"), dtype=torch.float32)

    def _starts(self, events: torch.Tensor, weights: torch.Tensor, seed: int) -> list[State]:
        """Where members start, in turn; what is missing from a state is random."""
        if self.backbone is not None:
            return read_bodies(self.backbone, self.kind, self.architecture())
        if self.pretraining is None:
            return [self._standardised(events, weights)]
        if not hasattr(self, "start_"):
            return bodies(self._pretrain(events.numpy(), seed, None))
        return [self.start_]

    def _starting(self, start: State) -> Self:
        self.start_ = start
        return self

    def _pretrain(self, events: NDArray[np.float32], seed: int, monitor: Monitor | None) -> NetworkEnsemble:
        assert self.pretraining is not None
        standard = self._standardised(torch.as_tensor(events), torch.ones(len(events)))

        def network(outputs: int, of_member: int) -> ParticleTransformer:
            fresh = self.network(seed=of_member, outputs=outputs)
            fresh.load_state_dict(standard, strict=False)
            return fresh

        budget = replace(self.settings(), epochs=None, steps=self.pretraining.steps, best_states=1)
        return self.pretraining.learned(network, events, budget, seed=seed, monitor=monitor)

    def _standardised(self, events: torch.Tensor, weights: torch.Tensor) -> State:
        """Mean and width of all quantities, as the part of a state that is not trained."""
        network = self.network(seed=0)
        network.standardise(events, weights)
        return dict(network.named_buffers())
