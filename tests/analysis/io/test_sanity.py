"""Momenta that can not be in the unit that is declared."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import UnitsError
from analysis.expressions.column import Column
from analysis.io.sanity import EnergyCheck, without_placeholders
from analysis.io.units import Conversion, Units
from analysis.selection import compile_expression

Columns = dict[str, Column]


def check(columns: Columns, *, unit: str = "GeV", mass: float = 3000.0, passing: np.ndarray | None = None) -> None:
    conversion = Conversion(
        Units.of(unit), {name: name for name in (*columns, "m")}, compile_expression("m"), tuple(columns), "a.root"
    )
    n = len(next(iter(columns.values())))
    checker = EnergyCheck(6500.0, unit, "m", "a.root")
    checker.add(columns, conversion, columns, passing, np.full(n, mass))
    checker.check()


def column(value: float, n: int = 5) -> Column:
    return Column(np.full(n, value))


def test_possible_momenta_pass() -> None:
    check({"FatJet_pt": column(1300.0), "FatJet_mass": column(200.0), "nothing": column(1e9)})


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"FatJet_pt": column(1.3e6)}, "units='MeV'"),
        ({"FatJet_pt": column(1.3)}, "units='TeV'"),
        ({"Jet_pt": column(50.0), "Jet_mass": column(5000.0)}, "mixes units"),
    ],
)
def test_impossible_ones_name_the_unit_that_would_fit(columns: Columns, said: str) -> None:
    with pytest.raises(UnitsError, match=said):
        check(columns)


def test_a_mass_above_the_collision() -> None:
    with pytest.raises(UnitsError, match="the mass 'm'"):
        check({"FatJet_pt": column(1300.0)}, mass=3e6)


def test_only_selected_events_count() -> None:
    wrong_outside = Column(np.array([1e6, 1e6, 1e6, 900.0, 900.0]))
    check({"FatJet_pt": wrong_outside}, passing=np.array([False, False, False, True, True]))


def test_placeholders_are_no_momenta() -> None:
    values = np.array([-999.0, 99.0, 999.0, 1e6, np.inf, np.nan, 0.0, 2.0**31 - 1, 150.0])
    assert without_placeholders(values).tolist() == [150.0]
