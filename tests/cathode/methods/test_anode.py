"""ANODE: its score is the logarithm of a ratio of densities, held out by fold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.folds import fold_of
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.anode import Anode, DensityRatio
from cathode.observables import AsRead
from generators.registry import create

from ..toys import TrueGenerator, toy_events


class Density:
    """A density that is known."""

    def __init__(self, log: float) -> None:
        self.log = log

    def log_prob(self, x: Any, context: Any) -> Any:
        return np.where(x[:, 0] > 1e6, -np.inf, self.log + np.asarray(x)[:, 0])


def test_each_fold_is_asked_of_the_density_that_has_not_seen_it() -> None:
    events = toy_events(300, seed=1)
    ratio = DensityRatio(Density(-1.0), (Density(1.0), Density(2.0)))
    scores = ratio.score(AsRead().observed(events))
    np.testing.assert_allclose(scores, 2.0 + fold_of(events.ids, 2), rtol=1e-5)


def test_far_outside_of_both_an_event_is_like_background() -> None:
    ratio = DensityRatio(Density(-1.0), (Density(1.0),))
    x, mass = np.full((1, 3), 1e7), np.full(1, 3500.0)
    assert ratio.log_ratio(x, mass, np.zeros(1, int)).tolist() == [0.0]
    blind = DensityRatio(Density(-np.inf), (Density(1.0),))
    assert np.isfinite(blind.log_ratio(np.zeros((1, 3)), mass, np.zeros(1, int))).all()


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="knows its density"):
        Anode(generator=TrueGenerator())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="oversampling = 0"):
        Anode(generator=create({"kind": "gaussian_mixture"}), oversampling=0)
    with pytest.raises(RunFolderError, match="template"):
        Anode.load(tmp_path, folds=2)
