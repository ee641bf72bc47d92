"""Mean and covariance that follow the context, taken out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from generators.bijections.base import SmoothBijection
from generators.bijections.chain import Chain
from generators.bijections.smooth import least_squares, polynomials
from generators.bijections.whiten import Whiten
from generators.errors import HyperparameterError, MissingContextError, ShapeError
from generators.registry import create

from .contracts import BijectionContract, log_det_by_autograd, samples

HERE = 3.3


@dataclass(eq=False, repr=False)
class AtOneContext(SmoothBijection):
    """Whitening fitted along a context that follows the features, applied at one value of it: a plain bijection."""

    kind: ClassVar[str] = "at_one_context"
    learned: ClassVar[tuple[str, ...]] = ("columns",)

    whiten: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.inner: nn.Module = Whiten(**self.whiten)

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        self.inner.fit(x, weights, 3 + torch.tanh(x[:, :1]))
        return {"columns": torch.zeros(x.shape[1]).double()}

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.inner.forward(x, x.new_full((len(x), 1), HERE))

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        return self.inner.inverse(z, z.new_full((len(z), 1), HERE))


SPECIFICATIONS = (
    {"kind": "at_one_context"},
    {"kind": "at_one_context", "whiten": {"order": 0}},
    {"kind": "at_one_context", "whiten": {"order": 4}},
)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    from generators import registry

    monkeypatch.setitem(registry.BIJECTIONS._known, "at_one_context", AtOneContext)


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=lambda s: f"order-{s.get('whiten', {}).get('order', 2)}")
class TestContract(BijectionContract):
    def test_negative_weights_leave_a_monotone_finite_map(self, specification: dict[str, Any]) -> None:
        """Columns are mixed, so that monotone means: z of a column rises with the column alone."""
        rng = np.random.default_rng(1)
        x = torch.as_tensor(rng.standard_normal((400, 3)))
        bijection = create(specification).fit(x, torch.as_tensor(np.where(rng.random(400) < 0.25, -1.0, 1.0)))
        for row in torch.autograd.functional.jacobian(lambda r: bijection.forward(r[None])[0][0], x[0]).diag():
            assert float(row) > 0
        assert torch.isfinite(bijection.forward(x)[1]).all()


@st.composite
def conditional(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Rows (N, D) of any family and a context (N, C): masses, angles, a constant, or what the rows depend on."""
    x = draw(samples())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.lists(st.sampled_from(["mass", "signed", "constant", "two", "feature"]), min_size=1, max_size=2))
    columns = {
        "mass": 2000 + rng.exponential(1000, len(x)),
        "signed": rng.uniform(-3, 3, len(x)),
        "constant": np.full(len(x), 7.0),
        "two": rng.integers(0, 2, len(x)).astype(float),
        "feature": x[:, 0].numpy(),
    }
    return x, torch.as_tensor(np.stack([columns[kind] for kind in kinds], axis=1))


