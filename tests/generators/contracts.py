"""The identities that every bijection, every generator and every density must satisfy.

A new implementation is reviewed by adding its specification to one of the tuples below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

import generators
from generators.artifact import read_card
from generators.errors import (
    CheckpointError,
    ConstantFeatureError,
    NonFiniteInputError,
    NotFittedError,
    ShapeError,
    TooFewRowsError,
    WeightError,
)
from generators.protocols import ConditionalGenerator, DensityGenerator, Progress
from generators.registry import create

BIJECTIONS: tuple[dict[str, Any], ...] = (
    {"kind": "standardise"},
    {"kind": "logit"},
    {"kind": "logit", "epsilon": 1e-2},
    {"kind": "quantile_normal"},
    {"kind": "quantile_normal", "knots": 5},
    {"kind": "chain", "bijections": ["logit", "standardise"]},
    {"kind": "chain", "bijections": ["standardise", {"kind": "quantile_normal", "knots": 20}, "logit"]},
)


#: Small models that learn `gaussian_events` in seconds; the physics of each is tested at its real size elsewhere.
DENSITIES: tuple[dict[str, Any], ...] = (
    {
        "kind": "maf",
        "bijection": "quantile_normal",
        "blocks": 3,
        "hidden": 24,
        "training": {"epochs": 8, "batch_size": 128, "learning_rate": 3e-3, "schedule": "one_cycle", "best_states": 2},
    },
    {
        "kind": "autoregressive_spline",
        "blocks": 2,
        "hidden": 16,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": None},
    },
    {
        "kind": "coupling_spline",
        "blocks": 4,
        "hidden": 16,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": None},
    },
    {
        "kind": "affine_coupling",
        "blocks": 4,
        "hidden": 16,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": None},
    },
    {
        "kind": "iaf",
        "blocks": 2,
        "hidden": 16,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": None},
    },
)


def name_of(specification: dict[str, Any]) -> str:
    """Readable test identifier."""
    return "-".join(str(v) for v in specification.values() if isinstance(v, str | int | float))


def column(family: str, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One feature of a family that has broken somebody's preprocessing before; never constant for n ≥ 2."""
    x = {
        "normal": lambda: rng.standard_normal(n),
        "lognormal": lambda: np.exp(2 * rng.standard_normal(n)),
        "bounded": lambda: rng.beta(0.3, 3.0, n),
        "integers": lambda: rng.integers(0, 5, n).astype(float),
        "atom": lambda: np.where(rng.random(n) < 0.6, 0.0, rng.random(n)),
        "outlier": lambda: np.where(np.arange(n) == n - 1, 1e6, rng.standard_normal(n)),
    }[family]()
    x[0], x[-1] = x[0], x[-1] if x[-1] != x[0] else x[0] + 1
    return x


FAMILIES = ("normal", "lognormal", "bounded", "integers", "atom", "outlier")


