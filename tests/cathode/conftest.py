"""Fixtures of the search layer."""

import dataclasses

import pytest

from analysis.events import SourceFile
from cathode.result import (
    Closure,
    Counts,
    CutResult,
    MassModelSummary,
    RegionSummary,
    ReweightingSummary,
    Sculpting,
    SearchResult,
    Training,
    TruthEvaluation,
)


@pytest.fixture
def cut() -> CutResult:
    return CutResult(
        background_efficiency=1e-2,
        observed=612.0,
        expected=1 / 3 + 480.0,
        statistical=11.2,
        systematic=14.4,
        p_value_exact=1.1e-9,
        p_value=3.3e-7,
        significance=4.97,
        thresholds=(0.71, 0.72, 0.1 + 0.2),
        template_passing=1920,
        template_total=192_000,
    )


@pytest.fixture
def result(cut: CutResult) -> SearchResult:
    """A result with something in every field."""
    tight = dataclasses.replace(
        cut, background_efficiency=1e-3, observed=91.0, significance=3.2, signal_efficiency=0.41, template_passing=192
    )
    truth = TruthEvaluation(770, 58_000, 0.91, 0.004, 14.2, 0.9, 0.002, {1e-2: (8.1, 0.2), 1e-3: (13.3, 0.8)})
    return SearchResult(
        region=RegionSummary(3300.0, 3700.0, 2300.0, 5000.0),
        columns=("mj_light", "delta_mj"),
        counts=Counts(475_863, 58_770, 300_000, 117_093, 235_080),
        mass_model=MassModelSummary(
            "dijet_fit", {"p1": 9.1, "p2": -0.3}, 31.0, 28, 0.3, (2400.0, 6000.0), 58_100.0, 240.0, 58_770.0
        ),
        cuts=(cut, tight),
        closures=(
            Closure(3100.0, 3300.0, 0.501, 0.004, 20_000, 80_000, True),
            Closure(3700.0, 3900.0, 0.503, 0.005, 15_000, 60_000, True),
        ),
        sculpting=(Sculpting(1e-2, 29.1, 30.0, 0.51, True),),
        systematics={1e-2: 0.03, 1e-3: 0.1},
        trainings=(Training("template", 2, (1.5, 1.4), (1.6, 1.45), (2,), 3.25),),
        reweightings=(
            ReweightingSummary(
                "template", 0.55, 0.003, 0.502, 0.004, 1e-3, 800_000, 7e5, 8.5, 12, 235_080, 2_400_000, 2, ("Beware.",)
            ),
            ReweightingSummary(
                "validation", 0.56, 0.004, 0.5, 0.005, 2e-3, 600_000, 5e5, 9.5, 13, 140_000, 1_300_000, 3
            ),
        ),
        truth=dataclasses.replace(truth, idealised=truth),
        warnings=("Only 12 template events pass the tightest cut.",),
        inputs=(SourceFile("qcd.root", "Events", 10, 9, "uuid", "00ff"),),
        versions={"torch": "2.13.0"},
        config={"region": {"signal": [3300.0, 3700.0]}},
        seed=7,
        seconds={"read": 1.25},
        fingerprint="abc",
    )
