"""What a search needs of its events, checked before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from analysis.errors import TooFewEventsError
from analysis.events import BoolArray, Events, FloatArray
from analysis.folds import fold_of
from analysis.weights import sum_and_unit
from cathode.classifiers.cross_fitting import MINIMUM
from cathode.cut_and_count import events_passing
from cathode.errors import ConfigError, EmptyRegionError, WeightsError
from cathode.methods.protocol import Background, Method
from cathode.observables import Observables
from cathode.region import Interval, Region
from cathode.validation.held_out import outside
from generators.errors import ConstantFeatureError


class Search(Protocol):
    """What is asked of a search here; `cathode.search.Search` is one."""

    @property
    def region(self) -> Region:
        """The window and its sidebands."""
        ...

    @property
    def method(self) -> Method:
        """Where the background comes from."""
        ...

    @property
    def observables(self) -> Observables:
        """What the classifier sees."""
        ...

    @property
    def folds(self) -> int:
        """Parts of the data."""
        ...

    @property
    def background_efficiencies(self) -> tuple[float, ...]:
        """The cuts."""
        ...

    @property
    def closure(self) -> bool:
        """Whether the validation regions are tested."""
        ...

    def validation_regions(self, mass: FloatArray, weights: FloatArray | None = None) -> tuple[Interval, ...]:
        """Where the search is repeated, for events of masses and weights (N,)."""
        ...


#: Events that every fold of a signal region needs, and a sideband altogether.
_PER_FOLD = 20
_SIDEBAND = 500


def require(events: Events, search: Search, auxiliary: Mapping[str, Events]) -> None:
    """Refuse events that `search` would stumble over after hours of training.

    Raises
    ------
    EmptyRegionError, RegionError, TooFewEventsError, WeightsError
        With the place, what is there and what is needed.
    ConfigError
        If the method needs a sample that is not there.
    """
    region, method = search.region, search.method
    require_samples(method, auxiliary)
    region.check(events.mass)
    _require_weights(events[region.sideband(events.mass)], "in the sidebands")
    _require_weights(events[region.signal(events.mass)], "in the signal region", search.folds)
    # An event without weight is as good as absent.
    events = events if events.weights.all() else events[events.weights != 0]
    signal, sideband = region.signal(events.mass), region.sideband(events.mass)
    _require_sideband(int(sideband.sum()), "in the sidebands")
    background = Background(events[sideband], search.observables, auxiliary, region.sideband)
    method.require(background)
    _require_folds(
        events[signal],
        search.folds,
        partial(method.template_events, background=background),
        search.background_efficiencies,
        "the signal region",
    )
    if search.closure:
        regions = search.validation_regions(events.mass, events.weights)
        beside = events[outside(events.mass, region, regions)]
        background = Background(beside, search.observables, auxiliary, partial(outside, region=region, regions=regions))
        method.require(background)
        require_validation_regions(
            events[sideband],
            regions,
            search.folds,
            partial(method.template_events, background=background),
            search.background_efficiencies,
        )


def require_samples(method: Method, auxiliary: Mapping[str, Events]) -> None:
    """Refuse a method that needs a sample which is not there, by a `ConfigError`."""
    missing = sorted(method.needs - auxiliary.keys())
    if missing:
        raise ConfigError(
            f"method {method.kind} needs the sample '{missing[0]}'; name its files in data.auxiliary, or hand its "
            "events over in auxiliary."
        )


def require_validation_regions(
    sideband: Events,
    regions: Sequence[Interval],
    folds: int,
    template_events: Callable[[int], int],
    background_efficiencies: Sequence[float] = (),
) -> None:
    """Refuse sideband events with which a generator can not be tested in validation regions.

    Raises
    ------
    EmptyRegionError, TooFewEventsError
        With the place, what is there and what is needed.
    """
    for interval in regions:
        if not interval(sideband.mass).any():
            raise EmptyRegionError(
                f"No events in the validation region {interval.low:g}–{interval.high:g} GeV. Widen it "
                "(region_fraction), choose another window, or switch the closure test off."
            )
    inside = np.any([interval(sideband.mass) for interval in regions], axis=0)
    _require_sideband(int((~inside).sum()), "in the sidebands outside of the validation regions")
    _require_folds(sideband[inside], folds, template_events, background_efficiencies, "the validation regions")


def _require_weights(events: Events, where: str, folds: int = 1) -> None:
    """Refuse weights of which nothing positive is left, also where one fold of the events is left out."""
    total = sum_and_unit(events.weights)[0]
    if not (total > 0 and math.isfinite(total)):
        raise WeightsError(
            f"The weights of the {len(events)} events {where} sum to {total:g}; the sum must be positive and finite. "
            "Check the weight expression, or loosen the selection."
        )
    fold = fold_of(events.ids, folds) if folds > 1 else np.zeros(0, dtype=np.int64)
    for index in range(folds if folds > 1 else 0):
        rest = sum_and_unit(events.weights[fold != index])[0]
        if not rest > 0:
            raise WeightsError(
                f"Without fold {index} of {folds} the weights of the events {where} sum to {rest:g}; the sum must be "
                "positive to train a classifier. Check the weight expression, or use another number of folds."
            )


def _require_sideband(events: int, where: str) -> None:
    if events < _SIDEBAND:
        raise TooFewEventsError(
            f"{events} events {where}; at least {_SIDEBAND} are needed to learn a density. Widen the sidebands or "
            "loosen the selection."
        )


def _require_folds(
    events: Events,
    folds: int,
    template_events: Callable[[int], int],
    background_efficiencies: Sequence[float],
    where: str,
) -> None:
    """Enough data in every fold to be scored, beside it to be trained on, and a template that the cuts can divide."""
    per_fold = np.bincount(fold_of(events.ids, folds), minlength=folds)
    if per_fold.min() < _PER_FOLD:
        raise TooFewEventsError(
            f"Fold {int(per_fold.argmin())} of {folds} has {int(per_fold.min())} events in {where}; at least "
            f"{_PER_FOLD} are needed. Use fewer folds or a wider signal region."
        )
    total = int(per_fold.sum())
    size = template_events(total)
    for name, others in (("data", total - int(per_fold.max())), ("template", size - -(-size // folds))):
        if others < MINIMUM:
            raise TooFewEventsError(
                f"A fold of {where} would be trained on {others} {name} events; at least {MINIMUM} are needed. Use a "
                "wider signal region, another number of folds or a larger oversampling."
            )
    for efficiency in background_efficiencies:
        events_passing(efficiency, size // folds, f"the template events of a fold of {where}")


def require_spread(events: Events, region: Region) -> None:
    """Refuse features that can not be learned from; `events` are as the classifier sees them.

    Raises
    ------
    ConstantFeatureError
        With the name, the value and the place.
    """
    if events.x.ndim == 2:
        _require_spread(events, region.signal(events.mass), "signal region")
        _require_spread(events, region.sideband(events.mass), "sidebands")


def _require_spread(events: Events, mask: BoolArray, where: str) -> None:
    flat = np.flatnonzero(np.ptp(events.x[mask], axis=0) == 0)
    if len(flat):
        raise ConstantFeatureError(
            f"Feature '{events.columns[flat[0]]}' has the single value {events.x[mask][0, flat[0]]:g} in the {where}. "
            "Leave it out or mend its expression."
        )
