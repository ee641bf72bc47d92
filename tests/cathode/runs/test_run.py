"""A run that is opened has what the search left, and its parts give the numbers of its result again."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

import cathode
from analysis.errors import AnalysisError
from analysis.events import Events
from cathode.classifiers.boosted_trees import BoostedTrees
from cathode.errors import RunFolderError
from cathode.region import Region
from cathode.runs.run import Run, open_run
from cathode.search import Search
from cathode.testing.toy import toy_events
from generators import create


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Events]:
    events = toy_events(6000, seed=3)
    folder = tmp_path_factory.mktemp("runs") / "one"
    search = Search(
        region=Region(3300, 3700),
        generator=create("gaussian_mixture", components=2, training={"steps": 30}),
        classifier=BoostedTrees(members=1, max_iter=5, jobs=1),
        folds=2,
        background_efficiencies=(0.1,),
        closure=False,
        workers=1,
    )
    search.run(events, output=folder)
    return open_run(folder), events


def test_events_and_template_count_what_the_result_says(made: tuple[Run, Events]) -> None:
    run, events = made
    found = run.events()
    window = (found["mass"] >= 3300) & (found["mass"] < 3700)
    assert found["passes_0p1"][window].sum() == run.result.primary.observed
    assert len(found["mass"]) == len(events)
    template = run.template("awkward")
    assert len(template) == run.result.counts.template
    assert set(events.columns) < set(ak.fields(template))
    assert list(run.template("pandas").columns) == ak.fields(template)
    with pytest.raises(AnalysisError, match="numpy, awkward or pandas"):
        run.template("root")  # type: ignore[arg-type]


def test_scores_and_models_are_those_of_the_run(made: tuple[Run, Events]) -> None:
    run, events = made
    stored = run.scores()
    again = run.score(events)
    assert np.array_equal(stored["score"], again["score"])
    assert len(run.classifiers) == 2
    assert run.mass_model.expected().events == pytest.approx(run.result.mass_model.expected)
    drawn = run.draw(50, seed=1)
    assert drawn.x.shape == (50, len(events.columns))
    assert ((drawn.mass >= 3300) & (drawn.mass < 3700)).all()


def test_it_is_shown_in_a_line_and_in_a_table(made: tuple[Run, Events]) -> None:
    run, _ = made
    assert repr(run).startswith("<Run '")
    assert len(repr(run.result)) < 250
    assert "<td>0.1</td>" in run._repr_html_()
    assert "<th>Warnings</th>" in run.result._repr_html_()


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no finished run"):
        open_run(tmp_path)


def test_the_package_shows_its_names_and_version() -> None:
    assert cathode.__version__.count(".") >= 2
    assert dir(cathode) == sorted([*cathode.__all__, "__version__"])
    assert "open_run" in dir(cathode)
