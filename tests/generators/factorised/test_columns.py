"""Feature vectors in two parts: the contract of generators, and densities that are known in closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

import generators
from generators.errors import ExportError, HyperparameterError, NotFittedError, ShapeError
from generators.export.onnx import export_sampler
from generators.protocols import DensityGenerator
from generators.registry import create
from tests.generators.contracts import EventContract, gaussian_events, quick
from tests.generators.test_sources import stored

_TRAINING = {"steps": 300, "batch_size": 128, "learning_rate": 2e-2}
_NORMAL = {"kind": "gaussian_mixture", "components": 1, "hidden": 32, "bijection": "standardise", "training": _TRAINING}
_SAMPLER = {"kind": "gan", "hidden": 8, "layers": 1, "training": {"steps": 20, "batch_size": 64}}

TWO_DENSITIES: dict[str, Any] = {"kind": "factorised", "columns": [1], "first": _NORMAL, "second": _NORMAL}
CHAIN: dict[str, Any] = {**TWO_DENSITIES, "columns": [0], "second": {**TWO_DENSITIES, "columns": [0]}}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return CHAIN


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*angled(3_000, seed=10), seed=1)


@pytest.fixture(scope="module")
def pair() -> Any:
    return quick(TWO_DENSITIES).fit(*gaussian_events(1_000, seed=10), seed=1)


def angled(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Three features given energy, angle and class: two of a normal that the context shifts, and one that they make."""
    rng = np.random.default_rng(seed)
    c = np.stack([np.exp(rng.uniform(0, 5, n)), rng.uniform(0.3, 2.8, n), rng.integers(0, 3, n)], axis=1)
    mean = np.stack([np.log(c[:, 0]), 2 * np.cos(c[:, 1]) + c[:, 2], np.zeros(n)], axis=1)
    x = rng.multivariate_normal(np.zeros(3), COVARIANCE, n)
    return x + mean, c


COVARIANCE = np.array([[0.5, 0.3, -0.2], [0.3, 1.0, 0.4], [-0.2, 0.4, 0.8]])


class TestContextOfSeveralColumns(EventContract):
    """Energy, angle and class, and a chain of three."""

    fitted_on = 3_000
    events = staticmethod(angled)

    def test_every_column_counts(self, fitted: Any) -> None:
        """The mean of each feature at contexts that differ in one column only."""
        for one, other, feature, moved in (
            ([3.0, 1.5, 1], [60.0, 1.5, 1], 0, np.log(20)),
            ([12.0, 0.5, 1], [12.0, 2.5, 1], 1, 2 * (np.cos(2.5) - np.cos(0.5))),
            ([12.0, 1.5, 0], [12.0, 1.5, 2], 1, 2.0),
        ):
            at = [fitted.sample(np.tile(c, (2_000, 1)), seed=3).mean(axis=0)[feature] for c in (one, other)]
            assert at[1] - at[0] == pytest.approx(moved, abs=0.4)

    def test_correlations_are_those_of_the_truth(self, fitted: Any) -> None:
        drawn = fitted.sample(np.tile([12.0, 1.5, 1], (4_000, 1)), seed=4)
        assert np.cov(drawn.T) == pytest.approx(COVARIANCE, abs=0.15)

    def test_density_is_nearly_the_true_one(self, fitted: Any) -> None:
        x, c = angled(2_000, seed=20)
        mean = np.stack([np.log(c[:, 0]), 2 * np.cos(c[:, 1]) + c[:, 2], np.zeros(len(c))], axis=1)
        true = multivariate_normal(np.zeros(3), COVARIANCE).logpdf(x - mean)
        assert 0 <= (true - fitted.log_prob(x, c)).mean() < 0.2


def test_density_is_the_product_of_its_parts(pair: Any) -> None:
    x, c = gaussian_events(200, seed=11)
    first, second = pair.part("first"), pair.part("second")
    rest = np.delete(x, 1, axis=1)
    found = first.log_prob(x[:, [1]], c) + second.log_prob(rest, np.concatenate([c, x[:, [1]]], axis=1))
    assert np.allclose(pair.log_prob(x, c), found, rtol=0, atol=1e-9)


def test_knows_a_density_if_both_parts_do() -> None:
    assert isinstance(create(TWO_DENSITIES), DensityGenerator)
    assert isinstance(create({**CHAIN, "second": {**CHAIN["second"], "second": _NORMAL}}), DensityGenerator)
    for part in ("first", "second"):
        assert not isinstance(create({**TWO_DENSITIES, part: _SAMPLER}), DensityGenerator)


def test_a_sampler_is_a_part_too(tmp_path: Path) -> None:
    x, c = gaussian_events(300, seed=12)
    made = quick({**TWO_DENSITIES, "second": _SAMPLER}).fit(x, c, seed=1)
    again = generators.load(generators.save(made, tmp_path / "model"))
    assert np.array_equal(again.sample(c, seed=2), made.sample(c, seed=2))


def test_export_is_refused_by_name_and_its_parts_are_exported(pair: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"'factorised'.*part\('first'\)"):
        export_sampler(pair, tmp_path / "sampler.onnx")
    assert export_sampler(pair.part("first"), tmp_path / "first.onnx").exists()


@pytest.mark.parametrize("columns", [[], [0, 0], [-1], [True], ["x"]])
def test_columns_that_are_none_are_refused(columns: list[Any]) -> None:
    with pytest.raises(HyperparameterError, match="columns = "):
        create({**TWO_DENSITIES, "columns": columns})


def test_parts_that_are_no_generators_are_refused() -> None:
    with pytest.raises(HyperparameterError, match=r"second of factorised: .*no generator"):
        create({**TWO_DENSITIES, "second": {"kind": "standardise"}})


def test_wrong_events_are_named(pair: Any) -> None:
    x, c = gaussian_events(300, seed=13)
    with pytest.raises(ShapeError, match=r"columns \[1\] and at least one other"):
        quick(TWO_DENSITIES).fit(x[:, :1], c, seed=1)
    with pytest.raises(ShapeError, match=r"must be \(events, 1\)"):
        pair.sample(np.concatenate([c, c], axis=1), seed=1)
    with pytest.raises(ShapeError, match="fitted with"):
        pair.log_prob(x[:, :1], c)
    with pytest.raises(NotFittedError):
        quick(TWO_DENSITIES).part("first")
    with pytest.raises(HyperparameterError, match="no part"):
        pair.part("third")


@pytest.mark.parametrize("kind", ["numpy", "memory map", "hdf5"])
def test_parts_learn_from_rows_of_a_file_what_they_learn_from_the_array(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    c = rng.uniform(1, 2, (600, 1))
    x = (c + rng.standard_normal((600, 4))).astype(np.float32)
    weights = np.where(np.arange(600) % 5, 1.0, 0.0)
    one = {"kind": "gaussian_mixture", "components": 2, "hidden": 4, "training": {"steps": 5, "batch_size": 64}}
    made = {"kind": "factorised", "columns": [2, 0], "first": one, "second": one}
    inside = create(made).fit(x, c, weights=weights, seed=1)
    outside = create(made).fit(stored(kind, x, tmp_path), c, weights=weights, seed=1)
    drawn, same = (each.sample(c, seed=3) for each in (inside, outside))
    np.testing.assert_allclose(drawn, same, atol=1e-6)
    assert outside.data_hash_ == inside.data_hash_