class TestWhiten:
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(case=conditional())
    def test_round_trip_and_log_determinant_of_any_sample(self, case: tuple[Tensor, Tensor]) -> None:
        x, c = case
        fitted = Whiten().fit(x, None, c)
        # Features that are all but combinations of others are resolved to a thousandth of their spread.
        for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
            rows = x.to(dtype)
            z, log_det = fitted.forward(rows, c)
            assert torch.isfinite(z).all()
            assert torch.isfinite(log_det).all()
            back = fitted.inverse(z, c)
            reach = rows.abs().amax(0) + x.std(0)
            assert ((back - rows).abs() <= 10 * tolerance * reach).all()
        few = slice(0, 5)
        rows = zip(x[few], c[few], strict=True)
        expected = [log_det_by_autograd(lambda r, at=at: fitted.forward(r, at[None])[0], row[None]) for row, at in rows]
        assert torch.allclose(fitted.forward(x[few], c[few])[1], torch.cat(expected), rtol=0, atol=1e-8)

    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(case=conditional())
    def test_contexts_never_seen_change_nothing_beyond_the_training_range(self, case: tuple[Tensor, Tensor]) -> None:
        x, c = case
        fitted = Whiten(order=3).fit(x, None, c)
        low, high = c.amin(0), c.amax(0)
        for far, end in ((high + 1e6, high), (low - 1e6, low)):
            one, other = fitted.forward(x, far.expand_as(c)), fitted.forward(x, end.expand_as(c))
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])

    def test_moments_are_standard_at_every_context_also_in_a_blinded_window(self) -> None:
        """Truth: mean and width are powers of the mass, the correlation turns; the window 3300–3700 is never seen."""
        x, c, truth = dijets(60_000, seed=1)
        blind = (c[:, 0] > 3300) & (c[:, 0] < 3700)
        fitted = Whiten().fit(x[~blind], None, c[~blind])
        z, log_det = fitted.forward(x, c)
        for low, high in ((2000, 2400), (3000, 3300), (3300, 3700), (3700, 4200), (6000, 8000)):
            chosen = (c[:, 0] > low) & (c[:, 0] < high)
            within, n = z[chosen], int(chosen.sum())
            assert within.mean(0).abs().max() < 4 / n**0.5 + 0.02
            assert (torch.cov(within.T) - torch.eye(3)).abs().max() < 6 / n**0.5 + 0.03
        # Normal truth: the pulled-back normal is the density itself, up to what polynomials of order 2 can not follow.
        model = log_det - 0.5 * (z**2 + np.log(2 * np.pi)).sum(1)
        assert -0.003 < float((truth - model)[blind].mean()) < 0.01

    def test_blinded_window_is_passed_without_a_bump(self) -> None:
        x, c, _ = dijets(20_000, seed=2)
        blind = (c[:, 0] > 3300) & (c[:, 0] < 3700)
        fitted = Whiten(order=3).fit(x[~blind], None, c[~blind])
        at = torch.linspace(3200, 3800, 61).double()[:, None]
        _, log_det = fitted.forward(torch.zeros(61, 3).double(), at)
        inside, edges = log_det[10:51], log_det[[10, 50]]
        assert inside.min() > edges.min() - 0.05
        assert inside.max() < edges.max() + 0.05

    def test_signed_weights_subtract_a_population(self) -> None:
        x, c, _ = dijets(40_000, seed=3)
        rng = np.random.default_rng(4)
        other = torch.as_tensor(rng.normal([350, 1.3, 1], [20, 0.1, 0.5], (10_000, 3)))
        masses = torch.as_tensor(rng.uniform(2000, 8000, (10_000, 1)))
        w = torch.cat([torch.ones(40_000), torch.ones(5_000), -torch.ones(5_000)])
        signed = Whiten().fit(torch.cat([x, other]), w, torch.cat([c, masses]))
        clean = Whiten().fit(x, None, c)
        assert (signed.forward(x, c)[0] - clean.forward(x, c)[0]).abs().mean() < 0.03
        absolute = Whiten().fit(torch.cat([x, other]), w.abs(), torch.cat([c, masses]))
        assert (absolute.forward(x, c)[0] - clean.forward(x, c)[0]).abs().mean() > 0.1

    def test_weights_that_are_mostly_negative_somewhere_still_make_a_bijection(self) -> None:
        x, c, _ = dijets(500, seed=5)
        w = torch.where(c[:, 0] > 4000, -0.9, 1.0)
        fitted = Whiten().fit(x, w, c)
        z, log_det = fitted.forward(x, c)
        assert torch.isfinite(log_det).all()
        assert torch.allclose(fitted.inverse(z, c), x, atol=1e-9)

    def test_a_feature_that_is_a_combination_of_others_stays_invertible(self) -> None:
        x, c, _ = dijets(2_000, seed=6)
        x = torch.cat([x, x[:, :1] - 2 * x[:, 1:2]], dim=1)
        fitted = Whiten().fit(x, None, c)
        z, log_det = fitted.forward(x, c)
        assert torch.isfinite(log_det).all()
        assert torch.allclose(fitted.inverse(z, c), x, atol=1e-9)

    def test_a_feature_that_is_a_function_of_the_context_harms_no_other(self) -> None:
        x, c, _ = dijets(2_000, seed=9)
        with_mass = torch.cat([c.log(), x], dim=1)
        z, log_det = Whiten().fit(with_mass, None, c).forward(with_mass, c)
        assert torch.isfinite(log_det).all()
        assert torch.allclose(z[:, 1:], Whiten().fit(x, None, c).forward(x, c)[0], atol=1e-6)

    def test_several_contexts_count(self) -> None:
        rng = np.random.default_rng(7)
        c = torch.as_tensor(np.stack([rng.uniform(2, 8, 20_000), rng.uniform(-1, 1, 20_000)], axis=1))
        x = torch.as_tensor(rng.standard_normal((20_000, 1))) + c[:, 1:] ** 2 + c[:, :1].log()
        z, _ = Whiten().fit(x, None, c).forward(x, c)
        for chosen in (c[:, 1] > 0.8, c[:, 1].abs() < 0.2, c[:, 0] > 7):
            assert abs(float(z[chosen].mean())) < 0.08

    def test_without_context_the_error_says_so(self) -> None:
        x, c, _ = dijets(200, seed=8)
        with pytest.raises(MissingContextError, match="Whiten depends on the context"):
            Whiten().fit(x)
        with pytest.raises(MissingContextError, match="bijection without context"):
            Whiten().fit(x, None, c[:, :0])
        fitted = Chain(["quantile_normal", "whiten"]).fit(x, None, c)
        with pytest.raises(MissingContextError):
            fitted.forward(x)
        with pytest.raises(MissingContextError):
            fitted.inverse(x)
        with pytest.raises(ShapeError, match=r"context \(N, 1\); got \(200, 2\)"):
            fitted.forward(x, c.expand(-1, 2))
        with pytest.raises(HyperparameterError, match="order = -1"):
            Whiten(order=-1)


