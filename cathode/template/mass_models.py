"""Mass models: the background's mass spectrum inside the window, from the sidebands alone.

A template is drawn at masses that the background would have in the window; a mass model supplies those, and beside them
how many events it expects there. It is blind by construction: a mass inside the window is refused, not ignored, so the
signal can not pull on the template that is meant to reveal it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import SpectrumError, nearest
from analysis.statistics.dijet_fit import FUNCTIONS, SpectrumFit, n_parameters
from analysis.statistics.local_density import LocalDensity, local_density
from analysis.statistics.spectrum import fit_spectrum
from analysis.weights import standardised
from cathode.errors import MassModelError
from cathode.region import Interval, Region
from cathode.registry import MASS_MODELS

FloatArray = NDArray[np.floating[Any]]

_GRID = 4097

#: Widths of the window that events of both sides have to reach to meet in its middle.
_SHORTEST = 0.5

#: Order of a polynomial beyond which the sidebands do not determine it.
_HIGHEST = 8

#: Masses in the window at which a density that was read must be one.
_CHECKED = 33


class Expected(NamedTuple):
    """Events expected in an interval of mass, and the error of the expectation (the Poisson scatter is not in it)."""

    events: float
    error: float


@runtime_checkable
class MassModel(Protocol):
    """The mass spectrum of the background, learned beside the window and known inside."""

    kind: ClassVar[str]
    region_: Region

    def fit(self, mass: FloatArray, region: Region, *, weights: FloatArray | None = None) -> Self:
        """Learn from sideband masses (N,) in GeV with optional weights (N,), negative ones allowed."""
        ...

    def sample(self, n: int, *, seed: int, within: Region | Interval | None = None) -> FloatArray:
        """Draw n masses (n,) in GeV, in the window unless told otherwise."""
        ...

    def expected(self, within: Region | Interval | None = None) -> Expected:
        """Background events in the window, unless told otherwise."""
        ...

    def density(self, mass: ArrayLike) -> FloatArray:
        """Events per GeV at masses (N,) in GeV."""
        ...

    def band(self, mass: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Density one standard deviation down and up, (N,) each."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The fitted model in JSON types."""
        ...

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        ...


