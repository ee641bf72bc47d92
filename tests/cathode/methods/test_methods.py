"""What every method promises, asked of all of them: the one suite that a new file in `cathode/methods` has to pass."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.events import Events
from analysis.folds import fold_of
from cathode.errors import ConfigError, RunFolderError
from cathode.methods import Method, create, kinds
from cathode.registry import METHODS
from cathode.result import SearchResult
from cathode.runtime.run_folder import RESULT, RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.stages import Stages
from cathode.scoring import Scorer
from cathode.search import Search
from generators.registry import create as create_generator

from ..toys import REGION, Discriminant, TrueGenerator, TrueMass, decisive, toy_events


def gaussian(**training: Any) -> Any:
    """A density that fits the toy in a moment: it is a Gaussian whose mean follows the mass."""
    settings = {"steps": 60, "learning_rate": 3e-2, "batch_size": 1024, "ema_decay": 0.9, **training}
    return create_generator(
        {"kind": "gaussian_mixture", "components": 1, "hidden": 8, "layers": 1, "training": settings}
    )


#: Settings with which a method searches the toy in seconds.
PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "cathode": lambda: {"generator": TrueGenerator(), "classifier": Discriminant()},
    "cwola": lambda: {"classifier": Discriminant()},
    "anode": lambda: {"generator": gaussian(), "oversampling": 1},
}
ALL = pytest.mark.parametrize("kind", list(PARTS))
FOLDS = 3


def search(kind: str, **changes: Any) -> Search:
    usual: dict[str, Any] = {
        "region": REGION,
        "mass_model": TrueMass(),
        "folds": FOLDS,
        "background_efficiencies": (0.02,),
        "workers": 1,
        "seed": 3,
    }
    return Search.of(kind, **{**usual, **PARTS[kind](), **changes})


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(12_000, signal=250, seed=91, truth=True)


@pytest.fixture(scope="module")
def runs(events: Events, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[SearchResult, Path]]:
    found = {}
    for kind in PARTS:
        folder = tmp_path_factory.mktemp(kind) / "run"
        found[kind] = search(kind).run(events, output=folder), folder
    return found


def test_every_method_is_here() -> None:
    assert set(PARTS) == set(kinds())


@ALL
class TestMethod:
    def test_it_is_a_method(self, kind: str) -> None:
        method = search(kind).method
        assert isinstance(method, Method)
        assert method.kind == kind
        assert METHODS.resolve(kind) is type(method)

    def test_an_injected_signal_is_found(self, kind: str, runs: dict[str, tuple[SearchResult, Path]]) -> None:
        result = runs[kind][0]
        assert result.truth is not None
        assert result.truth.auc > 0.85
        cut = result.primary
        assert cut.signal_efficiency is not None
        assert cut.signal_efficiency > 10 * cut.background_efficiency
        assert cut.significance > 3

    def test_no_signal_no_excess(self, kind: str) -> None:
        result = search(kind, seed=5).run(toy_events(12_000, seed=17))
        assert result.primary.significance < 3

    def test_the_same_seed_gives_the_same_result_and_another_one_does_not(
        self, kind: str, events: Events, runs: dict[str, tuple[SearchResult, Path]]
    ) -> None:
        again, other = (search(kind, seed=seed).run(events) for seed in (3, 4))
        assert decisive(again) == decisive(runs[kind][0])
        if kind != "cwola":  # neither its sidebands nor the linear discriminant of this toy are random
            assert other.primary.thresholds != again.primary.thresholds

    def test_a_run_that_lost_its_end_is_continued_to_the_same_result(
        self, kind: str, events: Events, runs: dict[str, tuple[SearchResult, Path]], tmp_path: Path
    ) -> None:
        result, folder = runs[kind]
        before = {p: p.stat().st_mtime_ns for p in folder.rglob("card.json")}
        (folder / RESULT).unlink()
        assert decisive(search(kind).run(events, output=folder)) == decisive(result)
        assert {p: p.stat().st_mtime_ns for p in folder.rglob("card.json")} == before, "something was trained again"

    def test_stored_scores_are_those_of_the_run(
        self, kind: str, events: Events, runs: dict[str, tuple[SearchResult, Path]]
    ) -> None:
        result, folder = runs[kind]
        scored = Scorer.load(folder)(events)
        window = REGION.signal(events.mass)
        assert events.weights[window & scored.passes[0]].sum() == result.primary.observed

    def test_no_event_is_scored_by_a_model_that_saw_its_fold(self, kind: str, events: Events) -> None:
        """Other events of the fold of an event that is changed beyond recognition keep their scores bit for bit."""
        window = np.flatnonzero(REGION.signal(events.mass))
        changed = window[100]
        x = events.x.copy()
        x[changed] += 4.0
        mine = fold_of(events.ids, FOLDS) == fold_of(events.ids[changed : changed + 1], FOLDS)
        mine[changed] = False
        scores = [self.scores(kind, each) for each in (events, dataclasses.replace(events, x=x))]
        inside = np.isin(np.arange(len(events)), window)
        np.testing.assert_array_equal(scores[0][mine & inside], scores[1][mine & inside])
        assert not np.array_equal(scores[0][~mine & inside], scores[1][~mine & inside]), "it was not even used"

    @staticmethod
    def scores(kind: str, events: Events) -> np.ndarray:
        """Scores of all events by a method that has searched the window; nothing of the search is in between."""
        chosen = search(kind)
        observed = chosen.observables.observed(events)
        sideband = events[REGION.sideband(events.mass)]
        mass_model = TrueMass().fit(sideband.mass, REGION, weights=sideband.weights)
        task = chosen._window(observed[REGION.signal(events.mass)], sideband, mass_model, {})
        stages = Stages(Seeds(3), RunFolder(None))
        fitted = chosen.method.fit(task, chosen.method.learn(task.background, stages), stages)
        return np.asarray(fitted.score(observed))

    def test_nothing_planted_in_the_window_changes_what_is_learned_beside_it(
        self, kind: str, events: Events, runs: dict[str, tuple[SearchResult, Path]], tmp_path: Path
    ) -> None:
        x = events.x.copy()
        x[REGION.signal(events.mass)] *= -3.0
        planted = search(kind).run(dataclasses.replace(events, x=x), output=tmp_path / "run")
        result, folder = runs[kind]
        assert planted.closures == result.closures
        assert planted.systematics == result.systematics
        assert planted.primary.thresholds != result.primary.thresholds
        for place in ("template", "validation"):
            stored = [
                {p.relative_to(run): p.read_bytes() for p in sorted((run / place).rglob("*.safetensors"))}
                for run in (folder, tmp_path / "run")
            ]
            assert stored[0] == stored[1]

    def test_the_result_names_the_method_and_its_parts(
        self, kind: str, runs: dict[str, tuple[SearchResult, Path]]
    ) -> None:
        result, folder = runs[kind]
        stored = json.loads((folder / RESULT).read_text(encoding="utf-8"))["method"]
        assert stored["kind"] == result.method["kind"] == kind
        assert set(stored) == {"kind", *(f.name for f in dataclasses.fields(search(kind).method))}  # type: ignore[arg-type]


def test_cwola_makes_no_direct_estimate(runs: dict[str, tuple[SearchResult, Path]]) -> None:
    result = runs["cwola"][0]
    assert result.primary.estimate == "spectrum"
    assert result.primary.reason
    assert result.systematics == {}
    assert any("not a direct estimate" in warning for warning in result.warnings)


def test_a_method_without_classifiers_has_none_to_load(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a finished run of method anode"):
        METHODS.resolve("anode").load(tmp_path, folds=2)


def test_anode_needs_a_density_and_what_was_read() -> None:
    with pytest.raises(ConfigError, match="knows its density"):
        create({"kind": "anode", "generator": TrueGenerator()})


def test_a_sample_that_a_method_needs_is_asked_for_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, events: Events
) -> None:
    monkeypatch.setattr(METHODS.resolve("cwola"), "needs", frozenset({"simulation"}))
    with pytest.raises(ConfigError, match="cwola needs the sample 'simulation'"):
        search("cwola").run(events)
