"""PAWS: a classifier that was told what signals could be, of which data choose one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analysis.atomic import write_text
from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from cathode.classifiers import WeakClassifier, load_classifier
from cathode.classifiers.cross_fitting import Sample, train_folds
from cathode.classifiers.mlp import Mlp
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.cwola import both_sides_alike
from cathode.methods.protocol import Background, Learned, Reference, Scoring, Task
from cathode.observables import Observed
from cathode.registry import METHODS
from cathode.runtime.stages import Stages

#: Where the classifier of all signals lies in a run folder, and what the data chose of it.
PRIOR, CHOSEN = "prior", "signals.json"
#: Logarithms of the signal fraction that are tried, and events of each kind that decide.
_FRACTIONS = np.linspace(-8.0, -0.5, 16)
_EVENTS = 20_000
#: Steps from the best point of the grid.
_EVALUATIONS = 40
_NAME = re.compile(r"signal((?:_-?[0-9.]+(?:e[+-]?[0-9]+)?)+)")


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Paws:
    """Prior-assisted weak supervision (Cheng, Singh, Nachman et al., 2405.08889).

    Samples named "signal_500_100" and the like are signals on a grid of parameters, here two masses. One classifier of
    all of them against sideband events sees features and parameters, and then stays as it is: its odds are the density
    ratio L(x; θ) of signal to background. In the window only θ and the fraction µ of signal are learned, by the
    cross-entropy of data against sideband events under 1 + µ (L − 1); a parameter that all share is left out. With so
    little to learn it finds small signals, if they are of the family, and none if they are not.

    As CWoLa it assumes that features of the background do not follow the mass; the expectation comes from a fit of the
    mass spectrum after the cut. What the data chose stands in the findings of the result.

    Attributes
    ----------
    prior : the classifier with parameters; one that is smooth in them, such as a network.
    points : values of every parameter that are tried, from the smallest to the largest of the grid.
    """

    kind: ClassVar[str] = "paws"
    needs: ClassVar[frozenset[str]] = frozenset()

    classifier: ClassVar[None] = None

    prior: WeakClassifier = field(
        default_factory=lambda: Mlp(hidden=128, layers=3, epochs=40, batch_size=1024, best_epochs=3)
    )
    points: int = 9

    def __post_init__(self) -> None:
        if self.points < 2:
            raise ConfigError(f"method paws: points = {self.points} must be at least 2.")

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same: nothing is learned of unlabelled events."""
        return self

    def require(self, background: Background) -> None:
        """Refuse samples that are no grid of signals."""
        signals_of(background)

    def learn(self, background: Background, stages: Stages) -> Learned:
        """The classifier of all signals against the sidebands."""
        signals = signals_of(background)
        beside = background.observables.of_events(background.events)
        rng = np.random.default_rng(stages.seed("parameters"))
        parameters = _varied(signals)
        rows = [
            np.hstack([background.observables.of_events(events).x, np.tile(at, (len(events), 1))])
            for at, events in zip(parameters, signals.values(), strict=True)
        ]
        # Background has no parameters: those of the signals, in the same proportion.
        share = np.array([len(events) for events in signals.values()], np.float64)
        random = parameters[rng.choice(len(parameters), size=len(beside), p=share / share.sum())]
        (prior,) = train_folds(
            self.prior,
            _all_of(np.concatenate(rows), np.concatenate([events.weights for events in signals.values()])),
            _all_of(np.hstack([beside.x, random]), beside.weights),
            seeds=(stages.seed("prior"),),
            folder=stages.at(PRIOR),
            store=stages.store,
            progress=stages.fraction("prior"),
        )
        return Learned(model=prior)

    def fit(self, task: Task, learned: Learned, stages: Stages) -> FittedPaws:
        """Choose parameters and fraction for every fold from the others."""
        background = task.background
        target = task.target.observables
        beside = background.observables.of_events(background.events)
        weights = both_sides_alike(beside, float(np.median(target.mass)))
        signals = signals_of(background)
        grid = self._grid(_varied(signals))
        folds = fold_of(target.ids, task.folds), fold_of(beside.ids, task.folds)
        rng = np.random.default_rng(stages.seed("events"))
        chosen = []
        for index in range(task.folds):
            data, other = (_some(np.flatnonzero(fold != index), rng) for fold in folds)
            chosen.append(
                _choose(
                    learned.model,
                    grid,
                    (target.x[data], target.weights[data]),
                    (beside.x[other], weights[other]),
                )
            )
        place = stages.at(CHOSEN)
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_text(place, json.dumps([list(at) for at, _ in chosen]))
        scoring = PriorScores(learned.model, tuple(at for at, _ in chosen))
        scores = scoring.of_rows(beside.x, folds[1])
        reference = Reference(beside.x, beside.mass, scores, folds[1], weights, predicts=False)
        return FittedPaws(learned.model, scoring.parameters, reference, _findings(chosen, signals))

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The classifier of a finished search and what the data chose."""
        place = folder / CHOSEN
        try:
            chosen = [tuple(float(value) for value in at) for at in json.loads(place.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError) as error:
            raise RunFolderError(f"{place}: missing or unreadable; this is no finished run of method paws.") from error
        if len(chosen) != folds:
            raise RunFolderError(f"{place}: signals of {len(chosen)} folds, of a search with {folds}.")
        return PriorScores(load_classifier(folder / PRIOR / "fold_0"), tuple(chosen))

    def template_events(self, target: int, background: Background) -> int:
        """As many as there are in the sidebands."""
        return len(background.events)

    def _grid(self, every: NDArray[np.float64]) -> list[tuple[float, ...]]:
        """Parameters that are tried, between those of the signals (S, P)."""
        ends = zip(every.min(axis=0), every.max(axis=0), strict=True)
        axes = [np.linspace(low, high, self.points) for low, high in ends]
        return [tuple(float(value) for value in at) for at in product(*axes)]


@dataclass(frozen=True, eq=False)
class PriorScores:
    """Scores of a classifier of all signals at the parameters (P,), of those that vary, chosen for every fold."""

    prior: Any
    parameters: tuple[tuple[float, ...], ...]

    def score(self, events: Observed) -> FloatArray:
        """Score of every event (N,)."""
        return self.of_rows(events.observables.x, fold_of(events.events.ids, len(self.parameters)))

    def of_rows(self, x: FloatArray, fold: NDArray[np.int64]) -> FloatArray:
        """Scores (N,) of observables (N, D) by fold (N,)."""
        out = np.empty(len(x))
        for index, at in enumerate(self.parameters):
            mine = fold == index
            if mine.any():
                out[mine] = _score(self.prior, x[mine], at)
        return out


@dataclass(frozen=True, eq=False)
class FittedPaws(PriorScores):
    """The scores, sideband events with theirs, and what the data chose."""

    reference: Reference
    findings: Mapping[str, float]


def signals_of(background: Background) -> dict[tuple[float, ...], Events]:
    """Parameters -> events of the samples whose names say parameters.

    Raises
    ------
    ConfigError
        If there are fewer than two, they have different numbers of parameters, or other features than the data.
    """
    found = {}
    for name, events in background.auxiliary.items():
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        if events.columns != background.events.columns:
            raise ConfigError(
                f"method paws: the sample '{name}' has the features {', '.join(events.columns)}; the data have "
                f"{', '.join(background.events.columns)}. Read both with the same expressions."
            )
        found[tuple(float(value) for value in match.group(1)[1:].split("_"))] = events
    if len(found) < 2 or len({len(at) for at in found}) != 1:
        raise ConfigError(
            f"method paws needs a grid of signals: samples named by equally many parameters, such as signal_500_100 "
            f"and signal_300_100. There are {', '.join(background.auxiliary) or 'none'}. Make some by `cathode data "
            "simulate dijets --signal wprime --daughters 300 100`, and name them in data.auxiliary."
        )
    return dict(sorted(found.items()))


def _varied(signals: Mapping[tuple[float, ...], Events]) -> NDArray[np.float64]:
    """The parameters of every signal that are not the same for all, (S, P): no classifier learns from the others."""
    every = np.array(list(signals))
    return np.asarray(every[:, np.ptp(every, axis=0) > 0])


def _choose(
    prior: Any,
    grid: list[tuple[float, ...]],
    data: tuple[FloatArray, FloatArray],
    beside: tuple[FloatArray, FloatArray],
) -> tuple[tuple[float, ...], float]:
    """Parameters and fraction of the smallest cross-entropy of data against sidebands, both (x, weights).

    The best point of the grid, and from there downhill in parameters and logarithm of the fraction.
    """
    from scipy.optimize import minimize

    of_data, of_beside = (weights / weights.sum() for _, weights in (data, beside))

    def loss(ratio: FloatArray, below: FloatArray, log_fraction: float) -> float:
        r, r_below = (1 + np.exp(log_fraction) * (each - 1) for each in (ratio, below))
        return float((of_data * np.log1p(1 / r)).sum() + (of_beside * np.log1p(r_below)).sum())

    def ratios(at: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
        first, second = (_odds(_score(prior, x, at)) for x, _ in (data, beside))
        return first, second

    best: tuple[float, tuple[float, ...], float] = (np.inf, grid[0], _FRACTIONS[0])
    for at in grid:
        pair = ratios(at)
        best = min(best, *((loss(*pair, float(each)), at, float(each)) for each in _FRACTIONS))
    every = np.array(grid)
    ends = (every.min(axis=0), _FRACTIONS[0]), (every.max(axis=0), _FRACTIONS[-1])
    low, high = (np.append(edge, limit) for edge, limit in ends)
    step = np.where(high > low, high - low, 1.0)
    start = (np.append(best[1], best[2]) - low) / step
    simplex = np.vstack([start, start + np.where(start < 0.5, 0.05, -0.05) * np.eye(len(start))])

    def at_point(point: FloatArray) -> tuple[float, ...]:
        return tuple(float(value) for value in low + step * np.clip(point, 0, 1))

    found = minimize(
        lambda point: loss(*ratios(at_point(point)[:-1]), at_point(point)[-1]),
        start,
        method="Nelder-Mead",
        options={"maxfev": _EVALUATIONS, "initial_simplex": simplex},
    )
    *parameters, log_fraction = at_point(found.x)
    return tuple(parameters), float(np.exp(log_fraction))


def _score(prior: Any, x: FloatArray, at: tuple[float, ...]) -> FloatArray:
    return np.asarray(prior.score(np.hstack([x, np.tile(at, (len(x), 1))])), np.float64)


def _odds(p: FloatArray) -> FloatArray:
    return np.asarray(p / np.maximum(1 - p, 1e-6))


def _some(rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """At most so many of the rows, at random."""
    return rows if len(rows) <= _EVENTS else np.sort(rng.choice(rows, size=_EVENTS, replace=False))


def _all_of(x: FloatArray, weights: FloatArray) -> Sample:
    """All rows for one training: fold 1, where fold 0 alone is left out."""
    return Sample(x, weights, np.ones(len(x), np.int64))


def _findings(
    chosen: list[tuple[tuple[float, ...], float]], signals: Mapping[tuple[float, ...], Events]
) -> dict[str, float]:
    """Means over the folds, and the parameters that are the same for all signals, by their place in the names."""
    every = np.array(list(signals))
    parameters = every[0].copy()
    parameters[np.ptp(every, axis=0) > 0] = np.mean([at for at, _ in chosen], axis=0)
    named = {f"parameter_{number}": float(value) for number, value in enumerate(parameters, start=1)}
    return {**named, "signal_fraction": float(np.mean([fraction for _, fraction in chosen]))}
