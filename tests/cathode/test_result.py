import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cathode.errors import ResultError
from cathode.result import CutResult, SearchResult


def test_json_round_trip_is_exact(result: SearchResult) -> None:
    assert SearchResult.from_json(result.to_json()) == result


def test_write_and_read_are_inverse(result: SearchResult, tmp_path: Path) -> None:
    result.write(tmp_path / "result.json")
    assert SearchResult.read(tmp_path / "result.json") == result


def test_non_finite_numbers_survive_without_leaving_the_json_standard(result: SearchResult) -> None:
    result = replace(result, systematics={1e-2: math.nan, 1e-3: math.inf})
    text = result.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    back = SearchResult.from_json(text)
    assert math.isnan(back.systematics[1e-2])
    assert back.systematics[1e-3] == math.inf


def test_numpy_scalars_are_written_as_numbers(result: SearchResult, cut: CutResult) -> None:
    numpy_cut = replace(cut, background_efficiency=np.float64(1e-2), observed=np.float32(3.0))
    result = replace(result, seed=np.int64(7), cuts=(numpy_cut,), systematics={np.float32(0.5): 0.1})
    assert SearchResult.from_json(result.to_json()).cuts[0].observed == 3.0


def test_a_result_from_before_there_was_reweighting_is_read(result: SearchResult) -> None:
    body = json.loads(result.to_json())
    del body["reweightings"]
    assert SearchResult.from_json(json.dumps(body)) == replace(result, reweightings=())


@pytest.mark.parametrize("version", [0, 4, "1", None])
def test_another_schema_version_is_refused_by_number(result: SearchResult, version: object) -> None:
    body = json.loads(result.to_json())
    body["schema_version"] = version
    with pytest.raises(ResultError, match=f"schema version {version!r}"):
        SearchResult.from_json(json.dumps(body))


def test_missing_field_is_named(result: SearchResult, tmp_path: Path) -> None:
    body = json.loads(result.to_json())
    del body["cuts"][1]["expected"]
    (tmp_path / "result.json").write_text(json.dumps(body))
    with pytest.raises(ResultError, match=r"result\.json.*cuts\.1\.expected"):
        SearchResult.read(tmp_path / "result.json")


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(ResultError):
        SearchResult.from_json(text)


def test_primary_is_the_first_listed_not_the_most_significant(result: SearchResult, cut: CutResult) -> None:
    strong = replace(cut, background_efficiency=1e-3, significance=6.0)
    assert replace(result, cuts=(cut, strong)).primary == cut


def test_verdict_names_counts_errors_and_warnings(result: SearchResult) -> None:
    text = str(result)
    assert "612 observed, 480.3 ± 11.2 (stat) ± 14.4 (sys) expected" in text
    assert "5.0 σ" in text
    assert "Warning: Only 12 template events" in text


def test_what_follows_from_the_numbers_is_written_for_other_readers_too(result: SearchResult) -> None:
    body = json.loads(result.to_json())
    assert body["validation"] == result.validation == "passed"
    assert [cut["exact_usable"] for cut in body["cuts"]] == [True, True]
    assert body["cuts"][0]["effective_efficiency"] == 0.01


def test_no_significance_is_printed_as_a_claim_without_validation(result: SearchResult) -> None:
    text = str(replace(result, closures=()))
    assert "local significance (5.0 σ)" in text
    assert "No significance is claimed: validation was not made." in text
    assert "No significance is claimed" not in str(result)


def test_errors_add_in_quadrature(cut: CutResult) -> None:
    assert replace(cut, statistical=3.0, systematic=4.0).uncertainty == 5.0


def test_one_strip_that_does_not_close_is_a_failed_validation(result: SearchResult) -> None:
    assert result.validated
    assert not replace(result, closures=(*result.closures, replace(result.closures[0], passed=False))).validated


def test_a_result_of_before_its_fields_had_their_names_is_read(result: SearchResult) -> None:
    body = json.loads(result.to_json())
    assert body["schema_version"] == 3
    assert body["reweightings"]
    for reweighting in body["reweightings"]:
        reweighting["unreached"] = reweighting.pop("outside_support")
        reweighting["exhausted"] = reweighting.pop("unaccepted")
    assert SearchResult.from_json(json.dumps(body | {"schema_version": 1})) == result
    with pytest.raises(ResultError, match=r"field 'reweightings.0"):
        SearchResult.from_json(json.dumps(body))
    later = json.loads(result.to_json())
    assert SearchResult.from_json(json.dumps(later | {"schema_version": 2})) == result
    with pytest.raises(ResultError, match="reweightings"):
        SearchResult.from_json(json.dumps(body | {"schema_version": 1, "reweightings": [3]}))