@st.composite
def samples(draw: st.DrawFn) -> Tensor:
    """Training rows (N, D) in double precision, of any family, scale and offset per column."""
    n, d = draw(st.integers(2, 300)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = []
    for _ in range(d):
        scale = 10.0 ** draw(st.integers(-6, 6))
        columns.append(
            column(draw(st.sampled_from(FAMILIES)), n, rng) * scale + draw(st.sampled_from([0, 1, -3])) * scale
        )
    return torch.as_tensor(np.stack(columns, axis=1))


def typical(n: int = 400, d: int = 3, seed: int = 0) -> Tensor:
    """Correlated rows with a skewed and a bounded column."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    x[:, 0] = np.exp(x[:, 0] / 2)
    if d > 1:
        x[:, 1] = 0.5 * x[:, 0] + rng.random(n)
    return torch.as_tensor(x)


def derivative(bijection: Any, x: Tensor) -> Tensor:
    """dz/dx of every entry of an elementwise map, by autograd."""
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(bijection.forward(x)[0].sum(), x)
    return slope


def log_det_by_autograd(function: Any, rows: Tensor) -> Tensor:
    """log|det| of the full Jacobian of every row."""
    jacobians = [torch.autograd.functional.jacobian(lambda r: function(r[None])[0], row) for row in rows]
    return torch.linalg.slogdet(torch.stack(jacobians)).logabsdet


class BijectionContract:
    """Mix-in: a test class that parametrises `specification` inherits all of it."""

    def test_inverse_undoes_forward_where_the_map_was_never_trained(self, specification: dict[str, Any]) -> None:
        x = typical()
        bijection = create(specification).fit(x)
        z = torch.linspace(-12, 12, 501, dtype=torch.float64)[:, None].expand(-1, 3)
        back, _ = bijection.forward(bijection.inverse(z))
        assert torch.allclose(back, z, rtol=1e-8, atol=1e-8)

    def test_single_precision_throughout_is_enough(self, specification: dict[str, Any]) -> None:
        x = typical()
        bijection = create(specification).fit(x).float()
        z, log_det = bijection.forward(x.float())
        assert z.dtype == log_det.dtype == torch.float32
        assert torch.allclose(bijection.inverse(z), x.float(), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("d", [1, 2, 3, 4])
    def test_log_determinant_is_that_of_autograd(self, specification: dict[str, Any], d: int) -> None:
        x = typical(d=d)
        bijection = create(specification).fit(x)
        # Rows of the training sample, its extremes, between and outside of them.
        rows = torch.cat([x[:8], x.amin(0)[None] - 0.3, x.amax(0)[None] + 0.3, x[:4] + 0.01])
        _, log_det = bijection.forward(rows)
        expected = log_det_by_autograd(lambda r: bijection.forward(r)[0], rows)
        assert torch.allclose(log_det, expected, rtol=0, atol=1e-8)

    def test_forward_and_inverse_log_determinants_cancel(self, specification: dict[str, Any]) -> None:
        x = typical()
        bijection = create(specification).fit(x)
        z, log_det = bijection.forward(x[:12])
        assert torch.allclose(log_det + log_det_by_autograd(bijection.inverse, z), torch.zeros(12).double(), atol=1e-7)

    @pytest.mark.parametrize("d", [1, 2])
    def test_normal_density_pulled_back_integrates_to_one(self, specification: dict[str, Any], d: int) -> None:
        bijection = create(specification).fit(typical(d=d))
        # The grid is laid where the density lives, the integral is over x.
        z = torch.linspace(-8, 8, 20001 if d == 1 else 1001, dtype=torch.float64)
        axes = bijection.inverse(z[:, None].expand(-1, d)).unbind(1)
        rows = torch.cartesian_prod(*axes).reshape(-1, d)
        at, log_det = bijection.forward(rows)
        density = (log_det - 0.5 * (at**2).sum(1) - 0.5 * d * math.log(2 * math.pi)).exp().reshape([len(z)] * d)
        for axis in reversed(axes):
            density = torch.trapezoid(density, axis, dim=-1)
        assert float(density) == pytest.approx(1, abs=1e-3)

    def test_saved_and_loaded_is_the_same_map(self, specification: dict[str, Any]) -> None:
        from safetensors.torch import load, save

        x = typical()
        bijection = create(specification).fit(x)
        stored = {key: value.contiguous() for key, value in bijection.state_dict().items()}
        again = create(bijection.specification())
        again.load_state_dict(load(save(stored)))
        for one, other in zip(bijection.forward(x), again.forward(x), strict=True):
            assert torch.equal(one, other)
        z = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)).double()
        assert torch.equal(bijection.inverse(z), again.inverse(z))
        assert again.features == 3

    def test_order_of_rows_does_not_matter(self, specification: dict[str, Any]) -> None:
        x = typical()
        w = torch.rand(len(x), generator=torch.Generator().manual_seed(2)).double()
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
        one, other = create(specification).fit(x, w), create(specification).fit(x[order], w[order])
        assert torch.allclose(one.forward(x)[0], other.forward(x)[0], rtol=1e-12, atol=1e-12)

    def test_weights_count_rows(self, specification: dict[str, Any]) -> None:
        x = typical()
        w = torch.randint(0, 4, (len(x),), generator=torch.Generator().manual_seed(4))
        one, other = create(specification).fit(x, 0.37 * w), create(specification).fit(x.repeat_interleave(w, dim=0))
        for a, b in zip(one.forward(x), other.forward(x), strict=True):
            assert torch.allclose(a, b, rtol=1e-10, atol=1e-10)
        unweighted = create(specification).fit(x[w > 0])
        if "logit" not in specification.values():  # a range does not know how often
            assert not torch.allclose(one.forward(x)[0], unweighted.forward(x)[0], atol=1e-6)

    def test_negative_weights_leave_a_monotone_finite_map(self, specification: dict[str, Any]) -> None:
        x = typical()
        w = torch.where(torch.rand(len(x), generator=torch.Generator().manual_seed(5)) < 0.25, -1.0, 1.0)
        bijection = create(specification).fit(x, w)
        z, log_det = bijection.forward(x.sort(dim=0).values)
        assert (z.diff(dim=0) >= 0).all()
        assert torch.isfinite(log_det).all()

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_non_finite_input_is_refused_by_name_and_changes_nothing(
        self, specification: dict[str, Any], bad: float
    ) -> None:
        x = typical()
        bijection = create(specification).fit(x)
        before = {key: value.clone() for key, value in bijection.state_dict().items()}
        spoilt = typical(seed=9)
        spoilt[[5, 7], 1] = bad
        with pytest.raises(NonFiniteInputError, match=r"x, column 1: 2 of 400 "):
            bijection.fit(spoilt)
        weights = torch.ones(400)
        weights[3] = bad
        with pytest.raises(NonFiniteInputError, match=r"weights, column 0: 1 of 400 "):
            bijection.fit(typical(seed=9), weights)
        assert all(torch.equal(before[key], value) for key, value in bijection.state_dict().items())

    def test_one_bad_row_harms_no_other(self, specification: dict[str, Any]) -> None:
        x = typical()
        bijection = create(specification).fit(x)
        spoilt = x.clone()
        spoilt[4, 1] = math.nan
        z, _ = bijection.forward(spoilt)
        assert torch.isnan(z[4, 1])
        rest = torch.arange(len(x)) != 4
        assert torch.equal(z[rest], bijection.forward(x)[0][rest])

    def test_single_valued_feature_is_named(self, specification: dict[str, Any]) -> None:
        x = typical()
        x[:, 2] = 7
        with pytest.raises(ConstantFeatureError, match=r"column 2.* 7"):
            create(specification).fit(x)
        x[0, 2], w = 8, torch.ones(len(x))
        w[0] = 0
        with pytest.raises(ConstantFeatureError, match="column 2"):
            create(specification).fit(x, w)

    def test_unusable_calls_are_named(self, specification: dict[str, Any]) -> None:
        x = typical()
        with pytest.raises(NotFittedError):
            create(specification).forward(x)
        bijection = create(specification).fit(x)
        with pytest.raises(ShapeError, match=r"\(N, 3\)"):
            bijection.forward(x[:, :2])
        with pytest.raises(ShapeError, match=r"\(N, 3\)"):
            bijection.inverse(x[0])
        with pytest.raises(ShapeError, match="weights"):
            bijection.fit(x, torch.ones(len(x) - 1))
        with pytest.raises(WeightError, match="-400"):
            bijection.fit(x, -torch.ones(len(x)))

    def test_no_rows_are_fine(self, specification: dict[str, Any]) -> None:
        bijection = create(specification).fit(typical())
        z, log_det = bijection.forward(torch.empty(0, 3))
        assert z.shape == bijection.inverse(z).shape == (0, 3)
        assert log_det.shape == (0,)


def gaussian_events(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two correlated normal features whose mean, width and correlation change with the context in [2, 4]."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(2, 4, (n, 1))
    first = 2 * c[:, 0] + 0.5 * rng.standard_normal(n)
    second = -first + _width(c) * rng.standard_normal(n)
    return np.stack([first, second], axis=1), c


def _width(c: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.4 * c[:, 0] - 0.4


def gaussian_log_prob(x: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
    """The true density of `gaussian_events`."""
    first, second, width = (x[:, 0] - 2 * c[:, 0]) / 0.5, (x[:, 1] + x[:, 0]) / _width(c), 0.5 * _width(c)
    return np.asarray(-0.5 * (first**2 + second**2) - np.log(2 * np.pi * width))


def quick(specification: dict[str, Any], **changes: Any) -> Any:
    """The same kind of generator with a training of a moment."""
    return create(_shortened(specification, changes))


def _shortened(specification: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The specification, and those of the generators inside of it, with a training of a moment."""
    inner = {
        name: _shortened(value, changes)
        for name, value in specification.items()
        if isinstance(value, dict) and "training" in value
    }
    if "training" not in specification:  # that of an ensemble is that of its members
        return {**specification, **inner}
    training = {**specification["training"], "epochs": None, "steps": 12, "best_states": 1, **changes}
    return {**specification, **inner, "training": training}


class EventContract:
    """Mix-in with fixtures `specification` and `fitted`: what every generator must satisfy, whatever its events are.

    `events(n, seed)` gives x (n, *shape) and context; `fitted` was fitted on `fitted_on` of them with seed 10.
    """

    shape: tuple[int, ...]
    fitted_on: int
    events: Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]

    def test_is_a_generator_of_events(self, fitted: Any) -> None:
        assert isinstance(fitted, ConditionalGenerator)
        assert fitted.event_shape == self.shape

    def test_seed_decides_and_nothing_else(self, fitted: Any) -> None:
        c = self.events(50, seed=21)[1]
        torch.manual_seed(1)
        one, before = fitted.sample(c, seed=3), torch.get_rng_state()
        torch.manual_seed(2)
        assert np.array_equal(one, fitted.sample(c, seed=3))
        assert not np.array_equal(one, fitted.sample(c, seed=4))
        torch.manual_seed(1)
        assert torch.equal(before, torch.get_rng_state())

    def test_no_rows_are_fine(self, fitted: Any) -> None:
        c = self.events(1, seed=1)[1]
        assert fitted.sample(c[:0], seed=1).shape == (0, *self.shape)

    def test_saved_and_loaded_is_the_same_bit_for_bit(self, fitted: Any, tmp_path: Path) -> None:
        _, c = self.events(200, seed=12)
        again = generators.load(generators.save(fitted, tmp_path / "model"))
        assert np.array_equal(again.sample(c, seed=1), fitted.sample(c, seed=1))
        assert again.hyperparameters() == fitted.hyperparameters()
        assert again.validation_losses_ == fitted.validation_losses_
        assert again.seed_ == fitted.seed_

    def test_unfitted_says_so(self, specification: dict[str, Any]) -> None:
        unfitted = create(specification)
        for call in (
            lambda: unfitted.sample(self.events(1, seed=1)[1], seed=1),
            lambda: unfitted.state(),
        ):
            with pytest.raises(NotFittedError):
                call()

    def test_rows_without_weight_do_not_exist(self, specification: dict[str, Any]) -> None:
        x, c = self.events(600, seed=17)
        w = np.random.default_rng(18).uniform(0.5, 2, 600)
        wild = np.full((40, *self.shape), 1e7)
        rows = np.random.default_rng(19).permutation(640)
        more = [np.concatenate(pair) for pair in ((x, wild), (c, np.full((40, c.shape[1]), -99.0)), (w, np.zeros(40)))]
        kept = rows[rows < 600]
        one = quick(specification).fit(x[kept], c[kept], weights=w[kept], seed=1).state()
        two = quick(specification).fit(more[0][rows], more[1][rows], weights=more[2][rows], seed=1).state()
        assert all(torch.equal(one[key], two[key]) for key in one)

    def test_card_records_the_data(self, fitted: Any, tmp_path: Path) -> None:
        card = read_card(generators.save(fitted, tmp_path / "model"))
        assert card.data_hash == generators.fingerprint(*self.events(self.fitted_on, seed=10), None)
        assert generators.load(tmp_path / "model").data_hash_ == card.data_hash

    def test_same_seed_same_model_other_seed_another(self, specification: dict[str, Any]) -> None:
        x, c = self.events(600, seed=14)
        one, two, other = (quick(specification).fit(x, c, seed=seed).state() for seed in (1, 1, 2))
        assert all(torch.equal(one[key], two[key]) for key in one)
        assert any(not torch.equal(one[key], other[key]) for key in one if "network." in key)

    def test_interrupted_and_resumed_is_uninterrupted(self, specification: dict[str, Any], tmp_path: Path) -> None:
        x, c = self.events(600, seed=16)
        training = {"epochs": 4, "steps": None, "batch_size": 128}
        every: list[int] = []
        whole = quick(specification, **training).fit(
            x, c, seed=1, monitor=lambda progress: every.append(progress.epoch)
        )

        def stop(progress: Progress) -> None:
            if progress.epoch == 2:
                raise InterruptedError

        path = tmp_path / "training.safetensors"
        resumed = quick(specification, **training)
        with pytest.raises(InterruptedError):
            resumed.fit(x, c, seed=1, monitor=stop, checkpoint=path)
        epochs: list[int] = []
        resumed.fit(x, c, seed=1, monitor=lambda progress: epochs.append(progress.epoch), checkpoint=path)
        assert epochs == every[2:]
        assert len(every) >= 4
        one, two = whole.state(), resumed.state()
        assert all(torch.equal(one[key], two[key]) for key in one)
        with pytest.raises(CheckpointError):
            quick(specification, **training).fit(x, c, seed=2, checkpoint=path)


