"""GeV inside, whatever the file has: a unit is declared, for all branches or by patterns of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from analysis.errors import UnitsError, nearest
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import Column
from analysis.expressions.nodes import Branch
from analysis.io.energies import Kind, kind_of
from analysis.io.names import identifier
from analysis.selection import Expression

NONE = "none"
DEFAULT = "default"
# Divisors and factors are exact in single precision; 1e-3 is not.
_TO_GEV: dict[str, tuple[float, float]] = {"GeV": (1.0, 1.0), "MeV": (1.0, 1000.0), "TeV": (1000.0, 1.0)}
# Between an energy and any other power of it there is a factor of 30 and more, of single events whatever.
_ROUNDED = 5.0

Declaration = str | Mapping[str, str]


def factor(unit: str) -> float:
    """GeV in one of the unit; 1 for what has none."""
    times, over = _TO_GEV.get(unit, (1.0, 1.0))
    return times / over


@dataclass(frozen=True)
class Units:
    """A declaration: the unit of energies, and those of branches by patterns, of which the last that matches counts.

    Patterns (`*`, `?`, `[…]`) are compared with the identifier and with the name in the file. What no pattern names
    has no unit if its name is that of an angle, a count, a ratio … (`analysis.io.energies`), and else the default: in a
    mapping whatever holds numbers with a fraction, without one only what is named like an energy.
    """

    default: str
    patterns: tuple[tuple[str, str], ...] = ()
    mapping: bool = False

    @classmethod
    def of(cls, declaration: Declaration) -> Units:
        """From "MeV", or from {"default": "MeV", "*_tau*": "none"}, where the default of the default is GeV.

        Raises
        ------
        UnitsError
            If a unit is not known.
        """
        entries = {DEFAULT: declaration} if isinstance(declaration, str) else {DEFAULT: "GeV", **declaration}
        for name, unit in entries.items():
            if unit not in (*_TO_GEV, NONE):
                place = f"units='{unit}'" if isinstance(declaration, str) else f"units: {name}: '{unit}'"
                raise UnitsError(f"{place} is not known. {nearest(str(unit), [*_TO_GEV, NONE])}")
        patterns = tuple((name, unit) for name, unit in entries.items() if name != DEFAULT)
        return cls(entries[DEFAULT], patterns, not isinstance(declaration, str))

    def declared(self, identifier: str, branch: str) -> str | None:
        """The unit of the last pattern that matches; None if there is none."""
        matching = [u for pattern, u in self.patterns if any(fnmatchcase(n, pattern) for n in (identifier, branch))]
        return matching[-1] if matching else None

    @property
    def converts(self) -> bool:
        """Whether anything can be changed by it."""
        return any(unit not in ("GeV", NONE) for unit in (self.default, *(u for _, u in self.patterns)))

    def refuse_unmatched(self, branches: Iterable[str], path: str) -> None:
        """Refuse a pattern that no branch of the file matches: it would silently do nothing.

        Raises
        ------
        UnitsError
            Naming it and the nearest branches.
        """
        for pattern, unit in self.patterns:
            if not any(fnmatchcase(n, pattern) for name in branches for n in (name, identifier(name))):
                hint = nearest(pattern, map(identifier, branches))
                raise UnitsError(
                    f"units: '{pattern}: {unit}' matches no branch of '{path}'. {hint} Patterns know *, ? and […], and "
                    "capitals count."
                )

    def __str__(self) -> str:
        if not self.mapping:
            return self.default
        return "{" + ", ".join(f"{n}: {u}" for n, u in ((DEFAULT, self.default), *self.patterns)) + "}"


class Conversion:
    """What the branches of one file are converted by.

    Parameters
    ----------
    units : the declaration.
    branches : identifier -> name in the file, of all branches that are needed.
    mass : expression of the resonant mass, an energy whatever its branches are called.
    measured : identifiers that selection and features read; their units have to be clear.
    path : for messages.

    Raises
    ------
    UnitsError
        If the unit of a measured branch is not clear from its name, or the mass mixes units that are not declared;
        when it is evaluated, if the mass is another power of the energies in it.
    """

    def __init__(
        self, units: Units, branches: Mapping[str, str], mass: Expression, measured: Iterable[str], path: str
    ) -> None:
        self._units, self._branches, self._mass, self._path = units, branches, mass, path
        in_mass = mass.branches(branches)
        # A mass that is a branch makes this branch an energy in all other expressions too.
        self._bare = branches[in_mass[0]] if isinstance(mass.root, Branch) else None
        kinds = {n: self._kind(n) for n in in_mass if self._declared(n) is None}
        vague = [n for n, kind in kinds.items() if kind in (Kind.UNCLEAR, Kind.OTHER)]
        if len(kinds) == len(in_mass) and all(kind is Kind.PURE for kind in kinds.values()):
            vague = list(in_mass)
        self._whole = bool(vague) and factor(units.default) != 1.0
        self._by_default = [n for n, kind in kinds.items() if kind is Kind.ENERGY]
        if units.converts:
            self._refuse_mixed_mass(in_mass, vague)
            self._refuse_unclear(list(dict.fromkeys(measured)), vague)

    def unit_of(self, name: str, column: Column) -> str:
        """Unit of the values of a branch in the file: "GeV", "MeV", "TeV" or "none"."""
        declared = self._declared(name)
        if column.is_boolean:
            return NONE
        if declared is not None:
            return declared
        kind = self._kind(name)
        if kind is Kind.ENERGY:
            return self._units.default
        if kind is Kind.PURE or not self._units.mapping or column.values.dtype.kind != "f":
            return NONE
        return self._units.default

    def is_guess(self, name: str) -> bool:
        """Whether nothing is declared for a branch and nothing in its name speaks of an energy."""
        return self._declared(name) is None and self._kind(name) is Kind.OTHER

    def converted(self, raw: Mapping[str, Column]) -> dict[str, Column]:
        """All columns in GeV, where they are energies."""
        return {name: in_gev(column, self.unit_of(name, column)) for name, column in raw.items()}

    def mass(
        self, raw: Mapping[str, Column], converted: Chunk, passing: NDArray[np.bool_] | None
    ) -> NDArray[np.float64]:
        """The mass in GeV: of converted branches, or in the unit of the file and then converted as a whole."""
        if self._whole:
            return self._converted_whole(raw, converted.entries, passing)
        values = np.asarray(self._mass.values(converted, passing, name="mass"), dtype=np.float64)
        if self._by_default and factor(self._units.default) != 1.0:
            self._refuse_other_powers(values, self._converted_whole(raw, converted.entries, passing))
        return values

    def _converted_whole(
        self, raw: Mapping[str, Column], entries: int, passing: NDArray[np.bool_] | None
    ) -> NDArray[np.float64]:
        values = np.asarray(self._mass.values(Chunk(raw, entries), passing, name="mass"), dtype=np.float64)
        return values * factor(self._units.default)

    def _refuse_other_powers(self, values: NDArray[np.float64], whole: NDArray[np.float64]) -> None:
        """Refuse what is no energy to the first power, as √m2 of a squared mass whose name is that of a mass."""
        with np.errstate(all="ignore"):
            ratio = np.abs(values / whole)
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if len(ratio) and not 1 / _ROUNDED < (median := float(np.median(ratio))) < _ROUNDED:
            first = self._by_default[0]
            raise UnitsError(
                f"'{self._path}': with its branches converted from {self._units.default} the mass "
                f"'{self._mass.text}' is {median:.4g} times what it is if converted as a whole: it is no energy, or "
                f"{', '.join(self._by_default)} are not. Declare them: units: {{default: {self._units.default}, "
                f"{first}: none}}, with the factor in the expression; or {first}: {self._units.default} if they are "
                "energies and numbers in the expression are in GeV."
            )

    def _declared(self, name: str) -> str | None:
        return self._units.declared(identifier(self._branches[name]), self._branches[name])

    def _kind(self, name: str) -> Kind:
        branch = self._branches[name]
        return Kind.ENERGY if branch == self._bare else kind_of(identifier(branch))

    def _refuse_mixed_mass(self, in_mass: Sequence[str], vague: Sequence[str]) -> None:
        found = {u for n in in_mass if (u := self._declared(n) or NONE) not in (NONE, self._units.default)}
        if self._whole and found:
            raise UnitsError(
                f"'{self._path}': the mass '{self._mass.text}' has branches in {' and '.join(sorted(found))} beside "
                f"{', '.join(map(repr, vague))}, whose unit is not clear. Declare it: "
                f"units: {{{vague[0]}: {self._units.default}}}, or none."
            )

    def _refuse_unclear(self, measured: Sequence[str], vague: Sequence[str]) -> None:
        unclear = [
            n
            for n in measured
            if self._declared(n) is None and (n in vague or (kind_of(n) is Kind.UNCLEAR and not self._units.mapping))
        ]
        if unclear:
            given = "".join(f"{pattern}: {unit}, " for pattern, unit in self._units.patterns)
            remedy = f"units: {{default: {self._units.default}, {given}{unclear[0]}: {self._units.default}}}"
            raise UnitsError(
                f"'{self._path}': whether {', '.join(map(repr, unclear))} "
                f"{'is an energy' if len(unclear) == 1 else 'are energies'} in {self._units.default} is not clear from "
                f"the name. Declare it, as {remedy} or with 'none' if it is none; `cathode config check` shows what "
                "every branch is taken for."
            )


def in_gev(column: Column, unit: str) -> Column:
    """The column in GeV; integers become double precision."""
    times, over = _TO_GEV.get(unit, (1.0, 1.0))
    if times == over or column.is_boolean:
        return column
    kind = column.values.dtype.type if column.values.dtype.kind == "f" else np.float64
    return replace(column, values=column.values.astype(kind, copy=False) * kind(times) / kind(over))
