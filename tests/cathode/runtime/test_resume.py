"""An interrupted search goes on where it stood and ends as if nothing had happened."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.atomic import host
from analysis.events import Events
from analysis.io.scores import read_scores
from cathode.diagnostics import Diagnostics
from cathode.errors import ClassifierFolderError, RunFolderError
from cathode.result import SearchResult
from cathode.search import Search
from cathode.template.mass_models import KdeMass
from generators.errors import ArtifactError, CheckpointError
from generators.tabular.base import FeatureDensity
from generators.training import loop

from ..toys import Discriminant, decisive, small_flow_matching, toy_events, toy_search

EPOCHS, FOLDS = 3, 3


class InterruptionError(Exception):
    pass


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(5_000, signal=40, seed=71, truth=True)


def small_search(**changes: Any) -> Search:
    settings = {"generator": small_flow_matching(epochs=EPOCHS), "folds": FOLDS, "background_efficiencies": (0.05,)}
    return toy_search(**{**settings, **changes})


@pytest.fixture(scope="module")
def whole(events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    small_search().run(events, output=folder)
    return folder


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the fits of generators, their epochs, and the fits of classifiers."""
    count: Counter[str] = Counter()

    def counting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            count[name] += 1
            return original(*args, **kwargs)

        return counted

    monkeypatch.setattr(FeatureDensity, "fit", counting("generators", FeatureDensity.fit))
    monkeypatch.setattr(loop, "write_checkpoint", counting("epochs", loop.write_checkpoint))
    monkeypatch.setattr(Discriminant, "fit", counting("classifiers", Discriminant.fit))
    return count


def stop_at(stage: str, call: int) -> Callable[..., None]:
    """A progress callback that raises the `call`-th time that `stage` reports."""
    calls: Counter[str] = Counter()

    def say(name: str, done: float, total: float, note: str = "") -> None:
        calls[name] += 1
        if (name, calls[name]) == (stage, call):
            raise InterruptionError

    return say


def assert_same(folder: Path, whole: Path) -> None:
    """Result, scores, thresholds, template and losses are equal to the last bit."""
    one, other = (SearchResult.read(place / "result.json") for place in (folder, whole))
    assert decisive(one) == decisive(other)
    mine, theirs = (read_scores(place / "scores.root") for place in (folder, whole))
    assert mine.columns.keys() == theirs.columns.keys()
    for name in mine.columns:
        assert np.array_equal(mine.columns[name], theirs.columns[name], equal_nan=True), name
    drawn, expected = (Diagnostics.load(place / "diagnostics.npz") for place in (folder, whole))
    for name in ("scores", "template_x", "template_mass", "template_scores", "template_fold", "curve_density"):
        assert np.array_equal(getattr(drawn, name), getattr(expected, name)), name
    for part in ("template", "validation/generator", *(f"classifiers/fold_{i}" for i in range(FOLDS))):
        weights = [(place / part / "weights.safetensors").read_bytes() for place in (folder, whole)]
        assert weights[0] == weights[1], part


