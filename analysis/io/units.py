"""GeV inside, whatever the file has; and a check that the declared unit can be true."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.errors import UnitsError, nearest
from analysis.expressions.column import Column

# Divisors and factors are exact in single precision; 1e-3 is not.
_TO_GEV: dict[str, tuple[float, float]] = {"GeV": (1.0, 1.0), "MeV": (1.0, 1000.0), "TeV": (1000.0, 1.0)}

_ENERGY = re.compile(
    r"(pt|et|ht|mt|mht|met|sumet|px|py|pz|e|energy|m|mass|msd|msoftdrop|mpruned|mtrimmed|split\d\d)(jj|jet|j)?\d*"
)
_MOMENTUM = re.compile(r"(pt|et)(jet|j)?\d*")
_MASS = re.compile(r"(m|mass)")

# No particle of a collision at the LHC has more transverse momentum than one beam.
_BEAM_ENERGY = 7000.0
# Jets are not calibrated below; the softest collections of jets start at about 10 GeV.
_SOFTEST_JET = 5.0
# A jet of radius R has m < R pT; only R of 1.5 and above come near 1.
_LARGEST_MASS_RATIO = 5.0
# Entries of a file that are judged.
_SAMPLE = 10_000


def check_unit(unit: str) -> None:
    """Refuse a unit that is not known."""
    if unit not in _TO_GEV:
        raise UnitsError(f"units='{unit}' is not known. {nearest(unit, _TO_GEV)}")


def is_energy(identifier: str) -> bool:
    """Whether a column of that name holds energies, momenta or masses.

    Decided by the last word of the name: FatJet_pt, jet1_mass, MET, pxj1, leadJetPt, FatJet_msoftdrop.
    """
    return _names(_ENERGY, identifier)


def in_gev(identifier: str, column: Column, unit: str) -> Column:
    """The column in GeV, if it holds energies."""
    times, over = _TO_GEV[unit]
    if times == over or column.values.dtype.kind != "f" or not is_energy(identifier):
        return column
    kind = column.values.dtype.type
    return replace(column, values=column.values * kind(times) / kind(over))


class EnergyCheck:
    """Judges by the first entries of one file whether its momenta and masses can be in the declared unit.

    The sample is the same for every size of chunks.
    """

    def __init__(self, unit: str, path: str) -> None:
        self._unit, self._path = unit, path
        self._leading: dict[str, list[NDArray[np.floating]]] = {}
        self._entries = 0
        self.open = True

    def add(self, columns: Mapping[str, Column], entries: int) -> None:
        """Take the next entries of the file, in GeV if the declaration is true; judge when the sample is complete."""
        for name, column in columns.items():
            if _names(_MOMENTUM, name) or _names(_MASS, name):
                first = column if column.offsets is None else column.element(0)
                values = first.values[: _SAMPLE - self._entries]
                absent = None if first.missing is None else first.missing[: len(values)]
                self._leading.setdefault(name, []).append(values if absent is None else values[~absent])
        self._entries += entries
        if self._entries >= _SAMPLE:
            self.judge()

    def judge(self) -> None:
        """Refuse the file if its sample is impossible.

        Raises
        ------
        UnitsError
            If the median leading transverse momentum is above the energy of a beam, that of jets is below any
            threshold, or jets are much heavier than their momentum; the message says which unit would fit.
        """
        if not self.open:
            return
        self.open = False
        joined = {name: np.concatenate(parts) for name, parts in self._leading.items()}
        medians = {name: float(np.median(values)) for name, values in joined.items() if len(values)}
        self._leading.clear()
        for name, median in medians.items():
            is_jet = "jet" in name.lower()
            if not _names(_MOMENTUM, name):
                continue
            if median > _BEAM_ENERGY:
                raise UnitsError(_message(name, median, "more than one beam has", self._unit, self._path))
            if is_jet and median < _SOFTEST_JET:
                raise UnitsError(_message(name, median, "softer than any jet", self._unit, self._path))
            stem = name[: -len("pt")]
            for mass_name in (f"{stem}mass", f"{stem}m"):
                mass = medians.get(mass_name, 0.0)
                if is_jet and mass > _LARGEST_MASS_RATIO * median:
                    raise UnitsError(
                        f"'{self._path}' mixes units: with units='{self._unit}' the median leading jet has {name} = "
                        f"{median:.4g} GeV but {mass_name} = {mass:.4g} GeV. Use columns of one unit, or convert one "
                        "of them in the expression."
                    )


def check_mass(mass: NDArray[np.float64], text: str, unit: str, path: str) -> None:
    """Refuse a median resonant mass beyond the collision energy.

    Raises
    ------
    UnitsError
        The message says which unit would fit.
    """
    if len(mass) and (median := float(np.median(mass))) > 2 * _BEAM_ENERGY:
        raise UnitsError(_message(f"the mass '{text}'", median, "more than the collision has", unit, path))


def _message(name: str, median: float, why: str, unit: str, path: str) -> str:
    raw = median / _factor(unit)
    fitting = [u for u in _TO_GEV if u != unit and _SOFTEST_JET <= raw * _factor(u) <= _BEAM_ENERGY]
    remedy = " or ".join(f"units='{u}'" for u in fitting) if fitting else "units='GeV', 'MeV' or 'TeV'"
    return (
        f"'{path}' is not in {unit}: with units='{unit}' the median of {name} is {median:.4g} GeV, {why}. Set {remedy}."
    )


def _factor(unit: str) -> float:
    times, over = _TO_GEV[unit]
    return times / over


def _names(pattern: re.Pattern[str], identifier: str) -> bool:
    """Whether the last part of a snake_case name, or its last camelCase word, matches."""
    tail = identifier.rstrip("_").rsplit("_", 1)[-1]
    words = re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*", tail)
    return any(pattern.fullmatch(word.lower()) for word in (tail, *words[-1:]))