class _FromSidebands:
    """What both models share once there is a density beside and inside the window."""

    kind: ClassVar[str]
    _density: ClassVar[type[SpectrumFit | LocalDensity]]
    region_: Region
    density_: SpectrumFit | LocalDensity

    def sample(self, n: int, *, seed: int, within: Region | Interval | None = None) -> FloatArray:
        """Draw n masses (n,) in GeV by the inverse of the cumulative density, in the window unless told otherwise."""
        low, high = self._edges(within)
        grid = np.linspace(low, high, _GRID)
        # Not the density itself: its unit would be in the last digit of the masses.
        density = self._fitted.shape(grid)
        if not np.all(np.isfinite(density)):
            first, last = self.fit_range_
            raise MassModelError(
                f"There is no finite density in {low:g}–{high:g} GeV by a fit of {first:.6g}–{last:.6g} GeV. Widen the "
                "sidebands, or choose a smaller function."
            )
        cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
        drawn = np.interp(np.random.default_rng(seed).random(n) * cumulative[-1], cumulative, grid)
        masses: FloatArray = np.minimum(drawn, np.nextafter(high, low))
        return masses

    def expected(self, within: Region | Interval | None = None) -> Expected:
        """Background events in the window, unless told otherwise."""
        try:
            return Expected(*self._fitted.integral(*self._edges(within)))
        except SpectrumError as error:
            raise MassModelError(str(error)) from error

    def density(self, mass: ArrayLike) -> FloatArray:
        """Events per GeV at masses (N,) in GeV."""
        return self._fitted.density(mass)

    def band(self, mass: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Density one standard deviation down and up, (N,) each."""
        return self._fitted.band(mass)

    @property
    def fit_range_(self) -> tuple[float, float]:
        """Masses that the model describes, GeV; the window is among them."""
        return min(self._fitted.low, self.region_.low), max(self._fitted.high, self.region_.high)

    def to_dict(self) -> dict[str, Any]:
        """The fitted model in JSON types: kind, hyperparameters, region and density."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        settings = {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}
        density = self._fitted.to_dict()
        return {"kind": self.kind, "settings": settings, "region": self.region_.to_dict(), "density": density}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        settings = {name: tuple(v) if isinstance(v, list) else v for name, v in content["settings"].items()}
        made = cls(**settings)
        made.region_ = Region(**content["region"])
        made.density_ = cls._density.from_dict(content["density"])
        return made

    @property
    def _fitted(self) -> SpectrumFit | LocalDensity:
        if not hasattr(self, "density_"):
            raise MassModelError(f"The mass model '{self.kind}' must be fitted first.")
        return self.density_

    def _edges(self, within: Region | Interval | None) -> tuple[float, float]:
        self._fitted  # noqa: B018
        chosen = self.region_ if within is None else within
        return chosen.low, chosen.high


@MASS_MODELS.register
@dataclass(kw_only=True)
class DijetFitMass(_FromSidebands):
    """Dijet function fitted to the sidebands: binned extended likelihood, order by F-test, range above the turn-on.

    The most precise where the spectrum falls smoothly. Errors contain the fitted parameters and the choice of function.

    Attributes
    ----------
    functions : functions to choose from, in rising order.
    low : lower edge of the fit, GeV; None finds where the turn-on of the spectrum is over.
    sqrt_s : collision energy, GeV.

    >>> mass = 2000 + np.random.default_rng(1).exponential(500, 5000)
    >>> fitted = DijetFitMass().fit(mass[(mass < 3300) | (mass >= 3700)], Region(3300, 3700))
    >>> there = np.count_nonzero((mass >= 3300) & (mass < 3700))
    >>> bool(abs(fitted.expected().events - there) < 4 * there**0.5), fitted.sample(3, seed=1).shape
    (True, (3,))
    """

    kind: ClassVar[str] = "dijet_fit"
    _density: ClassVar[type[SpectrumFit | LocalDensity]] = SpectrumFit
    functions: tuple[str, ...] = FUNCTIONS
    low: float | None = None
    sqrt_s: float = 13_000.0

    def __post_init__(self) -> None:
        try:
            sizes = [n_parameters(name) for name in self.functions]
        except SpectrumError as error:
            raise MassModelError(f"functions: {error}") from error
        if not sizes or sizes != sorted(set(sizes)):
            raise MassModelError(
                f"functions = {list(self.functions)} must be at least one of {', '.join(FUNCTIONS)}, in this order."
            )
        for name, value in (("sqrt_s", self.sqrt_s), ("low", self.low)):
            if value is not None and not 0 < value < np.inf:
                raise MassModelError(f"{name} = {value:g} GeV must be positive.")
        if self.low is not None and self.low >= self.sqrt_s:
            raise MassModelError(f"low = {self.low:g} GeV must be below sqrt_s = {self.sqrt_s:g} GeV.")

    def fit(self, mass: FloatArray, region: Region, *, weights: FloatArray | None = None) -> Self:
        """Fit sideband masses (N,) in GeV; the result is `density_`, a `SpectrumFit`.

        Raises
        ------
        MassModelError
            If a mass lies inside the window, or no fit is possible.
        """
        mass, weights = _sidebands(mass, region, weights)
        if self.low is not None and region.sides == "above":
            raise MassModelError(
                f"low = {self.low:g} GeV: there is no sideband below the window whose fit could begin there, for the "
                f"{region}. Leave it out."
            )
        try:
            self.density_: SpectrumFit = fit_spectrum(
                mass,
                (region.low, region.high),
                weights=weights,
                low=self.low,
                high=region.sideband_high,
                functions=self.functions,
                sqrt_s=self.sqrt_s,
                veto=region.veto,
                sides=region.sides,
            )
        except SpectrumError as error:
            raise MassModelError(str(error)) from error
        self.region_ = region
        return self

    @property
    def parameters_(self) -> dict[str, float]:
        """Published parameters of the fitted function by name."""
        values = self.density_.parameters[0]
        return {name: float(v) for name, v in zip(("ln_norm", *(f"p{i}" for i in range(1, 9))), values, strict=False)}


@MASS_MODELS.register
@dataclass(kw_only=True)
class KdeMass(_FromSidebands):
    """Local-likelihood density of the sidebands, carried across the window by a polynomial in ln m.

    No functional form, hence about twice the error of the dijet fit; for spectra that no dijet function describes.

    Attributes
    ----------
    reach : how far an event counts, in widths of the window in ln m; more than half of one on each side.
    degree : order of the polynomial in ln m, of the logarithm of the density.

    >>> mass = 2000 + np.random.default_rng(1).exponential(500, 5000)
    >>> fitted = KdeMass().fit(mass[(mass < 3300) | (mass >= 3700)], Region(3300, 3700))
    >>> there = np.count_nonzero((mass >= 3300) & (mass < 3700))
    >>> bool(abs(fitted.expected().events - there) < 4 * there**0.5)
    True
    """

    kind: ClassVar[str] = "kde"
    _density: ClassVar[type[SpectrumFit | LocalDensity]] = LocalDensity
    reach: float = 1.5
    degree: int = 3

    def __post_init__(self) -> None:
        if not _SHORTEST < self.reach < np.inf:
            raise MassModelError(
                f"reach = {self.reach:g} must be more than {_SHORTEST}, so that both sides reach the middle."
            )
        if not 0 <= self.degree <= _HIGHEST:
            raise MassModelError(f"degree = {self.degree} must be from 0 to {_HIGHEST}.")

    def fit(self, mass: FloatArray, region: Region, *, weights: FloatArray | None = None) -> Self:
        """Learn from sideband masses (N,) in GeV; the result is `density_`, a `LocalDensity`.

        Raises
        ------
        MassModelError
            If a mass lies inside the window, there are too few events beside it, or a sideband on one side alone:
            without a functional form there is nothing to extrapolate with.
        """
        mass, weights = _sidebands(mass, region, weights)
        if region.sides != "both":
            raise MassModelError(
                f"The mass model 'kde' interpolates, and can not extrapolate into the {region}. Use 'dijet_fit'."
            )
        try:
            self.density_: LocalDensity = local_density(
                mass, (region.low, region.high), weights=weights, reach=self.reach, degree=self.degree, veto=region.veto
            )
        except SpectrumError as error:
            raise MassModelError(str(error)) from error
        self.region_ = region
        return self

    @property
    def parameters_(self) -> dict[str, float]:
        """What was chosen; there are no fitted parameters."""
        return {"reach": self.reach, "degree": float(self.degree)}


def mass_model_from_dict(content: dict[str, Any]) -> MassModel:
    """Inverse of `to_dict` of any registered mass model: a fitted one, equal to the one that was written.

    Raises
    ------
    MassModelError
        If `content` is not what `to_dict` gave, or its density is no density in the window.
    """
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind not in MASS_MODELS.kinds():
        raise MassModelError(
            f"No mass model of kind {str(kind)[:40]!r}. {nearest(str(kind)[:40], MASS_MODELS.kinds())}"
        )
    try:
        made: MassModel = MASS_MODELS.resolve(kind).from_dict(content)
        region = made.region_
        inside = np.linspace(region.low, region.high, _CHECKED)
        with np.errstate(all="ignore"):
            values = [made.density(inside), *made.band(inside), np.array(made.expected())]
    except Exception as error:
        # Numbers that no fit gave may fail anywhere.
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise MassModelError(f"Not a fitted mass model: {type(error).__name__} ({said}). Fit it again.") from error
    if not all(np.isfinite(each).all() for each in values) or (values[0] < 0).any():
        raise MassModelError(
            "Not a fitted mass model: its density in the window is not finite and positive. Fit it again."
        )
    return made


def read_mass_model(path: Path) -> MassModel:
    """The mass model that a run wrote to a file.

    Raises
    ------
    MassModelError
        If it can not be read; names the file.
    """
    try:
        return mass_model_from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError, RecursionError) as error:
        raise MassModelError(f"{path}: unreadable ({error!r}). Train again.") from error
    except MassModelError as error:
        raise MassModelError(f"{path}: {error}") from error


def _sidebands(mass: FloatArray, region: Region, weights: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
    """Masses and weights in the sidebands; a mass in the window is an error, one beyond the sidebands is left out."""
    mass = np.asarray(mass, dtype=float)
    weights = None if weights is None else np.asarray(weights, dtype=float)
    inside = int(np.count_nonzero(region.signal(mass)))
    if inside:
        raise MassModelError(
            f"{inside} of {mass.size} masses lie inside the window {region.low:g}–{region.high:g} GeV. A mass model is "
            "blind to it: hand over mass[region.sideband(mass)]."
        )
    if not np.all(np.isfinite(mass)) or (
        weights is not None and (weights.shape != mass.shape or not np.all(np.isfinite(weights)))
    ):
        raise MassModelError("Masses and weights must be finite and of equal length.")
    chosen = region.sideband(mass)
    mass, weights = mass[chosen], None if weights is None else weights[chosen]
    if weights is not None and not standardised(weights).sum() > 0:
        raise MassModelError(
            f"The weights of the {mass.size} events in the sidebands sum to {weights.sum():g}; it must be positive."
        )
    return mass, weights