class TestInterruption:
    @pytest.mark.parametrize(
        ("stage", "call", "before", "after"),
        [
            # The generator of the sideband closure test comes second where there is a single worker.
            ("generator", 1, (1, 1, 0), (2, 2 * EPOCHS - 1, 2 * FOLDS)),
            ("generator", EPOCHS, (1, EPOCHS, 0), (2, EPOCHS, 2 * FOLDS)),
            ("validation generator", 1, (2, EPOCHS + 1, 0), (1, EPOCHS - 1, 2 * FOLDS)),
            ("classifier", 1, (2, 2 * EPOCHS, 1), (0, 0, 2 * FOLDS)),
            ("classifier", 2 * FOLDS - 1, (2, 2 * EPOCHS, FOLDS), (0, 0, FOLDS + 1)),
            ("classifier", 2 * FOLDS, (2, 2 * EPOCHS, FOLDS), (0, 0, FOLDS)),
            ("validation", 3, (2, 2 * EPOCHS, FOLDS + 2), (0, 0, FOLDS - 1)),
            ("evaluation", 1, (2, 2 * EPOCHS, 2 * FOLDS), (0, 0, 0)),
            ("evaluation", 2, (2, 2 * EPOCHS, 2 * FOLDS), (0, 0, 0)),
        ],
    )
    def test_in_any_stage_changes_nothing_and_repeats_nothing(
        self,
        events: Events,
        whole: Path,
        work: Counter[str],
        tmp_path: Path,
        stage: str,
        call: int,
        before: tuple[int, int, int],
        after: tuple[int, int, int],
    ) -> None:
        def done() -> tuple[int, int, int]:
            found = work["generators"], work["epochs"], work["classifiers"]
            work.clear()
            return found

        with pytest.raises(InterruptionError):
            small_search().run(events, output=tmp_path / "run", progress=stop_at(stage, call))
        assert done() == before
        assert not (tmp_path / "run" / "result.json").exists()
        small_search().run(events, output=tmp_path / "run")
        assert done() == after
        assert_same(tmp_path / "run", whole)

    def test_finished_search_is_read_and_not_repeated(
        self, events: Events, whole: Path, work: Counter[str], tmp_path: Path
    ) -> None:
        again = small_search().run(events, output=whole)
        assert not work
        small_search().run(events, output=tmp_path)
        assert decisive(again) == decisive(SearchResult.read(tmp_path / "result.json"))

    def test_a_folder_makes_no_difference(self, events: Events, whole: Path) -> None:
        assert decisive(small_search().run(events)) == decisive(SearchResult.read(whole / "result.json"))

    def test_with_a_second_process_too(self, events: Events, whole: Path, tmp_path: Path) -> None:
        """The error ends the helper at once, wherever it is; the next run finds what it had stored."""
        with pytest.raises(InterruptionError):
            small_search(workers=2).run(events, output=tmp_path / "run", progress=stop_at("generator", 2))
        small_search(workers=2).run(events, output=tmp_path / "run")
        assert_same(tmp_path / "run", whole)

    def test_validation_alone_leaves_its_part_to_the_search(
        self, events: Events, whole: Path, work: Counter[str], tmp_path: Path
    ) -> None:
        intervals = small_search().validate(events, output=tmp_path)
        assert (work["generators"], work["classifiers"]) == (1, FOLDS)
        work.clear()
        result = small_search().run(events, output=tmp_path)
        assert (work["generators"], work["classifiers"]) == (1, FOLDS)
        assert result.closures == intervals.closures
        assert_same(tmp_path, whole)


class TestForeignFolder:
    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"seed": 4}, r"seed was 3"),
            ({"folds": 4}, r"folds was 3"),
            ({"oversampling": 5}, r"method\.oversampling was 4"),
            ({"background_efficiencies": (0.1,)}, r"background_efficiencies was \[0\.05\]"),
            ({"mass_model": KdeMass()}, r"mass_model was .*true_mass"),
            ({"classifier": Discriminant(members=2)}, r"classifier was .*'members': 1"),
            ({"generator": small_flow_matching(epochs=EPOCHS, learning_rate=1e-3)}, r"generator was .*flow_matching"),
        ],
    )
    def test_of_another_search_is_refused_and_kept(
        self, events: Events, whole: Path, changes: dict[str, Any], named: str
    ) -> None:
        before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
        with pytest.raises(RunFolderError, match=f"holds another search.*{named}.*Choose another output folder"):
            small_search(**changes).run(events, output=whole)
        assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before

    def test_of_other_events_is_refused(self, whole: Path) -> None:
        with pytest.raises(RunFolderError, match="other events"):
            small_search().run(toy_events(5_000, seed=72), output=whole)

    @pytest.mark.parametrize("name", ["x", "mass", "weights", "ids"])
    def test_one_changed_number_makes_other_events(self, events: Events, name: str) -> None:
        changed = getattr(events, name).copy()
        changed[77] += 1
        other = dataclasses.replace(events, **{name: changed})
        assert small_search().fingerprint(other) != small_search().fingerprint(events)
        assert small_search().fingerprint(dataclasses.replace(events)) == small_search().fingerprint(events)

    def test_number_of_workers_is_no_other_search(self, events: Events) -> None:
        one, two = small_search(workers=1), small_search(workers=2)
        assert one.fingerprint(events) == two.fingerprint(events)

    @pytest.mark.parametrize("content", ["{", "[]", "{}", '{"fingerprint": 1}', "null"])
    def test_with_an_unreadable_identity_is_refused(self, events: Events, tmp_path: Path, content: str) -> None:
        (tmp_path / "search.json").write_text(content)
        with pytest.raises(RunFolderError, match=r"search\.json: unreadable"):
            small_search().run(events, output=tmp_path)


