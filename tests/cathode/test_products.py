"""What a finished search leaves beside its result: scores, mass model, arrays behind the figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from cathode.diagnostics import Diagnostics
from cathode.products import DIAGNOSTICS
from cathode.runtime.run_folder import MASS_MODEL, SCORES

from .toys import REGION, toy_events, toy_search


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("products") / "run"
    toy_search(closure=False, folds=2).run(toy_events(6_000, signal=100, seed=8), output=folder)
    return folder


def test_scores_are_those_of_the_figures_and_count_as_the_result_does(run: Path) -> None:
    from cathode.result import SearchResult

    found = Diagnostics.load(run / DIAGNOSTICS)
    with uproot.open(run / SCORES) as file:
        stored = file["Scores"].arrays(library="np")
    asked = stored["region"] >= 0  # Events outside of the range have no score.
    np.testing.assert_allclose(np.sort(stored["score"][asked]), np.sort(found.scores), rtol=1e-6)
    assert np.isnan(stored["score"][~asked]).all()
    result = SearchResult.from_json((run / "result.json").read_text())
    inside = REGION.signal(found.mass)
    assert found.passes[0][inside].sum() == result.primary.observed


def test_features_are_kept_where_they_are_drawn_and_the_curve_is_the_mass_model(run: Path) -> None:
    found = Diagnostics.load(run / DIAGNOSTICS)
    inside = REGION.signal(found.mass)
    assert found.x is not None
    assert np.isfinite(found.x[inside]).all()
    assert np.isnan(found.x[~inside]).all()
    assert (found.curve_density > 0).all()
    assert (run / MASS_MODEL).is_file()
