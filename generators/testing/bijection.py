"""What every bijection of feature vectors must satisfy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from generators.errors import ConstantFeatureError, NonFiniteInputError, NotFittedError, ShapeError, WeightError
from generators.registry import create
from generators.testing.contract import Check, Contract, expect, refused, run_all
from generators.testing.shortened import Make


class BijectionContract(Contract):
    """`make` gives an unfitted bijection; `counts` says whether what it learns depends on how often a value occurs."""

    def __init__(self, make: Make, *, counts: bool = True) -> None:
        self.make, self.counts = make, counts

    def check_inverse_undoes_forward_where_the_map_was_never_trained(self) -> None:
        """From far outside of the training back and forth."""
        bijection = self.make().fit(typical())
        z = torch.linspace(-12, 12, 501, dtype=torch.float64)[:, None].expand(-1, 3)
        back, _ = bijection.forward(bijection.inverse(z))
        lost = float((back - z).abs().max())
        expect(torch.allclose(back, z, rtol=1e-8, atol=1e-8), f"forward(inverse(z)) is up to {lost:.2g} off z.")

    def check_single_precision_throughout_is_enough(self) -> None:
        """In single precision a row comes back to 1e-4, and nothing is turned into double precision."""
        x = typical()
        bijection = self.make().fit(x).float()
        z, log_det = bijection.forward(x.float())
        kinds = {z.dtype, log_det.dtype}
        expect(kinds == {torch.float32}, f"Of single precision single precision must come; it is {kinds}.")
        back = bijection.inverse(z)
        expect(torch.allclose(back, x.float(), rtol=1e-4, atol=1e-4), "inverse(forward(x)) is not x to 1e-4.")

    def check_log_determinant_is_that_of_autograd(self) -> None:
        """For rows of the training sample, its extremes, between and outside of them."""
        for d in (1, 2, 3, 4):
            x = typical(d=d)
            bijection = self.make().fit(x)
            rows = torch.cat([x[:8], x.amin(0)[None] - 0.3, x.amax(0)[None] + 0.3, x[:4] + 0.01])
            _, log_det = bijection.forward(rows)
            off = float((log_det - log_det_by_autograd(partial(_forward, bijection), rows)).abs().max())
            expect(off <= 1e-8, f"The log-determinant of {d} columns is up to {off:.2g} off that of the Jacobian.")

    def check_forward_and_inverse_log_determinants_cancel(self) -> None:
        """The Jacobian of the inverse is the inverse of the Jacobian."""
        x = typical()
        bijection = self.make().fit(x)
        z, log_det = bijection.forward(x[:12])
        off = float((log_det + log_det_by_autograd(bijection.inverse, z)).abs().max())
        expect(off <= 1e-7, f"Log-determinants of forward and inverse must cancel; {off:.2g} is left.")

    def check_normal_density_pulled_back_integrates_to_one(self) -> None:
        """In one and two dimensions."""
        for d, points in ((1, 20_001), (2, 1001)):
            bijection = self.make().fit(typical(d=d))
            # The grid is laid where the density lives, the integral is over x.
            z = torch.linspace(-8, 8, points, dtype=torch.float64)
            axes = bijection.inverse(z[:, None].expand(-1, d)).unbind(1)
            at, log_det = bijection.forward(torch.cartesian_prod(*axes).reshape(-1, d))
            density = (log_det - 0.5 * (at**2).sum(1) - 0.5 * d * math.log(2 * math.pi)).exp().reshape([points] * d)
            for axis in reversed(axes):
                density = torch.trapezoid(density, axis, dim=-1)
            expect(
                abs(float(density) - 1) <= 1e-3,
                f"A normal density pulled back to {d} columns must integrate to 1; it is {float(density):.5f}.",
            )

    def check_saved_and_loaded_is_the_same_map(self) -> None:
        """specification() and state_dict() are all there is."""
        from safetensors.torch import load, save

        x = typical()
        bijection = self.make().fit(x)
        again = create(bijection.specification())
        again.load_state_dict(load(save({k: v.contiguous() for k, v in bijection.state_dict().items()})))
        z = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)).double()
        pairs = zip((*bijection.forward(x), bijection.inverse(z)), (*again.forward(x), again.inverse(z)), strict=True)
        expect(all(torch.equal(one, other) for one, other in pairs), "A loaded bijection must be the saved one.")
        expect(again.features == 3, f"A loaded bijection of 3 features has features = {again.features}.")

    def check_order_of_rows_does_not_matter(self) -> None:
        """A permuted training sample gives the same map."""
        x = typical()
        w = torch.rand(len(x), generator=torch.Generator().manual_seed(2)).double()
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
        one, other = self.make().fit(x, w), self.make().fit(x[order], w[order])
        same = torch.allclose(one.forward(x)[0], other.forward(x)[0], rtol=1e-12, atol=1e-12)
        expect(same, "The order of the training sample changed the map.")

    def check_weights_count_rows(self) -> None:
        """Weights of whole numbers, in any unit, are repeated rows."""
        x = typical()
        w = torch.randint(0, 4, (len(x),), generator=torch.Generator().manual_seed(4))
        one, other = self.make().fit(x, 0.37 * w), self.make().fit(x.repeat_interleave(w, dim=0))
        for a, b in zip(one.forward(x), other.forward(x), strict=True):
            expect(torch.allclose(a, b, rtol=1e-10, atol=1e-10), "A row of weight n must count like n rows.")
        if self.counts:
            unweighted = self.make().fit(x[w > 0])
            same = torch.allclose(one.forward(x)[0], unweighted.forward(x)[0], atol=1e-6)
            expect(not same, "Weights were ignored.")

    def check_negative_weights_leave_a_monotone_finite_map(self) -> None:
        """Even if a quarter of the rows subtracts."""
        x = typical()
        w = torch.where(torch.rand(len(x), generator=torch.Generator().manual_seed(5)) < 0.25, -1.0, 1.0)
        z, log_det = self.make().fit(x, w).forward(x.sort(dim=0).values)
        expect((z.diff(dim=0) >= 0).all(), "With negative weights the map is not monotone.")
        expect(torch.isfinite(log_det).all(), "With negative weights a log-determinant is not finite.")

    def check_non_finite_input_is_refused_by_name_and_changes_nothing(self) -> None:
        """NaN and infinity in rows and weights."""
        bijection = self.make().fit(typical())
        before = {key: value.clone() for key, value in bijection.state_dict().items()}
        for bad in (math.nan, math.inf, -math.inf):
            spoilt, weights = typical(seed=9), torch.ones(400)
            spoilt[[5, 7], 1] = bad
            weights[3] = bad
            with refused(NonFiniteInputError, f"{bad} in two rows of x", r"x, column 1: 2 of 400 "):
                bijection.fit(spoilt)
            with refused(NonFiniteInputError, f"A weight of {bad}", r"weights, column 0: 1 of 400 "):
                bijection.fit(typical(seed=9), weights)
        same = all(torch.equal(before[key], value) for key, value in bijection.state_dict().items())
        expect(same, "A refused fit changed the fitted map.")

    def check_one_bad_row_harms_no_other(self) -> None:
        """A NaN stays where it is."""
        x = typical()
        bijection = self.make().fit(x)
        spoilt = x.clone()
        spoilt[4, 1] = math.nan
        z, _ = bijection.forward(spoilt)
        rest = torch.arange(len(x)) != 4
        expect(torch.isnan(z[4, 1]), "A NaN must stay NaN.")
        expect(torch.equal(z[rest], bijection.forward(x)[0][rest]), "A NaN in one row changed others.")

    def check_single_valued_feature_is_named(self) -> None:
        """A constant column is refused, also if only rows of weight zero differ."""
        x = typical()
        x[:, 2] = 7
        with refused(ConstantFeatureError, "A column with the single value 7", r"column 2.* 7"):
            self.make().fit(x)
        x[0, 2], w = 8, torch.ones(len(x))
        w[0] = 0
        with refused(ConstantFeatureError, "A column with a single value in all rows with a weight", "column 2"):
            self.make().fit(x, w)

    def check_unusable_calls_are_named(self) -> None:
        """Before a fit, with wrong shapes, with weights that sum to nothing."""
        x = typical()
        with refused(NotFittedError, "forward() before fit()"):
            self.make().forward(x)
        bijection = self.make().fit(x)
        with refused(ShapeError, "forward() of two columns of three", r"\(N, 3\)"):
            bijection.forward(x[:, :2])
        with refused(ShapeError, "inverse() of a single row without its axis", r"\(N, 3\)"):
            bijection.inverse(x[0])
        with refused(ShapeError, "One weight less than rows", "weights"):
            bijection.fit(x, torch.ones(len(x) - 1))
        with refused(WeightError, "Weights that sum to -400", "-400"):
            bijection.fit(x, -torch.ones(len(x)))

    def check_no_rows_are_fine(self) -> None:
        """Of no rows nothing comes."""
        bijection = self.make().fit(typical())
        z, log_det = bijection.forward(torch.empty(0, 3))
        shapes = [tuple(t.shape) for t in (z, bijection.inverse(z), log_det)]
        expect(shapes == [(0, 3), (0, 3), (0,)], f"z, x and log-determinant of no rows have the shapes {shapes}.")


def typical(n: int = 400, d: int = 3, seed: int = 0) -> Tensor:
    """Correlated rows (n, d) with a skewed and a bounded column."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    x[:, 0] = np.exp(x[:, 0] / 2)
    if d > 1:
        x[:, 1] = 0.5 * x[:, 0] + rng.random(n)
    return torch.as_tensor(x)


def log_det_by_autograd(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """log|det| of the full Jacobian of every row of (N, D): (N,)."""
    jacobians = [torch.autograd.functional.jacobian(lambda r: function(r[None])[0], row) for row in rows]  # type: ignore[no-untyped-call]
    found: Tensor = torch.linalg.slogdet(torch.stack(jacobians)).logabsdet
    return found


def _forward(bijection: Any, rows: Tensor) -> Tensor:
    z: Tensor = bijection.forward(rows)[0]
    return z


def bijection_checks(make: Make, *, counts: bool = True) -> list[Check]:
    """What a bijection that `make` gives, unfitted, must satisfy.

    `counts` is False for one that learns nothing, or no more than the range of a sample: then weights may be ignored.
    """
    return BijectionContract(make, counts=counts).checks()


def check_bijection(make: Make, *, counts: bool = True) -> None:
    """Run all of `bijection_checks`.

    Raises
    ------
    AssertionError
        Names every check that failed.
    """
    run_all(bijection_checks(make, counts=counts))