class TestDamage:
    """Every part that is taken over is verified; none is silently made again, none is believed."""

    @pytest.fixture
    def folder(self, events: Events, tmp_path: Path) -> Path:
        with pytest.raises(InterruptionError):
            small_search().run(events, output=tmp_path / "run", progress=stop_at("evaluation", 1))
        return tmp_path / "run"

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("template/weights.safetensors", ArtifactError),
            ("template/card.json", ArtifactError),
            ("validation/generator/weights.safetensors", ArtifactError),
            ("classifiers/fold_1/weights.safetensors", ClassifierFolderError),
            ("classifiers/fold_0/card.json", ClassifierFolderError),
            ("validation/classifiers/fold_2/weights.safetensors", ClassifierFolderError),
        ],
    )
    def test_of_a_finished_part_is_named(self, events: Events, folder: Path, name: str, error: type[Exception]) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(error, match=str(Path(name).parent.name)):
            small_search().run(events, output=folder)

    def test_of_a_training_state_is_named(self, events: Events, tmp_path: Path) -> None:
        with pytest.raises(InterruptionError):
            small_search().run(events, output=tmp_path, progress=stop_at("generator", 1))
        path = tmp_path / "template.checkpoint"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(CheckpointError, match=r"template\.checkpoint"):
            small_search().run(events, output=tmp_path)

    def test_leftovers_of_a_kill_are_swept_away(self, events: Events, whole: Path, folder: Path) -> None:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        mine, alive = f"{host()}-{dead.pid}", f"{host()}-{os.getpid()}"
        leftovers = [f".result.{mine}-abcd1234.json", f"classifiers/.fold_0.{mine}-a_b_c_d1/card.json"]
        kept = [".mine", f".x.{alive}-abcd1234.json", ".x.elsewhere-1-abcd1234.json", ".notes-abcd1234.txt"]
        for name in leftovers + kept:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("half")
        (folder / "template.checkpoint").write_text("already superseded by template")
        small_search().run(events, output=folder)
        assert not any((folder / name).exists() for name in leftovers)
        assert not (folder / leftovers[1]).parent.exists()
        assert not (folder / "template.checkpoint").exists()
        assert all((folder / name).exists() for name in kept)
        assert_same(folder, whole)


@pytest.mark.parametrize("kills", [9, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_folder_is_readable_and_the_search_goes_on(tmp_path: Path, kills: int) -> None:
    """SIGKILL after random times, in processes of their own; see `killing`."""
    script = Path(__file__).parents[1] / "killing.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(kills)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    attempts = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(attempts) == kills + 1
    assert [attempt["wrong"] for attempt in attempts] == [[]] * (kills + 1)
    # The kills came at different moments, and some of them in the middle.
    assert sum(not attempt["finished"] for attempt in attempts) >= 2
    assert_same(tmp_path / "killed", tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob(".*"))