def dijets(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Three normal features whose mean, widths and correlation follow a falling mass, with their log density."""
    rng = np.random.default_rng(seed)
    c = 2000 * rng.random(n) ** (-1 / 4)
    c = np.where(c < 8000, c, rng.uniform(2000, 8000, n))
    t = np.log(c / 4000)
    mean = np.stack([300 + 100 * t, 1 + t**2, -t], axis=1)
    angle, width = 0.5 + t, np.exp(0.4 * t)
    lower = np.zeros((n, 3, 3))
    lower[:, 0, 0], lower[:, 1, 1], lower[:, 2, 2] = 50 * width, 0.3, width
    lower[:, 1, 0], lower[:, 2, 0] = 0.2 * np.sin(angle), 0.5
    e = rng.standard_normal((n, 3))
    x = mean + np.einsum("nij,nj->ni", lower, e)
    log_p = -0.5 * (e**2 + np.log(2 * np.pi)).sum(1) - np.log(lower[:, [0, 1, 2], [0, 1, 2]]).sum(1)
    return torch.as_tensor(x), torch.as_tensor(c)[:, None], torch.as_tensor(log_p)


class TestSmooth:
    def test_polynomials_are_orthogonal_in_the_logarithm_of_a_mass(self) -> None:
        c = torch.logspace(0, 2, 20_001, dtype=torch.float64)[:, None]
        basis = polynomials(c, c.amin(0), c.amax(0), 3)
        gram = basis.T @ basis / len(c)
        assert torch.allclose(gram, torch.diag(1 / (2 * torch.arange(4).double() + 1)), atol=1e-3)

    def test_least_squares_finds_the_line_and_leaves_unknown_directions_alone(self) -> None:
        rng = np.random.default_rng(1)
        t = torch.as_tensor(rng.uniform(-1, 1, 500))
        design = torch.stack([torch.ones(500), t, t, torch.zeros(500)], dim=1).double()
        solution = least_squares(design, 2 + 3 * t, torch.full((500,), 1 / 500).double())
        assert torch.allclose(design @ solution, 2 + 3 * t)
        assert float(solution[3]) == 0
        assert float(solution[1]) == pytest.approx(float(solution[2]))
