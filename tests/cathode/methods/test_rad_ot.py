"""Where the density is moved along by the mass, paths of optimal transport are exact."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from analysis.errors import TooFewEventsError
from analysis.events import Events
from cathode.errors import ConfigError
from cathode.methods.rad_ot import Paths, RadOt
from cathode.template.drawing import FOLDS, folds_of, folds_of_origins

from ..toys import COLUMNS, REGION, Discriminant, background_features, toy_events
from .asking import stages, task

SLOPE = np.array([1.2, -0.7, 0.4])


def at(noise: np.ndarray, mass: float) -> Events:
    """The same events at another mass: mean and width are linear in it."""
    share = (mass - 3000) / 1000
    return Events(x=(1 + 0.4 * share) * noise + share * SLOPE, mass=np.full(len(noise), mass), columns=COLUMNS)


def test_paths_are_exact_on_a_linear_drift() -> None:
    noise = np.random.default_rng(1).standard_normal((300, 3))
    order = np.random.default_rng(2).permutation(300)
    paths = Paths.matched(at(noise, 3000.0), at(noise[order], 4000.0))
    for mass in (3000.0, 3250.0, 3500.0, 4000.0):
        assert np.allclose(paths.at(np.arange(300), np.full(300, mass)), at(noise, mass).x, atol=1e-5)


def test_matching_is_the_best_of_all() -> None:
    rng = np.random.default_rng(3)
    low, high = (Events(x=rng.standard_normal((5, 2)), mass=np.full(5, m), columns=("a", "b")) for m in (1.0, 2.0))
    from itertools import permutations

    scale = np.concatenate([low.x, high.x]).std(axis=0)
    cost = min(float(np.square((low.x - high.x[list(p)]) / scale).sum()) for p in permutations(range(5)))
    paths = Paths.matched(low, high)
    found = float(np.square((paths.x[0] - paths.x[1]) / scale).sum())
    assert found == pytest.approx(cost, rel=1e-5)


def test_template_of_the_toy_has_the_means_and_widths_of_the_truth() -> None:
    asked = task(toy_events(20_000, seed=1))
    template = RadOt(classifier=Discriminant(), batch=500).template(
        asked, RadOt().learn(asked.background, stages()), stages()
    )
    truth = background_features(template.mass, np.random.default_rng(1))
    assert np.allclose(template.x.mean(axis=0), truth.mean(axis=0), atol=0.06)
    assert np.allclose(np.cov(template.x.T), np.cov(truth.T), atol=0.1)
    assert template.origin is not None
    assert len(template.origin) == len(template) == round(4 * len(asked.target))


def test_both_ends_of_a_path_are_in_the_fold_of_its_origin() -> None:
    asked = task(toy_events(20_000, seed=1))
    sideband, seed = asked.background.events, stages().seed(FOLDS)
    place = np.argsort(np.argsort(sideband.mass, kind="stable"), kind="stable")
    fold = folds_of_origins(place, asked.folds, seed=seed)
    # Between two events of one fold, on a straight line, there is nothing but that fold.
    marked = dataclasses.replace(sideband, x=np.column_stack([fold, sideband.x[:, 1:]]).astype(np.float32))
    known = dataclasses.replace(asked, background=dataclasses.replace(asked.background, events=marked))
    template = RadOt(batch=200).template(known, RadOt().learn(known.background, stages()), stages())
    assert np.array_equal(template.x[:, 0], folds_of(template, asked.folds, seed=seed))
    assert set(template.x[:, 0]) == set(range(asked.folds))


def test_says_what_is_missing() -> None:
    asked = task(toy_events(3000, seed=1))
    below = asked.background.events[REGION.lower(asked.background.events.mass)]
    only = dataclasses.replace(asked, background=dataclasses.replace(asked.background, events=below))
    with pytest.raises(TooFewEventsError, match="0 above 3300"):
        RadOt().template(only, RadOt().learn(only.background, stages()), stages())
    for wrong in ({"batch": 1}, {"oversampling": 0.0}, {"reach": 1.0}):
        with pytest.raises(ConfigError):
            RadOt(**wrong)
