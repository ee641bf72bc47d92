"""Whether momenta and masses can be in the unit that is declared: checked on selected events, without placeholders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.errors import UnitsError
from analysis.expressions.column import Column
from analysis.io.energies import is_mass, is_momentum
from analysis.io.names import identifier
from analysis.io.units import NONE, Conversion, factor

# Jets are not calibrated below 5 GeV; a beam of less than 5 TeV makes softer ones, and so do tracks.
_SOFTEST_JET = 5.0
_SOFTEST_TRACK_JET = 0.2
# A jet of radius R has m < R pT; only R of 1.5 and above come near 1.
_LARGEST_MASS_RATIO = 5.0
# A number without a dimension has rarely a median above; energies in MeV nearly always.
_LARGEST_PURE_NUMBER = 1000.0
# Selected events of a file that are checked.
_SAMPLE = 10_000
_MASS = ""


def without_placeholders(values: NDArray[np.number]) -> NDArray[np.float64]:
    """The values that can be momenta: positive, finite, and not one of the numbers that stand for "absent".

    Those are -1, -99, -999 …, 99, 999 …, powers of ten from 1e6 on, and the largest numbers of the types.
    """
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found) & (found > 0) & (found < 1e30)]
    nines = [10.0**k - 1 for k in range(2, 19)]
    powers = [10.0**k for k in range(6, 31)]
    largest = [float(np.iinfo(t).max) for t in (np.int32, np.uint32, np.int64, np.uint64)]
    return found[~np.isin(found, [*nines, *powers, *largest])]


class EnergyCheck:
    """Checks the first selected events of one file, the same for every size of chunks.

    beam : energy of one beam in GeV, which no momentum exceeds; None checks nothing.
    """

    def __init__(self, beam: float | None, unit: str, mass: str, path: str) -> None:
        self._beam, self._unit, self._mass_text, self._path = beam, unit, mass, path
        self._samples: dict[str, list[NDArray[np.float64]]] = {}
        self._units: dict[str, str] = {}
        self._guesses: set[str] = set()
        self._entries = 0
        self.open = beam is not None

    def add(
        self,
        raw: Mapping[str, Column],
        conversion: Conversion,
        measured: Iterable[str],
        passing: NDArray[np.bool_] | None,
        mass: NDArray[np.float64],
    ) -> None:
        """Take the next events of the file as it has them, and their masses in GeV; check if the sample is complete."""
        room = _SAMPLE - self._entries
        for name in measured:
            unit = conversion.unit_of(name, raw[name])
            name_of = identifier(name)
            guess = conversion.is_guess(name) and unit == NONE
            if raw[name].is_boolean or not (guess or (unit != NONE and (is_momentum(name_of) or is_mass(name_of)))):
                continue
            self._units[name] = unit
            if guess:
                self._guesses.add(name)
            values = without_placeholders(
                np.abs(_leading(raw[name], passing)) if guess else _leading(raw[name], passing)
            )
            self._samples.setdefault(name, []).append(values[:room])
        self._samples.setdefault(_MASS, []).append(mass[:room])
        self._entries += len(mass)
        if self._entries >= _SAMPLE:
            self.check()

    def check(self) -> None:
        """Refuse the file if its sample is impossible.

        Raises
        ------
        UnitsError
            If the median leading transverse momentum is above the energy of a beam, that of jets is below any
            threshold, jets are much heavier than their momentum, the median mass is more than the collision has, or a
            branch that is taken for a pure number looks like an energy in MeV; the message says what would fit.
        """
        if not self.open:
            return
        self.open = False
        assert self._beam is not None
        joined = {name: np.concatenate(parts) for name, parts in self._samples.items()}
        self._samples.clear()
        mass = without_placeholders(joined.pop(_MASS, np.empty(0)))
        medians = {
            name: float(np.median(values)) * factor(self._units[name]) for name, values in joined.items() if len(values)
        }
        for name, median in medians.items():
            if name in self._guesses:
                self._check_number(name, median)
            elif is_momentum(identifier(name)):
                self._check_momentum(name, median, medians)
        if len(mass) and (median := float(np.median(mass))) > 2 * self._beam:
            self._refuse(f"the mass '{self._mass_text}'", median, "more than the collision has", self._unit)

    def _check_momentum(self, name: str, median: float, medians: Mapping[str, float]) -> None:
        assert self._beam is not None
        lower = name.lower()
        is_jet = "jet" in lower
        of_tracks = "track" in lower or "trk" in lower
        softest = _SOFTEST_TRACK_JET if of_tracks else _SOFTEST_JET
        unit = self._units[name]
        if median > self._beam:
            self._refuse(name, median, "more than one beam has", unit)
        if is_jet and median < min(softest, self._beam / 1000):
            self._refuse(name, median, "softer than any jet", unit)
        stem = name[: -len("pt")]
        for mass_name in (f"{stem}mass", f"{stem}m"):
            mass = medians.get(mass_name, 0.0)
            if is_jet and mass > _LARGEST_MASS_RATIO * median:
                raise UnitsError(
                    f"'{self._path}' mixes units: with units='{self._unit}' the median leading jet has {name} = "
                    f"{median:.4g} GeV but {mass_name} = {mass:.4g} GeV. Declare each: units: {{default: …, "
                    f"{mass_name}: …}}."
                )

    def _check_number(self, name: str, median: float) -> None:
        if self._unit == "MeV" and median > _LARGEST_PURE_NUMBER:
            raise UnitsError(
                f"'{self._path}': '{name}' is not named like an energy, so it is read as it is, but its median is "
                f"{median:.4g}, as of energies in MeV. Say what it is: units: {{default: MeV, {name}: MeV}}, or none."
            )

    def _refuse(self, name: str, median: float, why: str, unit: str) -> None:
        assert self._beam is not None
        raw = median / factor(unit)
        fitting = [u for u in ("GeV", "MeV", "TeV") if u != unit and _SOFTEST_JET <= raw * factor(u) <= self._beam]
        remedy = " or ".join(f"units='{u}'" for u in fitting) if fitting else "units='GeV', 'MeV' or 'TeV'"
        raise UnitsError(
            f"'{self._path}' is not in {unit}: with units='{unit}' the median of {name} is {median:.4g} GeV, {why} "
            f"({self._beam:g} GeV each). Set {remedy}; or, if it is right, beam_energy to that of your collider, or to "
            "null, which leaves this check out."
        )


def _leading(column: Column, passing: NDArray[np.bool_] | None) -> NDArray[np.number]:
    """First elements of the events that are selected, where they exist."""
    first = column if column.offsets is None else column.element(0)
    keep = np.ones(len(first), dtype=bool) if passing is None else passing.copy()
    if first.missing is not None:
        keep &= ~first.missing
    return first.values[keep]
