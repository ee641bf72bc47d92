"""Files for the programs of others, read by those programs where they are here."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from analysis.inference.counting_model import CountingModel
from analysis.inference.exchange import datacard, hepdata_limits, histfactory
from analysis.inference.limits import asymptotic_limit

# pyhf asks jsonschema for what that will remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CHANNELS = {"loose": CountingModel(140, 100, 10, 20), "tight": CountingModel(30, 20, 0, 9)}


def test_pyhf_finds_the_same_limit_in_the_workspace() -> None:
    pyhf: Any = pytest.importorskip("pyhf")
    one = {"loose": CHANNELS["loose"]}
    workspace = pyhf.Workspace(json.loads(json.dumps(histfactory(one))))
    model = workspace.model()
    observed, _ = pyhf.infer.intervals.upper_limits.toms748_scan(workspace.data(model), model, 0.01, 10, rtol=1e-6)
    assert asymptotic_limit(one["loose"]).observed == pytest.approx(float(observed), rel=1e-3)
    both = pyhf.Workspace(histfactory(CHANNELS))
    assert both.model().config.channels == ["loose", "tight"]


def test_a_datacard_has_every_channel_and_a_gamma_of_the_right_size() -> None:
    lines = [line.split() for line in datacard(CHANNELS).splitlines()]
    assert ["observation", "140", "30"] in lines
    assert ["rate", "20", "100", "9", "20"] in lines
    # 100 ± 10 is a count of 100 with weight 1; 20 events known exactly have none.
    assert ["background_loose", "gmN", "100", "-", "1", "-", "-"] in lines
    assert sum("gmN" in line for line in lines) == 1
    assert [line[1] for line in lines[:3]] == ["2", "1", "1"]


@pytest.mark.parametrize("error", [0.5, 3.0, 10.0, 30.0, 81.6, 150.0])
def test_a_datacard_keeps_rate_and_relative_error(error: float) -> None:
    (line,) = (
        one.split() for one in datacard({"a": CountingModel(90, 100, error)}).splitlines() if "background_a" in one
    )
    if line[1] == "gmN":
        events, weight = int(line[2]), float(line[-1])
        assert events * weight == pytest.approx(100, rel=1e-4)
        assert events**-0.5 == pytest.approx(error / 100, rel=0.02)
    else:
        # A log-normal number of this kappa has the relative error.
        assert math.expm1(math.log(float(line[-1])) ** 2) == pytest.approx((error / 100) ** 2, rel=1e-4)
    assert line[1] == ("gmN" if error <= 20 else "lnN")


def test_a_table_without_an_observed_limit_has_no_such_column() -> None:
    alone = replace(asymptotic_limit(CHANNELS["loose"]), observed=math.nan)
    (expected,) = hepdata_limits({3500.0: alone}, quantity="SIG*BR")["dependent_variables"]
    assert expected["header"]["name"] == "expected SIG*BR"


def test_a_table_of_limits_has_bands_around_the_expected_one() -> None:
    limits = {mass: asymptotic_limit(model) for mass, model in zip((3500.0, 3000.0), CHANNELS.values(), strict=True)}
    table = hepdata_limits(limits, quantity="SIG*BR", units="FB")
    assert [v["value"] for v in table["independent_variables"][0]["values"]] == [3000.0, 3500.0]
    observed, expected = table["dependent_variables"]
    assert observed["values"][1]["value"] == limits[3500.0].observed
    one = expected["values"][0]
    assert one["value"] == limits[3000.0].expected[2]
    assert one["errors"][0]["asymerror"]["minus"] < 0 < one["errors"][0]["asymerror"]["plus"]
    json.dumps(table)
