"""What can be said of a reading is declared once."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from analysis import DIJET_FEATURES, Constituents, iterate_events, read_events
from analysis.datasets import embedded
from analysis.errors import ExpressionError, InputFileError
from analysis.features.dijets import FEATURE_SETS
from analysis.io.ntuples import Reading
from analysis.io.reading_options import ConstituentOptions, ReadingOptions, said, taking
from cathode.config.data import ConstituentsConfig, DataConfig


@dataclass
class Wall:
    width: int
    height: int = field(default=2, kw_only=True, metadata=said("of the wall; null for none", ge=1))


@taking(Wall)
def area(wall: Wall) -> int:
    """How large it is."""
    return wall.width * wall.height


def test_a_function_of_options_is_called_with_their_fields() -> None:
    assert (area(3), area(3, height=5), area(width=4)) == (6, 15, 8)
    with pytest.raises(TypeError, match="hight"):
        area(3, hight=2)  # type: ignore[call-arg]
    assert str(inspect.signature(area)).replace("'", "") == "(width: int, *, height: int = 2) -> int"
    assert (area.__doc__ or "").endswith("height : of the wall; None for none")


@pytest.mark.parametrize("function", [read_events, iterate_events])
def test_every_option_of_a_reading_is_an_argument(function: object) -> None:
    arguments = inspect.signature(function).parameters  # type: ignore[arg-type]
    assert list(arguments) == [each.name for each in dataclasses.fields(Reading)]
    for each in dataclasses.fields(ReadingOptions):
        wanted = inspect.Parameter.empty if each.default is dataclasses.MISSING else each.default
        assert arguments[each.name].default == wanted


#: Keys with another default in a file than in Python, where a search needs something.
OWN_DEFAULTS = {"mass", "checksums"}


@pytest.mark.parametrize(
    ("options", "section", "more"),
    [(ReadingOptions, DataConfig, {"auxiliary"}), (ConstituentOptions, ConstituentsConfig, set())],
)
def test_every_option_is_a_key_of_an_analysis_file(
    options: type[ReadingOptions], section: type[DataConfig], more: set[str]
) -> None:
    keys = section.model_fields
    assert set(keys) == {each.name for each in dataclasses.fields(options)} | more
    for each in dataclasses.fields(options):
        assert keys[each.name].description
        if each.name not in OWN_DEFAULTS and each.default is not dataclasses.MISSING:
            assert keys[each.name].default == each.default
    assert all(each.metadata["description"] for each in dataclasses.fields(options))


def test_bounds_are_those_of_the_declaration() -> None:
    properties = DataConfig.model_json_schema()["properties"]
    assert properties["beam_energy"]["anyOf"][0] == {"exclusiveMinimum": 0, "type": "number"}
    assert (properties["max_failed_fraction"]["minimum"], properties["max_failed_fraction"]["maximum"]) == (0, 1)
    assert ConstituentsConfig.model_json_schema()["properties"]["leading"]["minimum"] == 1


def test_keys_of_constituents_are_options_of_constituents() -> None:
    section = ConstituentsConfig(leading=3, jets="Jet")
    assert Constituents.of(section) == section.build() == Constituents(leading=3, jets="Jet")
    assert Constituents.of(Constituents(leading=4)) == Constituents(leading=4)


def test_a_set_of_features_and_a_file_of_the_package_are_known_by_name() -> None:
    common: dict[str, Any] = {"mass": "mjj(FatJet)", "selection": "nFatJet >= 2 and event % 50 == 0"}
    named = read_events("embedded:dijets", features="dijet_dr", **common)
    written = read_events(embedded("dijets"), features=FEATURE_SETS["dijet_dr"], **common)
    assert named.columns == (*DIJET_FEATURES, "delta_r") == written.columns
    np.testing.assert_array_equal(named.x, written.x)
    with pytest.raises(ExpressionError, match=r"no set of features 'dijt'\. Nearest: 'dijet'"):
        read_events("embedded:dijets", features="dijt", **common)
    with pytest.raises(ExpressionError, match="must be a mapping of name to expression"):
        read_events("embedded:dijets", features=["mj_light(FatJet)"], **common)
    with pytest.raises(InputFileError, match="dijets"):
        read_events("embedded:dijts", features="dijet", **common)
