"""The order of rows, files and chunks decides nothing: events are put in the order of their identity first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from analysis.events import Events
from analysis.io.ntuples import read_events
from cathode.classifiers import BoostedTrees
from cathode.search import Search
from generators.registry import create

from .toys import REGION, decisive, toy_events


def search(**changes: Any) -> Search:
    """Everything that is trained, is trained: a flow, trees, the fit of the masses."""
    training = {"steps": 20, "batch_size": 1024}
    flow = create({"kind": "autoregressive_spline", "hidden": 16, "layers": 1, "bins": 4, "training": training})
    usual: dict[str, Any] = {
        "region": REGION,
        "generator": flow,
        "classifier": BoostedTrees(members=2, max_iter=10),
        "oversampling": 2,
        "folds": 2,
        "closure_members": 2,
        "background_efficiencies": (0.05,),
        "workers": 1,
    }
    return Search.of("cathode", **{**usual, **changes})


@pytest.fixture(scope="module")
def events() -> Events:
    rng = np.random.default_rng(3)
    return toy_events(9_000, signal=60, seed=13, truth=True, weights=rng.uniform(0.5, 1.5, 9_060))


@pytest.fixture(scope="module")
def found(events: Events) -> dict[str, Any]:
    return decisive(search().run(events))


def test_rows(events: Events, found: dict[str, Any], tmp_path: Path) -> None:
    shuffled = events[np.random.default_rng(5).permutation(len(events))]
    assert search().fingerprint(shuffled) == search().fingerprint(events)
    assert decisive(search().run(shuffled, output=tmp_path / "run")) == found
    # Scores go back to the rows that they belong to.
    stored = uproot.open(tmp_path / "run" / "scores.root")["Scores"].arrays(library="np")
    at = np.argsort(shuffled.entry)
    region = np.where(REGION.signal(shuffled.mass), 1, np.where(REGION.sideband(shuffled.mass), 0, -1))
    chosen = stored["region"][: len(at)] >= 0
    np.testing.assert_array_equal(stored["region"][chosen], region[at][chosen])
    np.testing.assert_array_equal(stored["mass"][chosen], shuffled.mass[at][chosen])


def test_workers(events: Events, found: dict[str, Any]) -> None:
    assert decisive(search(workers=2).run(events)) == found


ELSEWHERE = """
import json, sys
sys.path.insert(0, sys.argv[1])

def found(workers):
    import numpy as np
    from toys import REGION, decisive, toy_events
    from cathode.classifiers import BoostedTrees
    from cathode.search import Search
    from generators.registry import create
    training = {"steps": 20, "batch_size": 1024}
    flow = create({"kind": "autoregressive_spline", "hidden": 16, "layers": 1, "bins": 4, "training": training})
    weights = np.random.default_rng(3).uniform(0.5, 1.5, 9_060)
    search = Search.of(region=REGION, generator=flow, classifier=BoostedTrees(members=2, max_iter=10), oversampling=2,
                       folds=2, closure_members=2, background_efficiencies=(0.05,), workers=workers)
    return decisive(search.run(toy_events(9_000, signal=60, seed=13, truth=True, weights=weights)))

if sys.argv[2] == "nested":
    import joblib
    def nested(path):
        sys.path.insert(0, path)
        return found(2)
    (result,) = joblib.Parallel(n_jobs=2)([joblib.delayed(nested)(sys.argv[1])])
else:
    result = found(int(sys.argv[2]))
print(json.dumps(result))
"""


@pytest.mark.parametrize(
    ("threads", "workers"), [pytest.param("1", "1", marks=pytest.mark.slow), ("2", "2"), ("2", "nested")]
)
def test_threads_and_who_works_for_whom(found: dict[str, Any], threads: str, workers: str) -> None:
    """The number is given before anything is imported, as a batch system does it."""
    command = [sys.executable, "-c", ELSEWHERE, str(Path(__file__).parent), workers]
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == found


def test_files_and_chunks(events: Events, tmp_path: Path) -> None:
    parts = np.array_split(np.random.default_rng(6).permutation(len(events)), 3)
    for number, rows in enumerate(parts):
        branches = {"run": "u4", "luminosityBlock": "u4", "event": "u8", "m": "f8", "a": "f4", "b": "f4", "w": "f8"}
        with uproot.recreate(tmp_path / f"{number}.root") as file:
            run, block, event = events.ids[rows].T
            first, second, _ = events.x[rows].T
            columns = [
                run.astype("u4"),
                block.astype("u4"),
                event,
                events.mass[rows],
                first,
                second,
                events.weights[rows],
            ]
            tree = file.mktree("Events", branches)
            for piece in np.array_split(np.arange(len(rows)), 4):
                tree.extend({name: values[piece] for name, values in zip(branches, columns, strict=True)})
    results = []
    for order, memory in (((0, 1, 2), "200 MB"), ((2, 0, 1), "1 MB")):
        files = [tmp_path / f"{number}.root" for number in order]
        read = read_events(files, mass="m", features={"a": "a", "b": "b"}, weight="w", memory=memory)
        result = decisive(search().run(read))
        assert {source["path"] for source in result.pop("inputs")} == {str(file) for file in files}
        results.append(result)
    assert results[0] == results[1]


def test_equal_identities_come_by_what_else_they_are() -> None:
    events = toy_events(50, seed=3)
    ids = np.ones((50, 3), np.uint64)
    alike = Events(events.x, events.mass, events.columns, ids=ids)
    shuffled = alike[np.random.default_rng(4).permutation(50)].in_order()
    np.testing.assert_array_equal(shuffled.x, alike.in_order().x)
    assert (np.diff(shuffled.mass) >= 0).all()
