"""What the classifier sees of an event: the one function that data and template go through alike."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np
from typing_extensions import override

from analysis.errors import nearest
from analysis.events import Events, FloatArray
from analysis.folds import hash_of
from cathode.errors import ConfigError
from cathode.registry import OBSERVABLES

if TYPE_CHECKING:
    from analysis.showers.layered import Geometry


class Drawn(Protocol):
    """A dataclass with generated events x (T, *event)."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def x(self) -> FloatArray:
        """Events (T, *event)."""
        ...


_D = TypeVar("_D", bound=Drawn)


@dataclass(frozen=True, eq=False)
class Observed:
    """Events as they were read, and the same events with their observables as features."""

    events: Events
    observables: Events

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, rows: Any) -> Observed:
        return Observed(self.events[rows], self.observables[rows])


class Observables(ABC):
    """Computes observables of events; a frozen dataclass whose fields are its hyperparameters.

    A new one implements `names` and `compute`, and enters with `@OBSERVABLES.register`. Rows stay what they are: one
    per event, and nothing of an event depends on another.
    """

    kind: ClassVar[str]

    @abstractmethod
    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the observables of events that were read with these columns."""

    @abstractmethod
    def compute(self, x: FloatArray) -> FloatArray:
        """Observables (N, *observables) of events x (N, *event)."""

    def of_events(self, events: Events) -> Events:
        """The same events with their observables as features."""
        return dataclasses.replace(events, x=self.compute(events.x), columns=self.names(events.columns))

    def observed(self, events: Events) -> Observed:
        """The events as read, with their observables beside them."""
        return Observed(events, self.of_events(events))

    def of_template(self, template: _D) -> _D:
        """The same template with its observables as features."""
        return dataclasses.replace(template, x=np.asarray(self.compute(template.x), np.float32))


@OBSERVABLES.register
@dataclass(frozen=True)
class AsRead(Observables):
    """What was read: feature vectors, or constituents for a classifier of constituents."""

    kind: ClassVar[str] = "as_read"

    @override
    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return columns

    @override
    def compute(self, x: FloatArray) -> FloatArray:
        return x


@OBSERVABLES.register
@dataclass(frozen=True)
class DijetSubstructure(Observables):
    """Masses, N-subjettiness and more of two jets from their constituents: `analysis.features.substructure`.

    `columns` are some of its names, by default all.

    >>> seen = DijetSubstructure(columns=("mj_light", "tau21_light"))
    >>> seen.names(("pt", "eta", "phi"))
    ('mj_light', 'tau21_light')
    >>> seen.compute(np.random.default_rng(1).uniform(0.1, 0.5, (4, 2, 5, 3))).shape
    (4, 2)
    """

    kind: ClassVar[str] = "dijet_substructure"

    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        from analysis.features.substructure import DIJET_SUBSTRUCTURE

        if self.columns is not None:
            object.__setattr__(self, "columns", tuple(self.columns))
        for name in self.columns or ():
            if name not in DIJET_SUBSTRUCTURE:
                raise ConfigError(f"dijet_substructure has no '{name}'. {nearest(name, DIJET_SUBSTRUCTURE)}")

    @override
    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        from analysis.features.substructure import DIJET_SUBSTRUCTURE

        return DIJET_SUBSTRUCTURE if self.columns is None else self.columns

    @override
    def compute(self, x: FloatArray) -> FloatArray:
        from analysis.features.substructure import DIJET_SUBSTRUCTURE, dijet_substructure

        wanted = [DIJET_SUBSTRUCTURE.index(name) for name in self.names(())]
        return dijet_substructure(x)[:, wanted]


@OBSERVABLES.register
@dataclass(frozen=True)
class DijetSubjettiness(Observables):
    """Masses of two jets and their τ1 … τ9 for β = 1/2, 1 and 2: `analysis.features.substructure`."""

    kind: ClassVar[str] = "dijet_subjettiness"

    @override
    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        from analysis.features.substructure import DIJET_SUBJETTINESS

        return DIJET_SUBJETTINESS

    @override
    def compute(self, x: FloatArray) -> FloatArray:
        from analysis.features.substructure import dijet_subjettiness

        return dijet_subjettiness(x)


@OBSERVABLES.register
@dataclass(frozen=True)
class Noise(Observables):
    """What was read, and `features` columns of normal numbers that say nothing: how a classifier bears them.

    The numbers of an event come from a hash of its features, so they are those of the event wherever it is, in data and
    template alike (the noise features of 2309.13111).
    """

    kind: ClassVar[str] = "noise"

    features: int = 10

    def __post_init__(self) -> None:
        if self.features < 1:
            raise ConfigError(f"noise: features = {self.features} must be at least 1.")

    @override
    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return (*columns, *(f"noise_{number}" for number in range(1, self.features + 1)))

    @override
    def compute(self, x: FloatArray) -> FloatArray:
        from scipy.special import ndtri

        if x.ndim != 2:
            raise ConfigError("noise stands beside feature vectors; these events are constituents.")
        rows = np.ascontiguousarray(x, np.float32)
        key = np.zeros(len(rows), np.uint64)
        for column in (rows + np.float32(0)).view(np.uint32).T.astype(np.uint64):
            key = hash_of(np.stack([key, column, np.zeros_like(key)], axis=1))
        numbers = (hash_of(np.stack([key, np.full_like(key, n), key], axis=1)) for n in range(self.features))
        uniform = [((each >> np.uint64(11)) + 0.5) / 2.0**53 for each in numbers]
        return np.column_stack([rows, *(ndtri(each) for each in uniform)]).astype(np.float32)


@OBSERVABLES.register
@dataclass(frozen=True)
class ShowerShapes(Observables):
    """Energy shares, centres, widths and numbers of cells of every layer: `analysis.features.shower_shapes`.

    Events are voxels (N, V) of the calorimeter `geometry` in GeV. `columns` are some of the names, by default all.
    """

    kind: ClassVar[str] = "shower_shapes"

    geometry: str = "ds1-photons"
    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        from analysis.features.shower_shapes import shower_shape_names

        known = shower_shape_names(_geometry(self.kind, self.geometry))
        if self.columns is not None:
            object.__setattr__(self, "columns", tuple(self.columns))
        for name in self.columns or ():
            if name not in known:
                raise ConfigError(f"shower_shapes has no '{name}'. {nearest(name, known)}")

    @override
    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        from analysis.features.shower_shapes import shower_shape_names

        return shower_shape_names(_geometry(self.kind, self.geometry)) if self.columns is None else self.columns

    @override
    def compute(self, x: FloatArray) -> FloatArray:
        from analysis.features.shower_shapes import shower_shape_names, shower_shapes

        detector = _geometry(self.kind, self.geometry)
        every = shower_shape_names(detector)
        return shower_shapes(x, detector)[:, [every.index(name) for name in self.names(())]]


@OBSERVABLES.register
@dataclass(frozen=True)
class ShowerCells(Observables):
    """The cells of every layer as points, for classifiers of constituents: `analysis.features.shower_cells`.

    Events are voxels (N, V) of the calorimeter `geometry` in GeV; the `leading` cells of a layer are kept.
    """

    kind: ClassVar[str] = "shower_cells"

    geometry: str = "ds1-photons"
    leading: int = 24

    def __post_init__(self) -> None:
        _geometry(self.kind, self.geometry)
        if self.leading < 1:
            raise ConfigError(f"shower_cells: leading = {self.leading} must be at least 1.")

    @override
    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        from analysis.features.shower_cells import SHOWER_CELLS

        return SHOWER_CELLS

    @override
    def compute(self, x: FloatArray) -> FloatArray:
        from analysis.features.shower_cells import shower_cells

        return shower_cells(x, _geometry(self.kind, self.geometry), leading=self.leading)


def _geometry(kind: str, name: str) -> Geometry:
    from analysis.showers.detectors import GEOMETRIES, geometry

    if name not in GEOMETRIES:
        raise ConfigError(f"{kind}: no geometry '{name}'. {nearest(name, GEOMETRIES)}")
    return geometry(name)


def drawable(x: FloatArray) -> Observables | None:
    """What can be drawn of events x: feature vectors as they are, substructure of two jets, of other events nothing."""
    if x.ndim == 2:
        return AsRead()
    return DijetSubstructure() if x.ndim == 4 and (x.shape[1], x.shape[3]) == (2, 3) else None


register = OBSERVABLES.register
kinds = OBSERVABLES.kinds
create = OBSERVABLES.create