class GeneratorContract(EventContract):
    """Mix-in: a test class with fixtures `specification` and `fitted` (on 6,000 `gaussian_events`) inherits it all.

    Nothing here asks for a density.
    """

    shape = (2,)
    fitted_on = 6_000
    events = staticmethod(gaussian_events)

    def test_samples_follow_the_context(self, fitted: Any) -> None:
        for at in (2.2, 3.0, 3.8):
            c = np.full((4_000, 1), at)
            drawn = fitted.sample(c, seed=5)
            total = drawn.sum(axis=1)
            assert drawn[:, 0].mean() == pytest.approx(2 * at, abs=0.1)
            assert drawn[:, 0].std() == pytest.approx(0.5, abs=0.1)
            assert total.mean() == pytest.approx(0, abs=0.1)
            assert total.std() == pytest.approx(_width(c)[0], rel=0.15)

    def test_one_row_of_context_one_event(self, fitted: Any) -> None:
        c = np.linspace(2, 4, 3_001)[:, None]
        drawn = fitted.sample(c, seed=7)
        assert drawn.shape == (3_001, 2)
        assert np.corrcoef(drawn[:, 0], c[:, 0])[0, 1] > 0.85
        shuffled = np.random.default_rng(0).permutation(3_001)
        assert np.corrcoef(fitted.sample(c[shuffled], seed=7)[:, 0], c[shuffled, 0])[0, 1] > 0.85

    def test_wrong_input_is_named_and_changes_nothing(self, specification: dict[str, Any], fitted: Any) -> None:
        x, c = gaussian_events(300, seed=13)
        before = {key: value.clone() for key, value in fitted.state().items()}
        for name, index in (("x, column 1", 0), ("context, column 0", 1), ("weights", 2)):
            for bad in (math.nan, math.inf):
                arrays = [x.copy(), c.copy(), np.ones(300)]
                arrays[index].reshape(300, -1)[[17, 18], -1] = bad
                with pytest.raises(NonFiniteInputError, match=rf"{name}.*: 2 of 300"):
                    fitted.fit(arrays[0], arrays[1], weights=arrays[2], seed=1)
        for arguments in ((x, c[:-1], None), (x, c[:, 0], None), (x[:, 0], c, None), (x, c, np.ones(299))):
            with pytest.raises(ShapeError):
                fitted.fit(arguments[0], arguments[1], weights=arguments[2], seed=1)
        with pytest.raises(ConstantFeatureError, match="column 1"):
            fitted.fit(np.stack([x[:, 0], np.ones(300)], axis=1), c, seed=1)
        with pytest.raises(TooFewRowsError):
            fitted.fit(x[:5], c[:5], seed=1)
        assert all(torch.equal(before[key], value) for key, value in fitted.state().items())
        with pytest.raises(NonFiniteInputError, match="context"):
            fitted.sample(np.array([[math.nan]]), seed=1)
        with pytest.raises(ShapeError, match="context"):
            fitted.sample(np.ones((3, 2)), seed=1)

    def test_weights_count_events(self, specification: dict[str, Any]) -> None:
        """Two populations of equal number, one with three times the weight, are drawn three to one."""
        rng = np.random.default_rng(20)
        heavy = rng.random(5_000) < 0.5
        x = rng.standard_normal((5_000, 2))
        x[:, 0] += np.where(heavy, 3, -3)
        c = rng.uniform(2, 4, (5_000, 1))
        fitted = quick(specification, steps=150, batch_size=256, learning_rate=5e-3)
        fitted.fit(x, c, weights=np.where(heavy, 3.0, 1.0), seed=2)
        share = (fitted.sample(rng.uniform(2, 4, (4_000, 1)), seed=1)[:, 0] > 0).mean()
        assert share == pytest.approx(0.75, abs=0.06)

    @pytest.mark.parametrize(("features", "context"), [(1, 1), (1, 0), (3, 0), (3, 2), (5, 4)])
    def test_any_number_of_features_and_contexts(
        self, specification: dict[str, Any], features: int, context: int
    ) -> None:
        rng = np.random.default_rng(15)
        x, c = rng.standard_normal((200, features)), rng.standard_normal((200, context))
        fitted = quick(specification, steps=3).fit(x, c, seed=1)
        drawn = fitted.sample(c, seed=1)
        assert drawn.shape == x.shape
        assert np.isfinite(drawn).all()


