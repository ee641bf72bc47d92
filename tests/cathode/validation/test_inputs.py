"""Features and weights that a search should not be made with are named, and others are not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import yaml

from analysis.datasets import embedded
from analysis.events import Events
from analysis.features.dijets import FEATURE_SETS
from analysis.io.ntuples import read_events
from cathode.config import parse_config
from cathode.validation.inputs import heaviest, rank_correlation, strange_columns
from cathode.validation.warnings import warnings_of_inputs

CATHODE: dict[str, Any] = {"kind": "cathode", "generator": {"kind": "autoregressive_spline"}}
N = 4000


def events(weights: Any = None, **columns: Any) -> Events:
    rng = np.random.default_rng(1)
    mass = rng.uniform(2000, 5000, N)
    made = {name: each(mass, rng) for name, each in columns.items()}
    return Events.from_arrays({"m": mass, "good": rng.normal(size=N), **made}, "m", weights=weights)


def test_good_columns_are_silent() -> None:
    assert warnings_of_inputs(events(drifts=lambda m, r: r.normal(size=N) + m / 5000), CATHODE) == ()


def test_real_dijets_are_silent() -> None:
    assert (
        warnings_of_inputs(read_events(embedded("dijets"), mass="mjj(FatJet)", features=FEATURE_SETS["dijet"]), CATHODE)
        == ()
    )


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (lambda m, r: m**2, "is the mass in other words (rank correlation +1.000)"),
        (lambda m, r: -m / 1000 + r.normal(size=N) * 0.1, "follows the mass (rank correlation −0.99"),
        (lambda m, r: r.poisson(3, N), "has only"),
        (lambda m, r: np.where(r.random(N) < 0.1, -1, r.normal(size=N)), "has the value -1 in 1"),
    ],
)
def test_bad_columns_are_named(column: Any, said: str) -> None:
    (words,) = warnings_of_inputs(events(bad=column), CATHODE)
    assert "'bad'" in words
    assert said.replace("−", "-") in words


def test_the_line_that_mends_it_is_accepted_and_silences() -> None:
    (words,) = warnings_of_inputs(events(bad=lambda m, r: r.poisson(3, N)), CATHODE)
    found = re.search(r"say `(.*)`", words)
    assert found is not None
    generator = {"kind": "autoregressive_spline", **yaml.safe_load(found[1])}
    assert generator["bijection"]["bijections"][0]["maps"] == {"1": "dequantise"}
    base = "data: {files: a.root}\nregion: {signal: [3300, 3700]}\n"
    config = parse_config(base, overrides={"template.generator": generator})
    config.search()
    assert not warnings_of_inputs(events(bad=lambda m, r: r.poisson(3, N)), {"kind": "cathode", "generator": generator})
    assert not warnings_of_inputs(events(bad=lambda m, r: r.poisson(3, N)), {"kind": "cwola"})


def test_one_event_that_carries_the_weight_is_named() -> None:
    weights = np.ones(N)
    weights[17] = -0.2 * N
    found = heaviest(events(weights))
    assert found is not None
    assert found[0] == 17
    (words,) = warnings_of_inputs(events(weights), CATHODE)
    assert "One event carries 17 % of all weight (entry 17, weight -800)" in words
    assert heaviest(events()) is None


def test_the_correlation_is_that_of_scipy() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 5, 300).astype(float), rng.normal(size=300)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(a, np.ones(300)) == 0
    assert [found.what for found in strange_columns(events()[:100])] == []
