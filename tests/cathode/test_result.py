import dataclasses
import json
import math

import numpy as np
import pytest

from analysis.events import SourceFile
from cathode.errors import ResultError
from cathode.result import (
    Closure,
    Counts,
    CutResult,
    MassModelSummary,
    RegionSummary,
    Sculpting,
    SearchResult,
    Training,
    TruthEvaluation,
)


def cut(efficiency: float, **changes: object) -> CutResult:
    values: dict[str, object] = {
        "background_efficiency": efficiency,
        "observed": 612.0,
        "expected": 1 / 3 + 480.0,
        "statistical": 11.2,
        "systematic": 14.4,
        "p_value_exact": 1.1e-9,
        "p_value": 3.3e-7,
        "significance": 4.97,
        "thresholds": (0.71, 0.72, 0.1 + 0.2),
        "template_passing": 1920,
        "template_total": 192_000,
    }
    return CutResult(**(values | changes))  # type: ignore[arg-type]


def full_result(**changes: object) -> SearchResult:
    truth = TruthEvaluation(770, 58_000, 0.91, 0.004, 14.2, 0.9, 0.002, {1e-2: (8.1, 0.2), 1e-3: (13.3, 0.8)})
    values: dict[str, object] = {
        "region": RegionSummary(3300.0, 3700.0, 2300.0, 5000.0),
        "columns": ("mj_light", "delta_mj"),
        "counts": Counts(475_863, 58_770, 300_000, 117_093, 235_080),
        "mass_model": MassModelSummary(
            "dijet_fit", {"p1": 9.1, "p2": -0.3}, 31.0, 28, 0.3, (2400.0, 6000.0), 58_100.0, 240.0, 58_770.0
        ),
        "cuts": (cut(1e-2), cut(1e-3, signal_efficiency=0.41)),
        "closures": (Closure(3200.0, 3300.0, 0.501, 0.004, 20_000, 80_000, True),),
        "sculpting": (Sculpting(1e-2, 29.1, 30.0, 0.51, True),),
        "systematics": {1e-2: 0.03, 1e-3: 0.1},
        "trainings": (Training("template", 2, (1.5, 1.4), (1.6, 1.45), (2,), 3.25),),
        "truth": dataclasses.replace(truth, idealised=truth),
        "warnings": ("The template does not close below the signal region.",),
        "inputs": (SourceFile("qcd.root", "Events", 10, 9, "uuid", "00ff"),),
        "versions": {"torch": "2.13.0"},
        "config": {"region": {"signal": [3300.0, 3700.0]}},
        "seed": 7,
        "seconds": {"read": 1.25},
        "fingerprint": "abc",
    }
    return SearchResult(**(values | changes))  # type: ignore[arg-type]


def test_json_round_trip_is_exact() -> None:
    result = full_result()
    assert SearchResult.from_json(result.to_json()) == result


def test_write_and_read_are_inverse(tmp_path) -> None:
    full_result().write(tmp_path / "result.json")
    assert SearchResult.read(tmp_path / "result.json") == full_result()


def test_non_finite_numbers_survive_without_leaving_the_json_standard() -> None:
    result = full_result(systematics={1e-2: math.nan, 1e-3: math.inf})
    text = result.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    back = SearchResult.from_json(text)
    assert math.isnan(back.systematics[1e-2])
    assert back.systematics[1e-3] == math.inf


def test_numpy_scalars_are_written_as_numbers() -> None:
    result = full_result(seed=np.int64(7), cuts=(cut(np.float64(1e-2), observed=np.float32(3.0)),))
    assert SearchResult.from_json(result.to_json()).cuts[0].observed == 3.0


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused_by_number(version) -> None:
    body = json.loads(full_result().to_json())
    body["schema_version"] = version
    with pytest.raises(ResultError, match=f"schema version {version!r}"):
        SearchResult.from_json(json.dumps(body))


def test_missing_field_is_named(tmp_path) -> None:
    body = json.loads(full_result().to_json())
    del body["cuts"][1]["expected"]
    (tmp_path / "result.json").write_text(json.dumps(body))
    with pytest.raises(ResultError, match=r"result\.json.*cuts\.1\.expected"):
        SearchResult.read(tmp_path / "result.json")


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_what_is_no_result_is_refused(text) -> None:
    with pytest.raises(ResultError):
        SearchResult.from_json(text)


def test_primary_is_the_first_listed_not_the_most_significant() -> None:
    result = full_result(cuts=(cut(1e-2, significance=1.0), cut(1e-3, significance=6.0)))
    assert result.primary.background_efficiency == 1e-2


def test_verdict_names_counts_errors_and_warnings() -> None:
    text = str(full_result())
    assert "612 observed, 480.3 ± 11.2 (stat) ± 14.4 (sys) expected" in text
    assert "5.0 σ" in text
    assert "Warning: The template does not close" in text


def test_errors_add_in_quadrature() -> None:
    assert cut(1e-2, statistical=3.0, systematic=4.0).uncertainty == 5.0