class DensityContract(GeneratorContract):
    """The same mix-in for generators that know their density."""

    def test_is_a_density_generator(self, fitted: Any) -> None:
        assert isinstance(fitted, DensityGenerator)

    @pytest.mark.parametrize("at", [2.2, 3.0])
    def test_density_integrates_to_one(self, fitted: Any, at: float) -> None:
        first = np.linspace(2 * at - 4, 2 * at + 4, 71)
        second = np.linspace(-2 * at - 6, -2 * at + 6, 71)
        rows = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
        density = np.exp(fitted.log_prob(rows, np.full((len(rows), 1), at))).reshape(71, 71)
        assert np.trapezoid(np.trapezoid(density, second, axis=1), first) == pytest.approx(1, abs=0.02)

    def test_log_prob_is_that_of_the_truth(self, fitted: Any) -> None:
        x, c = gaussian_events(2_000, seed=11)
        lost = gaussian_log_prob(x, c) - fitted.log_prob(x, c)
        assert -0.01 < lost.mean() < 0.08

    def test_samples_and_density_are_of_one_distribution(self, fitted: Any) -> None:
        """Mean log p over own samples equals minus the entropy found by integrating p log p: no truth is needed."""
        c = np.full((3_000, 1), 3.0)
        own = fitted.log_prob(fitted.sample(c, seed=6).astype(float), c)
        first, second = np.linspace(3, 9, 61), np.linspace(-11, -1, 61)
        rows = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
        log_p = fitted.log_prob(rows, np.full((len(rows), 1), 3.0))
        entropy = -(np.exp(log_p) * log_p).sum() * (first[1] - first[0]) * (second[1] - second[0])
        assert own.mean() == pytest.approx(-entropy, abs=4 * own.std() / np.sqrt(len(own)) + 0.02)

    def test_events_far_outside_have_finite_density(self, fitted: Any) -> None:
        far = np.array([[-1e3, 0.0], [1e4, -1e4], [0.0, 30.0]])
        log_p = fitted.log_prob(far, np.full((3, 1), 3.0))
        assert np.isfinite(log_p).all()
        assert (log_p < -20).all()

    def test_density_of_no_rows_is_fine(self, fitted: Any) -> None:
        assert fitted.log_prob(np.empty((0, 2)), np.empty((0, 1))).shape == (0,)

    def test_density_after_loading_is_the_same_bit_for_bit(self, fitted: Any, tmp_path: Path) -> None:
        x, c = gaussian_events(200, seed=12)
        again = generators.load(generators.save(fitted, tmp_path / "model"))
        assert np.array_equal(again.log_prob(x, c), fitted.log_prob(x, c))

    def test_density_of_wrong_input_is_refused(self, specification: dict[str, Any], fitted: Any) -> None:
        x, c = gaussian_events(300, seed=13)
        with pytest.raises(ShapeError):
            fitted.log_prob(x[:, :1], c)
        with pytest.raises(ShapeError):
            fitted.log_prob(x, c[:-1])
        with pytest.raises(NotFittedError):
            create(specification).log_prob(np.ones((1, 2)), np.ones((1, 1)))

    @pytest.mark.parametrize(("features", "context"), [(1, 1), (1, 0), (3, 0), (3, 2), (5, 4)])
    def test_density_counts_every_feature_once(
        self, specification: dict[str, Any], features: int, context: int
    ) -> None:
        rng = np.random.default_rng(15)
        x, c = rng.standard_normal((200, features)), rng.standard_normal((200, context))
        log_p = quick(specification, steps=3).fit(x, c, seed=1).log_prob(x, c)
        assert np.isfinite(log_p).all()
        # A column that is ignored, or counted twice, would show in the mean of almost normal densities.
        assert log_p.mean() == pytest.approx(-1.42 * features, rel=0.5)
