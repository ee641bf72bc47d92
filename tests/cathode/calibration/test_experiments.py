"""Pseudo-experiments as tasks: what is kept of a result, and what a folder has to have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from analysis.tasks import Done, Task
from cathode.calibration.experiments import POOL, collected, of_result, prepare, pseudo_data, signed
from cathode.calibration.pseudo_data import FromSimulation
from cathode.errors import CalibrationError
from cathode.result import SearchResult

from ..toys import REGION, toy_events


@pytest.mark.parametrize("z", [-3.0, -0.5, 0.0, 2.0, 7.0])
def test_the_significance_has_a_sign(z: float) -> None:
    assert signed(float(norm.sf(z))) == pytest.approx(z, abs=1e-6)


def test_it_never_leaves_the_numbers() -> None:
    assert signed(0.0) == 38.0
    assert signed(1.0) == -38.0


def test_what_is_kept_of_a_result_comes_back(result: SearchResult, tmp_path: Path) -> None:
    task = Task("a:b", {"number": 7}, "code")
    (found,) = collected([Done(task, of_result(result), tmp_path)])
    assert found.seed == 7
    assert found.observed == {cut.background_efficiency: cut.observed for cut in result.cuts}


def test_a_pool_is_stored_as_it_is_and_experiments_are_drawn_from_it(tmp_path: Path) -> None:
    events = toy_events(200, seed=1)
    assert prepare(tmp_path, events, REGION, source="template", pool=events) == "simulation"
    source = pseudo_data(tmp_path, "simulation", 150.0)
    assert isinstance(source, FromSimulation)
    drawn = source.draw(3)
    np.testing.assert_array_equal(drawn.mass, source.draw(3).mass)
    assert drawn.columns == events.columns
    assert np.isin(drawn.mass, events.mass).all()
    assert abs(len(drawn) - 150) < 6 * 150**0.5


def test_an_unprepared_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="can not be read"):
        pseudo_data(tmp_path, "simulation", 100.0)
    (tmp_path / POOL).write_text("no")
    with pytest.raises(CalibrationError, match="can not be read"):
        pseudo_data(tmp_path, "simulation", 100.0)
