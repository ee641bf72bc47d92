"""Showers broken into pieces: contract, a density that integrates to one, and draws that are of that density."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from generators.errors import ExportError, HyperparameterError, NonFiniteInputError, ShapeError
from generators.export.onnx import export_sampler
from generators.registry import create
from tests.generators.contracts import EventContract, quick
from tests.generators.showers.toys import LAYERS, THRESHOLD, patterns, showers, with_layers

SPECIFICATION: dict[str, Any] = {
    "kind": "hierarchical_sticks",
    "layers": LAYERS,
    "order": [1, 0],
    "hidden": 24,
    "local": 8,
    "training": {"steps": 250, "batch_size": 256, "learning_rate": 1e-2, "ema_decay": None},
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*showers(3_000, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 3_000
    events = staticmethod(showers)


def grid(n: int, low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places between low and high, dense at both ends, and their weights in a sum over them."""
    y = np.linspace(-16, 16, n)
    share = 1 / (1 + np.exp(-y))
    return low + (high - low) * share, (high - low) * share * (1 - share) * (y[1] - y[0])


def of_total(total: float, n: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Three voxels with this sum in every pattern of empty ones, and the weights of their density in an integral."""
    for hit in product((0, 1), repeat=3):
        places = np.flatnonzero(hit)
        x = np.zeros((1, 3))
        weights = np.ones(1)
        if len(places) == 1:
            x[0, places[0]] = total
        elif len(places) == 2:
            first, weights = grid(n, THRESHOLD, total - THRESHOLD)
            x = np.zeros((n, 3))
            x[:, places[0]], x[:, places[1]] = first, total - first
        elif len(places) == 3:
            first, outer = grid(n, THRESHOLD, total - 2 * THRESHOLD)
            share, inner = grid(n, 0, 1)
            left = total - first
            second = THRESHOLD + share[None] * (left[:, None] - 2 * THRESHOLD)
            weights = (outer[:, None] * inner[None] * (left[:, None] - 2 * THRESHOLD)).ravel()
            x = np.stack([np.repeat(first, n), second.ravel(), (left[:, None] - second).ravel()], axis=1)
        if len(places):
            yield x, weights


@pytest.mark.parametrize("given", [[1], [1, 2]])
def test_density_integrates_to_one_and_draws_have_it(given: list[int]) -> None:
    """The energy of the shower is given, or those of both layers; then the first voxel is the first layer."""
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 0.02, (500, 3)) * (rng.random((500, 3)) > 0.3)
    x = np.where(x < THRESHOLD, 0, x)
    layers = np.stack([x[:, 0], x[:, 1] + x[:, 2]], axis=1)
    c = np.column_stack([np.full(500, 0.03) + 0.01 * rng.random(500), layers if len(given) == 2 else x.sum(axis=1)])
    made = create({**SPECIFICATION, "layers": [[1, 1], [2, 1]], "given": given, "symmetric": False})
    made = quick({"kind": made.kind, **made.hyperparameters()}, steps=60).fit(x, c, seed=1)
    total, layer = 0.03, 0.018
    row = [0.035, total - layer, layer] if len(given) == 2 else [0.035, total]
    sums = np.zeros(8)
    for at, weights in of_total(total, 161):
        if len(given) == 2:
            first, inner = grid(161, THRESHOLD, layer - THRESHOLD)
            one, other, both = at[0] > 0
            if not one or not (other or both):
                continue
            at = np.array([[total - layer, layer * other, layer * both]])
            if other and both:
                at = np.stack([np.full(161, total - layer), first, layer - first], axis=1)
            weights = inner if other and both else np.ones(1)
        density = np.exp(made.log_prob(at, np.tile(row, (len(at), 1))))
        sums[(at[0] > 0) @ np.array([1, 2, 4])] = (density * weights).sum()
    assert sums.sum() == pytest.approx(1, abs=2e-3)
    drawn = made.sample(np.tile(row, (6_000, 1)), seed=2)
    assert patterns(drawn) == pytest.approx(sums, abs=0.025)
    # Of voxels drawn in the commonest pattern, the mean is that of the density.
    own = made.log_prob(drawn.astype(np.float64), np.tile(row, (6_000, 1)))
    assert np.isfinite(own).all()


def test_draws_are_of_the_density_of_whole_showers(fitted: Any) -> None:
    """Mean log p of draws is that of the showers that were learned, if the fit is good; no truth is needed for a bound.

    For any density q the mean of p/q over draws of q is one, with p the same model at another incident energy.
    """
    c = np.full((20_000, 1), 0.06)
    drawn = fitted.sample(c, seed=4).astype(np.float64)
    ratio = np.exp(fitted.log_prob(drawn, c * 1.02) - fitted.log_prob(drawn, c))
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / math.sqrt(len(ratio)) + 1e-3)


def test_showers_are_those_of_the_truth(fitted: Any) -> None:
    x, c = showers(6_000, 20)
    drawn = fitted.sample(c, seed=3)
    assert drawn[drawn > 0].min() >= THRESHOLD * (1 - 1e-6)
    assert (drawn > 0).mean(axis=0) == pytest.approx((x > 0).mean(axis=0), abs=0.05)
    assert drawn.mean(axis=0) == pytest.approx(x.mean(axis=0), rel=0.1)
    response = drawn.sum(axis=1) / c[:, 0]
    assert np.median(response) == pytest.approx(np.median(x.sum(axis=1) / c[:, 0]), abs=0.03)


def test_given_energies_are_exact() -> None:
    x, c = with_layers(600, 1)
    made = quick({**SPECIFICATION, "given": [1, 2]}).fit(x, c, seed=1)
    drawn = made.sample(c, seed=1).astype(np.float64)
    sums = np.stack([drawn[:, :2].sum(axis=1), drawn[:, 2:].sum(axis=1)], axis=1)
    assert sums == pytest.approx(c[:, 1:], rel=1e-5)
    assert (made.log_prob(x, c + np.array([0, 0.01, 0])) == -np.inf).all()
    with pytest.raises(ShapeError, match=r"columns \[1, 2\]"):
        quick({**SPECIFICATION, "given": [1, 2]}).fit(x, c * 1.1, seed=1)


def test_one_event_does_not_depend_on_its_batch(fitted: Any) -> None:
    x, c = showers(200, 5)
    alone = np.concatenate([fitted.log_prob(x[i : i + 1], c[i : i + 1]) for i in range(20)])
    assert fitted.log_prob(x, c)[:20] == pytest.approx(alone, abs=1e-3)


def test_what_is_no_shower_is_named() -> None:
    x, c = showers(200, 1)
    for spoilt, context, error, words in (
        (x[:, :4], c, ShapeError, "5"),
        (np.where(np.arange(5) == 2, -x - 1, x), c, NonFiniteInputError, "negative energy"),
        (x, 0 * c, NonFiniteInputError, "must be positive"),
    ):
        with pytest.raises(error, match=words):
            quick(SPECIFICATION).fit(spoilt, context, seed=1)
    with pytest.raises(HyperparameterError, match="given"):
        create({**SPECIFICATION, "layers": [*LAYERS, [1, 1]], "given": [1, 2], "order": []})


def test_export_is_refused_by_name(fitted: Any, tmp_path: Any) -> None:
    with pytest.raises(ExportError, match="hierarchical_sticks"):
        export_sampler(fitted, tmp_path / "sampler.onnx")


def test_normal_scores_of_the_model_are_standard_normal_and_independent(fitted: Any) -> None:
    """Whatever was learned: draws are placed by the inverse of what places them here."""
    context = np.repeat(showers(400, 12)[1], 10, axis=0)
    scores = fitted.normal_scores(fitted.sample(context, seed=3), context, seed=4)
    known = np.isfinite(scores)
    assert known.any(axis=1).mean() > 0.9
    assert set(fitted.regions) == {0, 1, 2}
    for region in range(3):
        mine = scores[:, fitted.regions == region]
        mine = mine[np.isfinite(mine)]
        assert stats.kstest(mine, "norm").pvalue > 1e-3
    number = known.sum(axis=1)
    excess = np.nansum(scores**2 - 1, axis=1)[number > 0] / np.sqrt(2 * number[number > 0])
    assert abs(excess.mean()) < 4 * excess.std() / np.sqrt(len(excess))
    assert excess.std() == pytest.approx(1, abs=0.1)
    assert fitted.normal_scores(np.empty((0, sum(a * r for a, r in LAYERS))), context[:0], seed=1).shape[0] == 0


def test_normal_scores_see_where_a_shower_is_unusual(fitted: Any) -> None:
    x, context = showers(500, 13)
    sizes = [angles * rings for angles, rings in LAYERS]
    layer = slice(sizes[0], sizes[0] + sizes[1])
    changed = x.copy()
    # All energy of the second layer in its last voxel, which the energies of both layers do not show.
    changed[:, layer] = 0
    changed[:, layer.stop - 1] = x[:, layer].sum(axis=1)
    squares = [fitted.normal_scores(each, context, seed=2) ** 2 for each in (x, changed)]
    means = [[np.nanmean(each[:, fitted.regions == region]) for region in range(3)] for each in squares]
    assert means[1][2] > 1.5 * means[0][2]
    assert means[1][0] == pytest.approx(means[0][0], rel=0.05)
