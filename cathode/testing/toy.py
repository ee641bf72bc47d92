"""A world with a known truth: its events, a generator and a mass model that know it, and a cheap classifier.

Its background falls exponentially from 2 to 6 TeV, with three normal features whose means follow the mass.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events
from cathode.classifiers import register
from cathode.classifiers.storage import load_folder, save_folder
from cathode.region import Interval, Region
from cathode.result import SearchResult
from cathode.template.mass_models import Expected

Array = NDArray[np.float64]

REGION = Region(3300.0, 3700.0, sideband_low=2300.0, sideband_high=5300.0)
COLUMNS = ("first", "second", "third")
SLOPE = 1500.0
RESONANCE, WIDTH = 3500.0, 60.0
COVARIANCE = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.8]])
#: Change of the mean of every feature per TeV.
DRIFT = np.array([0.4, -0.2, 0.3])
#: Where the signal lies, in features at its mass, relative to the background.
OFFSET = np.array([2.0, -1.5, 1.5])

_ROOT = np.linalg.cholesky(COVARIANCE)


def background_features(mass: Array, rng: np.random.Generator) -> Array:
    """Draw p(x | m) of the background: (N,) GeV -> (N, 3)."""
    return _mean(mass) + rng.standard_normal((len(mass), 3)) @ _ROOT.T


def falling_masses(n: int, rng: np.random.Generator, low: float = 2000.0, high: float = 6000.0) -> Array:
    """Draw exponentially falling masses, GeV."""
    fraction = -np.expm1(-(high - low) / SLOPE)
    return np.asarray(low - SLOPE * np.log1p(-fraction * rng.random(n)))


def toy_events(n: int, *, signal: int = 0, seed: int, truth: bool = False, weights: Array | None = None) -> Events:
    """`n` background events from 2 to 6 TeV and `signal` events of a narrow resonance at 3.5 TeV, in random order."""
    rng = np.random.default_rng([20_241_100, seed])
    mass = np.concatenate([falling_masses(n, rng), RESONANCE + WIDTH * rng.standard_normal(signal)])
    x = background_features(mass, rng)
    is_signal = np.arange(n + signal) >= n
    x[is_signal] += OFFSET
    order = rng.permutation(n + signal)
    ids = np.stack([np.full(n + signal, 1 + seed), np.ones(n + signal), np.arange(n + signal)], axis=1)
    return Events(
        x=x[order],
        mass=mass[order],
        columns=COLUMNS,
        weights=np.empty(0) if weights is None else weights,
        ids=ids.astype(np.uint64),
        truth=is_signal[order] if truth else None,
    )


def toy_auxiliary() -> dict[str, Events]:
    """Samples that are no data, for the methods that need them.

    "background" is independent true background, "simulation" background with other features and a steeper spectrum,
    "labelled" background and signal with their truth. "signal_1_1" and the like are signals on a grid of two
    parameters, which multiply the offsets of the first and of the second feature of that of `toy_events`.
    """
    simulated = toy_events(20_000, seed=501)
    rng = np.random.default_rng(501)
    steeper = rng.random(len(simulated)) < np.exp(-(simulated.mass - 2000) / 8000)
    simulation = dataclasses.replace(simulated, x=simulated.x + np.array([0.25, 0.0, -0.15]))[steeper]
    samples = {
        "background": toy_events(30_000, seed=502),
        "simulation": simulation,
        "labelled": toy_events(30_000, signal=2000, seed=503, truth=True),
    }
    for first in (0.5, 1.0, 1.5):
        for second in (0.5, 1.0, 1.5):
            mass = RESONANCE + WIDTH * rng.standard_normal(400)
            offset = OFFSET * np.array([first, second, 1.0])
            x = background_features(mass, rng) + offset
            samples[f"signal_{first:g}_{second:g}"] = Events(x=x, mass=mass, columns=COLUMNS)
    return samples


def _mean(mass: Array) -> Array:
    return np.asarray((np.asarray(mass)[:, None] - RESONANCE) / 1000 * DRIFT)


class TrueGenerator:
    """Knows p(x | m) and learns nothing; `shift` spoils the first feature. Not in the registry: any object will do.

    Copies share `calls`, the (x, context, weights) of every fit.
    """

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift
        self.calls: list[tuple[Any, Any, Any]] = []

    def __deepcopy__(self, memo: Any) -> TrueGenerator:
        copy = type(self)(self.shift)
        copy.calls = self.calls
        return copy

    def fit(
        self, x: Any, context: Any, *, weights: Any = None, seed: int, monitor: Any = None, checkpoint: Any = None
    ) -> Self:
        """Nothing is learned; the arguments are kept."""
        self.calls.append((x, context, weights))
        return self

    def sample(self, context: Any, *, seed: int) -> Any:
        """Features at the masses of context (N, 1) in GeV: (N, 3)."""
        x = background_features(context[:, 0], np.random.default_rng(seed))
        x[:, 0] += self.shift
        return x.astype(np.float32)


class TrueMass:
    """Knows p(m); its fit records the (mass, weights) that it was handed in `calls`, shared by copies."""

    kind: ClassVar[str] = "true_mass"

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any]] = []

    def __deepcopy__(self, memo: Any) -> TrueMass:
        copy = TrueMass()
        copy.calls = self.calls
        return copy

    def fit(self, mass: Any, region: Region, *, weights: Any = None) -> Self:
        """Only the number of events beside the window is learned, from masses (N,) in GeV and weights (N,)."""
        self.calls.append((mass, weights))
        self.region_ = region
        beside = sum(self._integral(low, high) for low, high in (*region.below, *region.above))
        self.total_ = float(np.sum(weights)) / beside
        return self

    def sample(self, n: int, *, seed: int, within: Region | Interval | None = None) -> Array:
        """Draw n masses (n,) in GeV."""
        edges = within or self.region_
        return falling_masses(n, np.random.default_rng(seed), edges.low, edges.high)

    def expected(self, within: Region | Interval | None = None) -> Expected:
        """Events in the window, unless told otherwise."""
        edges = within or self.region_
        events = self.total_ * self._integral(edges.low, edges.high)
        return Expected(events, events**0.5)

    def density(self, mass: Any) -> Array:
        """Events per GeV at masses (N,) in GeV."""
        return self.total_ * np.exp(-np.asarray(mass) / SLOPE) / SLOPE

    def band(self, mass: Any) -> tuple[Array, Array]:
        """One per cent down and up."""
        return self.density(mass) * 0.99, self.density(mass) * 1.01

    def to_dict(self) -> dict[str, Any]:
        """The kind; nothing can be restored from it."""
        return {"kind": self.kind}

    @staticmethod
    def _integral(low: Any, high: Any) -> float:
        return float(np.exp(-low / SLOPE) - np.exp(-high / SLOPE))


def fingerprints(x: Any) -> NDArray[np.uint64]:
    """One number per row, (N, D) -> (N,)."""
    rows = np.ascontiguousarray(x, dtype=np.float32)
    return np.array([int.from_bytes(hashlib.blake2b(r.tobytes(), digest_size=8).digest()) for r in rows], np.uint64)


@register
@dataclass(kw_only=True, eq=False)
class Discriminant:
    """Fisher's linear discriminant. With `remember` it keeps what it saw, and says when it is asked about that."""

    kind: ClassVar[str] = "toy_discriminant"
    #: (rows scored, rows among them that the classifier was trained on), per call of every `score`.
    scored: ClassVar[list[tuple[int, int]]] = []

    members: int = 1
    remember: bool = False

    def fit(self, x: Any, y: Any, *, weights: Any = None, seed: int, monitor: Any = None) -> Self:
        """Learn the direction from x (N, D), y (N,) and weights (N,)."""
        x, y = np.asarray(x, np.float64), np.asarray(y) == 1
        w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
        mean_data, mean_template = (np.average(x[k], axis=0, weights=w[k]) for k in (y, ~y))
        # The template alone, because it has no negative weights.
        self.direction_ = np.linalg.solve(np.cov(x[~y].T), mean_data - mean_template)
        self.seen_ = np.unique(fingerprints(x)) if self.remember else np.empty(0, np.uint64)
        self.seed_ = seed
        if monitor is not None:
            for member in range(self.members):
                monitor(member + 1, self.members)
        return self

    def score(self, x: Any) -> Array:
        """Projection of x (N, D) on the direction: (N,)."""
        if self.remember:
            self.scored.append((len(x), int(np.isin(fingerprints(x), self.seen_).sum())))
        return np.asarray(np.asarray(x, np.float64) @ self.direction_)

    def hyperparameters(self) -> dict[str, Any]:
        """Hyperparameters as JSON types."""
        return dataclasses.asdict(self)

    def save(self, folder: Any) -> Path:
        """Write direction and memory to a folder."""
        arrays = {"direction": self.direction_, "seen": self.seen_}
        return save_folder(folder, self.kind, self.hyperparameters(), self.seed_, arrays)

    @classmethod
    def load(cls, folder: Any) -> Self:
        """What `save` wrote."""
        card, arrays = load_folder(folder, cls.kind)
        loaded = cls(**card.hyperparameters)
        loaded.direction_, loaded.seen_, loaded.seed_ = arrays["direction"], arrays["seen"], card.seed
        return loaded


def decisive(result: SearchResult) -> dict[str, Any]:
    """Everything in a result but the time that it took, and when its folder was made."""
    plain: dict[str, Any] = json.loads(result.to_json())
    del plain["seconds"], plain["configured"]
    for training in plain["trainings"]:
        del training["seconds"]
    return plain
