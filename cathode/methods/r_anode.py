"""R-ANODE: the density of the signal, learned in the window beside that of the background."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from analysis.folds import fold_of, random_folds
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.anode import DENSITIES
from cathode.methods.protocol import Background, Learned, Reference, Scoring, Task
from cathode.methods.training import trained_once
from cathode.observables import Observed
from cathode.registry import METHODS, default_generator
from cathode.runtime.processes import one_thread
from cathode.runtime.run_folder import TEMPLATE
from cathode.runtime.stages import Stages
from cathode.template.drawing import draw_at, train_stage

if TYPE_CHECKING:
    from generators.protocols import DensityGenerator

#: Log-ratios beyond this are as good as infinite, which no histogram takes.
_LARGEST = 700.0
#: Bins of the mass spectrum of the background, and masses per event of the target that fill them.
_BINS, _MASSES = 49, 20


def signal_density() -> Any:
    """What learns the signal unless something else is named."""
    from generators import create

    return create({"kind": "autoregressive_spline", "bijection": "standardise", "training": {"steps": 800}})


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class RAnode:
    """Likelihood of a mixture of signal and background (Das, Kasieczka & Shih, 2312.11629).

    The density of the background is learned in the sidebands, interpolated, and fixed; its mass spectrum in the window
    is that of the mass model, so it is blind. Then a density of features and mass, that of the signal, is learned by
    the likelihood of the mixture. The score of an event is ln p_signal(x, m) − ln p_background(x | m), by the signal
    density that did not see its fold.

    The fraction of signal in the window is the most likely one for events by the densities that did not see them;
    "signal_fraction", "signal_over_background" and their errors are in the findings of the result. The errors are
    statistical: those of the background density are not in them. A signal density of few events misses a part of the
    others, which makes the fraction smaller, and one that takes in background makes it larger.

    Attributes
    ----------
    generator : learns p(x | m) of the sidebands; must know its density.
    signal : learns the density of (m, x) of the signal; must know its density.
    fraction : of signal in the training; None learns it.
    oversampling : events drawn from the interpolated density per event of the target; they set the cut.
    """

    kind: ClassVar[str] = "r_anode"
    needs: ClassVar[frozenset[str]] = frozenset()

    classifier: ClassVar[None] = None

    generator: DensityGenerator = field(default_factory=default_generator)
    signal: Any = field(default_factory=signal_density)
    fraction: float | None = None
    oversampling: float = 4

    def __post_init__(self) -> None:
        from generators import create
        from generators.protocols import DensityGenerator

        if isinstance(self.signal, dict):
            object.__setattr__(self, "signal", create(self.signal))
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        if self.fraction is not None and not 0 < self.fraction < 1:
            raise ConfigError(f"method r_anode: fraction = {self.fraction} must lie between 0 and 1, or be null.")
        for name in ("generator", "signal"):
            part = getattr(self, name)
            if not isinstance(part, DensityGenerator):
                raise ConfigError(
                    f"method r_anode: {name} must know its density; {type(part).__name__} only draws. Use "
                    "autoregressive_spline."
                )

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same: nothing is learned beforehand."""
        return self

    def require(self, background: Background) -> None:
        """Refuse observables: a density of them is not what was learned."""
        if background.observables.kind != "as_read":
            raise ConfigError(
                f"method r_anode compares densities of what was read; observables = {background.observables.kind} "
                "would be ignored. Leave them out, or use another method."
            )

    def learn(self, background: Background, stages: Stages) -> Learned:
        """The density of the sidebands."""
        generator = train_stage(self.generator, background.events, stages)
        return Learned(generator, generator)

    def fit(self, task: Task, learned: Learned, stages: Stages) -> FittedMixture:
        """Densities of the signal, each without one fold of the target."""
        events, fold = task.target.events, fold_of(task.target.events.ids, task.folds)
        spectrum = MassSpectrum.of(task.masses(_MASSES * len(events), stages.seed("spectrum")))
        known = log_density(learned.generator, events.x, events.mass) + spectrum.log_density(events.mass)
        signals = tuple(
            self._signal(index, seed, events, fold != index, known, stages)
            for index, seed in enumerate(stages.many("classifier", task.folds))
        )
        ratio = SignalRatio(learned.generator, signals)
        masses = task.masses(self.template_events(len(events), task.background), stages.seed("mass"))
        drawn = draw_at(learned.generator, masses, seed=stages.seed("template"))
        of_drawn = random_folds(len(drawn), task.folds, seed=stages.seed("folds"))
        scores = ratio.log_ratio(drawn.x, drawn.mass, of_drawn)
        reference = Reference(drawn.x, drawn.mass, scores, of_drawn, drawn.weights)
        held_out = ratio.log_ratio(events.x, events.mass, fold) - spectrum.log_density(events.mass)
        return FittedMixture(learned.generator, signals, reference, _findings(held_out, events.weights))

    def _signal(
        self,
        index: int,
        seed: int,
        events: Events,
        used: NDArray[np.bool_],
        known: NDArray[np.float64],
        stages: Stages,
    ) -> Any:
        """The density of the signal from the events that are used, beside the known density of the background."""
        from generators.tabular.mixture_component import fit_component

        x, weights = joint(events.x[used], events.mass[used]), events.weights[used]
        context = np.ones((len(x), 1))
        return trained_once(
            stages,
            f"{DENSITIES}/fold_{index}",
            self.signal,
            x,
            known[used],
            weights,
            seed=seed,
            also=["component of a mixture", repr(self.fraction)],
            fit=lambda: fit_component(
                copy.deepcopy(self.signal),
                x,
                context,
                known[used],
                fraction=self.fraction,
                weights=weights,
                seed=seed,
                monitor=stages.epochs(f"signal fold {index}"),
            ),
        )

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The densities of a finished search."""
        from generators.artifact import load

        places = [folder / TEMPLATE, *(folder / DENSITIES / f"fold_{fold}" for fold in range(folds))]
        for place in places:
            if not place.exists():
                raise RunFolderError(f"{place}: missing; this is not a finished run of method r_anode.")
        background, *signals = (load(place) for place in places)
        return SignalRatio(background, tuple(signals))

    def template_events(self, target: int, background: Background) -> int:
        """Events drawn from the interpolated density for so many of the target."""
        return round(self.oversampling * target)


@dataclass(frozen=True, eq=False)
class SignalRatio:
    """ln p_signal(x, m) of the density i that has not seen fold i, over ln p_background(x | m)."""

    background: Any
    signals: tuple[Any, ...]

    def score(self, events: Observed) -> FloatArray:
        """Log-ratio of every event, (N,)."""
        asked = events.events
        return self.log_ratio(asked.x, asked.mass, fold_of(asked.ids, len(self.signals)))

    def log_ratio(self, x: FloatArray, mass: FloatArray, fold: NDArray[np.int64]) -> FloatArray:
        """Of x (N, D) at masses (N,) in GeV, by fold (N,); an event that neither knows is like background."""
        below, above, both = log_density(self.background, x, mass), np.empty(len(x)), joint(x, mass)
        with one_thread():
            for index, density in enumerate(self.signals):
                mine = fold == index
                if mine.any():
                    above[mine] = density.log_prob(both[mine], np.ones((int(mine.sum()), 1)))
        with np.errstate(invalid="ignore"):
            ratio = above - below
        return np.where(np.isnan(ratio), -_LARGEST, np.clip(ratio, -_LARGEST, _LARGEST))


@dataclass(frozen=True, eq=False)
class FittedMixture(SignalRatio):
    """The ratio, events of the interpolated density with their scores, and the fraction of signal."""

    reference: Reference
    findings: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class MassSpectrum:
    """The density of masses, per GeV, as a histogram: edges (B + 1,) in GeV and ln of the density (B,)."""

    edges: FloatArray
    log: FloatArray

    @classmethod
    def of(cls, mass: FloatArray) -> MassSpectrum:
        """The histogram of masses (N,)."""
        counts, edges = np.histogram(mass, bins=_BINS)
        return cls(edges, np.log(np.maximum(counts, 0.5) / (len(mass) * np.diff(edges))))

    def log_density(self, mass: FloatArray) -> NDArray[np.float64]:
        """At masses (N,); that of the nearest bin beyond the ends."""
        return np.asarray(self.log, np.float64)[
            np.clip(np.searchsorted(self.edges, mass, side="right") - 1, 0, _BINS - 1)
        ]


def joint(x: FloatArray, mass: FloatArray) -> FloatArray:
    """Mass and features of events side by side, (N, 1 + D)."""
    return np.column_stack([np.asarray(mass, np.float64), np.asarray(x, np.float64)])


def log_density(generator: Any, x: FloatArray, mass: FloatArray) -> NDArray[np.float64]:
    """Ln p(x | m) of events, (N,)."""
    with one_thread():
        return np.asarray(generator.log_prob(x, np.asarray(mass)[:, None]), np.float64)


def _findings(log_ratio: FloatArray, weights: FloatArray) -> dict[str, float]:
    """Fraction of signal in the window, and signal over background, with their errors."""
    from generators.tabular.mixture_component import best_fraction

    fraction, error = best_fraction(np.asarray(log_ratio, np.float64), np.asarray(weights, np.float64))
    rest = max(1 - fraction, 1e-9)
    return {
        "signal_fraction": fraction,
        "signal_fraction_error": error,
        "signal_over_background": fraction / rest,
        "signal_over_background_error": error / rest**2,
    }
