"""Sideband reweighting: what a classifier still finds between data and template there corrects the template inside."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.atomic import write_text
from analysis.errors import TooFewEventsError
from analysis.events import Events, FloatArray
from analysis.folds import fold_of, random_folds
from analysis.metrics.sic_and_auc import Measured
from analysis.weights import effective_sample_size
from cathode.classifiers import WeakClassifier, load_classifier
from cathode.classifiers.boosted_trees import BoostedTrees
from cathode.classifiers.closure import closure_in_folds, two_sample_auc
from cathode.classifiers.cross_fitting import MINIMUM, CrossFit, Sample, cross_fit
from cathode.errors import ConfigError, RunFolderError
from cathode.observables import Observables
from cathode.registry import made_part
from cathode.runtime.keys import product_key
from cathode.runtime.progress import part
from cathode.runtime.seeds import spawned
from cathode.runtime.specification import specification
from cathode.runtime.store import Shelf, Store
from cathode.template.drawing import Template
from cathode.template.reweighting_options import ReweightingOptions
from generators.errors import NotFittedError

#: A closure or a difference of mass spectra that is so many errors off is no fluctuation.
_SIGNIFICANT = 4.0
#: Fraction of the data that may lie where the template hardly goes, and of the template that the weights may cost.
_OUTSIDE_SUPPORT, _LOST = 0.01, 0.5


@dataclass(frozen=True, kw_only=True)
class WeightDiagnostics:
    """What weights (T,) do to the statistical power of a template.

    `mean` is that of the cut density ratios, which are the weights before they are scaled to a mean of one;
    `effective_sample_size` is (Σw)²/Σw² (Kish), `largest` the largest weight in units of the mean, `clipped` the number
    of events whose density ratio was cut.
    """

    events: int
    mean: float
    effective_sample_size: float
    largest: float
    clipped: int


@dataclass(frozen=True, kw_only=True)
class ReweightingDiagnostics:
    """How far data and template were apart in the sidebands, and how far they are after reweighting.

    `closure_before` and `closure_after` are AUCs of data against template as in `closure_in_folds`; 1/2 is perfect.
    `outside_support` is the fraction of the data where the density ratio is above the clip: no weight can put template
    where there is none. `weights` are those of the template in the sidebands, held out too.
    """

    closure_before: Measured
    closure_after: Measured
    outside_support: float
    weights: WeightDiagnostics
    warnings: tuple[str, ...]


@dataclass(kw_only=True, eq=False)
class Reweighting(ReweightingOptions):
    """Weights that turn the template into the data in the sidebands, and are applied in between (DCTR, 1907.08209).

    A classifier of data against template in the sidebands, whose half-and-half probability is p, gives the density
    ratio w = p/(1−p) (Andreassen & Nachman; used in front of a search in 2310.06897). It is cut to 1/`clip` … `clip`
    and then scaled to a mean of one. Every sideband event is weighted by the classifier of its fold, which has not seen
    it; the signal region, which none has seen, by the mean of all.

    The ratio depends on the mass, in which it is interpolated. Feature vectors get the mass as one more column. Events
    of any other shape, such as constituents, go in as they are: m_jj is a function of the four-momenta of the jets,
    which a classifier of constituents has anyway, and a number of another kind among constituents would need a special
    case in every one of them.

    Draw the sideband template at masses that are distributed as those of the data, such as the masses of the data
    themselves, or w corrects the mass spectrum too; `fit` warns where the two differ.

    A search computes `observables` for this classifier; by default it sees what that of the search does. They may be
    coarser: trees on substructure correct a template of constituents in seconds where a transformer needs minutes.

    After `fit`: `cross_fit_`, `template_weights_` (T,) of the sideband template, `diagnostics_`.

    >>> from cathode.classifiers import BoostedTrees
    >>> rng = np.random.default_rng(1)
    >>> mass = rng.uniform(2000, 4000, 400)
    >>> data = Events(rng.normal(0.3, 1, (400, 1)), mass, ("a",))
    >>> template = Template(rng.normal(0, 1, (400, 1)).astype(np.float32), mass)
    >>> trees = BoostedTrees(members=1, max_iter=20, jobs=1)
    >>> fitted = Reweighting(classifier=trees, folds=2).fit(data, template, seed=1)
    >>> bool(np.average(template.x[:, 0], weights=fitted.weights(template)) > template.x.mean())
    True
    """

    classifier: WeakClassifier = field(default_factory=BoostedTrees)
    observables: Observables | None = None

    def __post_init__(self) -> None:
        if not self.folds >= 2:
            raise ConfigError(f"reweighting: folds = {self.folds} must be at least 2: no event weights itself.")
        if not 1 < self.clip < math.inf:
            raise ConfigError(f"reweighting: clip = {self.clip} must be a finite number above 1.")
        self.classifier = made_part("classifier", self.classifier, name="reweighting: classifier")
        if self.observables is not None:
            self.observables = made_part("observables", self.observables, name="reweighting: observables")

    def fit(
        self,
        data: Events,
        template: Template,
        *,
        seed: int,
        folder: Path | None = None,
        store: Store | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Self:
        """Learn from data and template, both in the sidebands; data weights count, negative ones too.

        With a `folder`, the classifiers of the weights and the closures are saved there, and not made again if they are
        there; a `store` may have them from another run. `progress` gets the finished fraction.

        Raises
        ------
        TooFewEventsError
            If half a fold would hold fewer than 50 events of a kind, before anything is trained.
        ClassifierInputError, NonFiniteError
            As the classifier; the fit before stays as it was.
        RunFolderError
            If a stored closure is unreadable.
        """
        self.require(data)
        self._refuse_few("template", len(template) // (2 * self.folds))
        streams = np.random.SeedSequence(seed).generate_state(3, np.uint64).tolist()
        of_data = Sample(self.asked(data), data.weights, fold_of(data.ids, self.folds))
        of_template = Sample(
            self.asked(template),
            np.ones(len(template)),
            random_folds(len(template), self.folds, seed=streams[0]),
        )
        found = cross_fit(
            self.classifier,
            of_data,
            of_template,
            seeds=spawned(streams[1], self.folds),
            folder=folder,
            store=store,
            progress=part(progress, 0.0, 0.7),
        )
        weights, of_weights = self._weights(_odds(found.template))
        before, after = (
            self._closure(
                of_data,
                dataclasses.replace(of_template, weights=w),
                _halves(data),
                seed=streams[2],
                stored=None if folder is None else folder / f"closure_{name}.json",
                store=store,
                progress=part(progress, start, 0.15),
            )
            for name, w, start in (("before", of_template.weights, 0.7), ("after", weights, 0.85))
        )
        self.cross_fit_, self.template_weights_ = found, weights
        self.diagnostics_ = self._diagnosed(data, template, found, of_weights, before, after)
        return self

    def _diagnosed(
        self,
        data: Events,
        template: Template,
        found: CrossFit,
        weights: WeightDiagnostics,
        before: Measured,
        after: Measured,
    ) -> ReweightingDiagnostics:
        """What the weights are worth, and what is to be said of them."""
        outside_support = float(data.weights[_odds(found.data) > self.clip].sum() / data.weights.sum())
        mass = two_sample_auc(data.mass, template.mass, data.weights)
        return ReweightingDiagnostics(
            closure_before=before,
            closure_after=after,
            outside_support=outside_support,
            weights=weights,
            warnings=_warnings(after, outside_support, weights, mass, self.clip),
        )

    def weights(self, template: Template) -> NDArray[np.float64]:
        """Weights (T,) of mean one for template events that `fit` has not seen, such as those in the signal region."""
        return self.weights_with_diagnostics(template)[0]

    def weights_with_diagnostics(self, template: Template) -> tuple[NDArray[np.float64], WeightDiagnostics]:
        """As `weights`, and what they do to these events."""
        self._require_fit()
        x = self.asked(template)
        return self._weights(np.mean([_odds(c.score(x)) for c in self.cross_fit_.classifiers], axis=0))

    @classmethod
    def load(cls, folder: Path, *, folds: int, clip: float) -> Self:
        """What a finished `fit` with this folder left there, to weight further templates; without diagnostics.

        Raises
        ------
        RunFolderError
            If `fit` was not finished.
        ClassifierFolderError
            If a classifier was altered after it was written.
        """
        places = [folder / f"fold_{fold}" for fold in range(folds)]
        if not all(place.exists() for place in places):
            raise RunFolderError(f"{folder}: no finished reweighting. Repeat the command that began it.")
        classifiers = tuple(load_classifier(place) for place in places)
        found = cls(classifier=classifiers[0], folds=folds, clip=clip)
        found.cross_fit_ = CrossFit(classifiers, np.empty(0), np.empty(0))
        return found

    def ratios(self, template: Template, rng: np.random.Generator) -> NDArray[np.float64]:
        """Density ratios (T,) of new events, cut at 1/`clip` and `clip`, each by the classifier of a fold at random.

        On average they are those of all folds. The weights are ratios that are scaled to a mean of one.
        """
        self._require_fit()
        fold = rng.integers(len(self.cross_fit_.classifiers), size=len(template))
        return _odds(self.cross_fit_.score(self.asked(template), fold)).clip(1 / self.clip, self.clip)

    @staticmethod
    def asked(events: Events | Template) -> FloatArray:
        """What the classifier is asked about: feature vectors (N, D) with the mass beside them, other events as is."""
        return np.column_stack([events.x, events.mass]) if events.x.ndim == 2 else events.x

    def require(self, data: Events) -> None:
        """Refuse sideband data of which `fit` would find too few in a fold; see there."""
        places = 2 * fold_of(data.ids, self.folds) + _halves(data)
        self._refuse_few("data", int(np.bincount(places, minlength=2 * self.folds).min()))

    def hyperparameters(self) -> dict[str, Any]:
        """All that decides the weights, beside events and seed, in JSON types."""
        found = {"classifier": specification(self.classifier), "folds": self.folds, "clip": self.clip}
        # Left out where there are none: searches from before there were any keep their fingerprint.
        return found if self.observables is None else {**found, "observables": specification(self.observables)}

    def _refuse_few(self, name: str, events: int) -> None:
        if events < MINIMUM:
            raise TooFewEventsError(
                f"Half a fold holds {events} {name} events of the sidebands; the closure of the weights is tested with "
                f"at least {MINIMUM}. Use fewer than folds = {self.folds} of the reweighting, or more events."
            )

    def _closure(
        self,
        data: Sample,
        template: Sample,
        half_of_data: NDArray[np.int64],
        *,
        seed: int,
        stored: Path | None,
        store: Store | None,
        progress: Callable[[float], None] | None,
    ) -> Measured:
        """As `closure_in_folds`, or what is stored of it from before."""

        def key() -> str | None:
            asked = [a for each in (data, template) for a in (each.x, each.weights, each.fold)]
            return product_key("closure", self.classifier, *asked, half_of_data, seed=seed)

        with Shelf.of(stored, store, "closure", self.classifier, key).place() as place:
            if place is not None and place.exists():
                if progress is not None:
                    progress(1.0)
                return _read_closure(place)
            found = closure_in_folds(
                self.classifier, data, template, half_of_data=half_of_data, seed=seed, progress=progress
            )
            if place is not None:
                write_text(place, json.dumps(dataclasses.asdict(found)))
            return found

    def _require_fit(self) -> None:
        if not hasattr(self, "cross_fit_"):
            raise NotFittedError("Reweighting has not been fitted; call fit with data and template of the sidebands.")

    def _weights(self, odds: NDArray[np.float64]) -> tuple[NDArray[np.float64], WeightDiagnostics]:
        """Density ratios (T,), cut and scaled to a mean of one."""
        cut = odds.clip(1 / self.clip, self.clip)
        weights = cut / cut.mean() if len(cut) else cut
        return weights, WeightDiagnostics(
            events=len(cut),
            mean=float(cut.mean()) if len(cut) else 0.0,
            effective_sample_size=effective_sample_size(weights),
            largest=float(weights.max(initial=0.0)),
            clipped=int(np.count_nonzero(cut != odds)),
        )


def _read_closure(path: Path) -> Measured:
    try:
        found = Measured(**json.loads(path.read_text(encoding="utf-8")))
        if not all(isinstance(each, int | float) for each in vars(found).values() if each is not None):
            raise TypeError("no numbers")
        return found
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise RunFolderError(f"{path}: unreadable ({error!r}). Delete it, and it is measured again.") from error


def _halves(data: Events) -> NDArray[np.int64]:
    """Which half of its fold an event of the data is in when the closure is tested, (N,)."""
    return fold_of(data.ids, 2, salt=1)


def _odds(probability: FloatArray) -> NDArray[np.float64]:
    """p/(1−p), finite for every p."""
    p = np.asarray(probability, dtype=np.float64)
    odds: NDArray[np.float64] = p / np.maximum(1 - p, np.finfo(float).eps)
    return odds


def _warnings(
    after: Measured, outside_support: float, weights: WeightDiagnostics, mass: Measured, clip: float
) -> tuple[str, ...]:
    found = []
    if after.value - 0.5 > _SIGNIFICANT * after.error:
        found.append(
            f"After reweighting, data and template still differ in the sidebands: AUC {after.value:.3f} ± "
            f"{after.error:.3f}."
        )
    if outside_support > _OUTSIDE_SUPPORT:
        found.append(
            f"Poor overlap: {outside_support:.1%} of the sideband data lie where the template has less than 1/{clip:g} "
            "of their density, which no weight can repair. Train the generator longer, or use another one."
        )
    kept = weights.effective_sample_size / max(weights.events, 1)
    if kept < _LOST:
        found.append(
            f"The weights leave {kept:.0%} of the statistical power of a weighted template: it is far from the data. "
            "Train the generator longer, or use another one."
        )
    if abs(mass.value - 0.5) > _SIGNIFICANT * mass.error:
        found.append(
            "Data and template have different mass spectra in the sidebands, which the weights correct too. Draw the "
            "template at the masses of the data."
        )
    return tuple(found)
