"""`cathode inject` and `cathode limit`, from files to a limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from analysis.events import Events
from cathode.cli.app import app
from cathode.errors import InjectionError
from cathode.injection.injecting import INJECTIONS, read_injections

from ..toys import ANALYSIS, toy_events


def write(path: Path, events: Events) -> None:
    pq.write_table(pa.table({"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1]}), path)


def cathode(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("injection")
    write(place / "events.parquet", toy_events(5_000, seed=3))
    write(place / "signal.parquet", toy_events(0, signal=1_500, seed=4))
    (place / "analysis.yaml").write_text(ANALYSIS)
    done = cathode(
        "inject",
        place / "analysis.yaml",
        "--signal",
        place / "signal.parquet",
        "-n",
        1_200,
        "-w",
        1,
        "-o",
        place / "out",
    )
    assert done.exit_code == 0, done.output
    return place


def test_more_of_the_signal_passes_than_of_background(folder: Path) -> None:
    none, some = read_injections(folder / "out")
    assert (none.injected, some.injected) == (0, 1_200)
    assert none.inside == 0
    cut = some.cuts[0.2]
    assert cut.passing / some.inside > 0.5
    assert cut.observed > none.cuts[0.2].observed + 0.5 * cut.passing
    assert cut.significance > none.cuts[0.2].significance


def test_a_limit_lies_within_what_was_injected(folder: Path) -> None:
    done = cathode("limit", folder / "out", "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["limits"]
    # Of a single strength nothing weaker is known.
    assert found["smallest"] == 1_200
    assert set(found["expected"]) == {1_200}
    assert found["expected"] == sorted(found["expected"])
    assert "observed" in cathode("limit", folder / "out").output


def test_the_same_call_again_trains_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "out" / INJECTIONS).read_text()
    monkeypatch.setattr("cathode.search.Search.run", None)
    done = cathode(
        "inject",
        folder / "analysis.yaml",
        "--signal",
        folder / "signal.parquet",
        "-n",
        1_200,
        "-w",
        1,
        "-o",
        folder / "out",
    )
    assert done.exit_code == 0, done.output
    assert (folder / "out" / INJECTIONS).read_text() == before


def test_more_than_there_is_and_folders_that_are_none(folder: Path, tmp_path: Path) -> None:
    done = cathode(
        "inject", folder / "analysis.yaml", "--signal", folder / "signal.parquet", "-n", 9_999, "-o", tmp_path / "x"
    )
    assert done.exit_code != 0
    assert not (tmp_path / "x").exists()
    with pytest.raises(InjectionError, match="cathode inject"):
        read_injections(tmp_path)
