"""What decides a search: its parts, its numbers, and the hash that says whether a folder belongs to it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from analysis.events import Events, FloatArray
from cathode.classifiers import Pretrainable
from cathode.errors import ConfigError
from cathode.methods.protocol import Method
from cathode.observables import AsRead, Observables
from cathode.region import Interval, Region
from cathode.registry import METHODS, made_part, method_of, parts_of
from cathode.runtime.run_folder import RunFolder, versions
from cathode.runtime.specification import refuse_unknown, specification
from cathode.runtime.store import Store
from cathode.template.mass_models import DijetFitMass, MassModel
from cathode.validation.regions import LEAST, spread_regions

#: Settings that are whole numbers, and how small each may be; with one fold nothing is scored that was not trained on.
_WHOLE = {
    "folds": 2,
    "region_events": 1,
    "closure_members": 1,
    "closure_repeats": 1,
    "closure_generators": 1,
    "seed": 0,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchSettings:
    """Where to look, by which method, and with which numbers.

    Attributes
    ----------
    region : the window and its sidebands.
    method : where the background comes from, and how data are told from it.
    mass_model : learns p(m) in the sidebands and draws the masses of the template.
    observables : what the classifier sees of an event, of data and template alike; by default what was read.
    folds : parts of the data; each is scored by models that were trained on the others.
    background_efficiencies : the cuts.
    closure : repeat the search in validation regions of the sidebands, which the background is not learned from.
    region_fraction : width of a validation region over the width of the window.
    region_events : events that a validation region needs that does not touch the window, and that have to lie beyond.
    closure_members : members of the classifier ensemble in the sideband closure test.
    closure_repeats : templates, with classifiers of their own, over which that test is averaged.
    closure_generators : generators of that test, at most; each learns without its own validation regions alone.
    seed : of everything random.
    workers : processes and threads to use; None for all cores. The result does not depend on it.

    `generator`, `reweighting`, `classifier` and `oversampling` are arguments that replace those of the method.
    """

    region: Region
    method: Method = field(default_factory=lambda: METHODS.create({"kind": "cathode"}))
    mass_model: MassModel = field(default_factory=DijetFitMass)
    observables: Observables = field(default_factory=AsRead)
    folds: int = 5
    background_efficiencies: tuple[float, ...] = (1e-2, 1e-3)
    closure: bool = True
    region_fraction: float = 0.5
    region_events: int = LEAST
    closure_members: int = 10
    closure_repeats: int = 1
    closure_generators: int = 3
    seed: int = 1
    workers: int | None = None
    generator: InitVar[Any] = None
    reweighting: InitVar[Any] = None
    classifier: InitVar[Any] = None
    oversampling: InitVar[float | None] = None

    def __post_init__(self, generator: Any, reweighting: Any, classifier: Any, oversampling: float | None) -> None:
        if isinstance(self.method, str | Mapping):
            said = {"kind": self.method} if isinstance(self.method, str) else self.method
            object.__setattr__(self, "method", method_of(said))
        of_method = {
            "generator": generator,
            "reweighting": reweighting,
            "classifier": classifier,
            "oversampling": oversampling,
        }
        given = {name: value for name, value in of_method.items() if value is not None}
        if given:
            refuse_unknown(type(self.method), given, f"method '{self.method.kind}'")
            parts = parts_of(type(self.method), given)
            object.__setattr__(self, "method", dataclasses.replace(cast(Any, self.method), **parts))
        for role in ("mass_model", "observables"):
            object.__setattr__(self, role, made_part(role, getattr(self, role), name=role))
        object.__setattr__(self, "region", _region(self.region))
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ConfigError(f"{name} = {value!r} must be a whole number of at least {least}.")
            object.__setattr__(self, name, int(value))
        asked: Any = self.background_efficiencies
        cuts = (asked,) if isinstance(asked, int | float) else tuple(asked)
        object.__setattr__(self, "background_efficiencies", cuts)
        if not cuts or not all(0 < e < 1 for e in cuts):
            raise ConfigError(f"background_efficiencies = {cuts} must lie between 0 and 1.")

    @classmethod
    def of(cls, method: str = "cathode", /, **settings: Any) -> Self:
        """The search by a method of this kind; settings that are not the search's own are the method's.

        A part may be given by its kind or by ``{"kind": …, **hyperparameters}``, as in YAML, and a classifier as an
        estimator of scikit-learn.
        """
        mine = {f.name for f in dataclasses.fields(cls)} - {"method"}
        of_method = {name: value for name, value in settings.items() if name not in mine}
        return cls(
            method=method_of({"kind": method, **of_method}),
            **{name: value for name, value in settings.items() if name in mine},
        )

    def validation_regions(self, mass: FloatArray, weights: FloatArray | None = None) -> tuple[Interval, ...]:
        """Where the search is repeated without a signal, for events of masses and weights (N,)."""
        # A classifier that learns from unlabelled events needs some that no region asks about.
        several = 1 if isinstance(self.method.classifier, Pretrainable) else self.closure_generators
        return spread_regions(
            self.region,
            mass,
            fraction=self.region_fraction,
            weights=weights,
            generators=several,
            least=self.region_events,
        )

    def settings(self) -> dict[str, Any]:
        """Everything that decides the result, in JSON types; not the number of workers."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "workers"}
        for name in ("method", "mass_model", "observables"):
            plain[name] = specification(plain[name])
        # Names of before; they decide whether a folder can be continued.
        plain["strip_fraction"] = plain.pop("region_fraction")
        if self.region_events == LEAST:
            del plain["region_events"]
        plain["region"] = self.region.to_dict()
        plain["background_efficiencies"] = list(self.background_efficiencies)
        return plain

    def fingerprint(self, events: Events, auxiliary: Mapping[str, Events] | None = None) -> str:
        """Hash of settings, files they name, events and package version: equal fingerprints give equal results."""
        asked = [self.settings(), _content(events), versions()["cathode-hep"]]
        others = {name: [_content(each), *_labels(each)] for name, each in (auxiliary or {}).items()}
        text = json.dumps([*asked, *([others] if others else [])], sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()

    def claimed(
        self,
        events: Events,
        output: Path | str | None,
        *,
        auxiliary: Mapping[str, Events] | None = None,
        inputs: Iterable[str | os.PathLike[str]] = (),
        store: Store | Path | str | None = None,
    ) -> RunFolder:
        """Take a folder for this search of these events, or continue in it; a context that holds its lock.

        Raises
        ------
        RunFolderError, OutputError
            As `RunFolder.claim`.
        """
        every = [events, *(auxiliary or {}).values()]
        read = [*inputs, *(source.path for each in every for source in each.sources)]
        shared = store if store is None or isinstance(store, Store) else Store.at(store)
        return RunFolder.claim(output, self.fingerprint(events, auxiliary), self.settings(), inputs=read, store=shared)


def _content(events: Events) -> str:
    """Hash of what a search uses of events."""
    from generators.artifact import fingerprint

    there = events.in_order()
    return fingerprint(there.x, there.mass, there.weights, there.ids)


def _labels(events: Events) -> list[list[int]]:
    """Which events are signal, where that is known; of data it is nobody's business."""
    truth = events.in_order().truth
    return [] if truth is None else [np.flatnonzero(truth).tolist()]


def _region(given: Any) -> Region:
    """A window, or one made of its two edges."""
    if isinstance(given, Region):
        return given
    if isinstance(given, tuple | list) and len(given) == 2:
        return Region(*given)
    raise ConfigError(
        f"region = {given!r} is no region. Give Region(3300, 3700), or the two edges of the window in GeV."
    )
