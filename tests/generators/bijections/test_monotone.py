"""Monotone interpolation: through its knots, increasing, with the slope that it says, and undone exactly."""

from __future__ import annotations

import pytest
import torch

from generators.bijections.monotone import MonotoneSpline, monotone_slopes


@pytest.fixture
def spline() -> MonotoneSpline:
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.rand(2, 3, 9, generator=generator, dtype=torch.float64) + 0.05).cumsum(dim=-1)
    return MonotoneSpline.through(x, y)


def test_it_goes_through_its_knots_and_never_falls(spline: MonotoneSpline) -> None:
    torch.testing.assert_close(spline.value(spline.x)[0], spline.y)
    fine = torch.stack([torch.linspace(float(x[0]), float(x[-1]), 2001, dtype=torch.float64) for x in spline.x])
    values, log_slope = spline.value(fine)
    assert (values.diff() > 0).all()
    # The slope by the definition of a derivative.
    step = 1e-6
    inner = fine[:, 1:-1]
    rise = (spline.value(inner + step)[0] - spline.value(inner - step)[0]) / (2 * step)
    torch.testing.assert_close(log_slope[:, 1:-1].exp(), rise, rtol=1e-4, atol=1e-6)


def test_its_inverse_undoes_it(spline: MonotoneSpline) -> None:
    fine = torch.stack([torch.linspace(float(x[0]), float(x[-1]), 500, dtype=torch.float64) for x in spline.x])
    torch.testing.assert_close(spline.inverse(spline.value(fine)[0]), fine, rtol=1e-10, atol=1e-10)


def test_a_straight_line_stays_one() -> None:
    x = torch.tensor([[0.0, 1.0, 1.5, 4.0]], dtype=torch.float64)
    spline = MonotoneSpline.through(x, 3 * x + 1)
    torch.testing.assert_close(spline.slopes, torch.full_like(x, 3.0))
    at = torch.linspace(0, 4, 50, dtype=torch.float64)[None]
    torch.testing.assert_close(spline.value(at)[0], 3 * at + 1)


def test_a_chance_gap_at_the_end_makes_no_steep_tail() -> None:
    x = torch.tensor([0.0, 1.0, 2.0, 3.0, 3.0001], dtype=torch.float64)
    assert float(monotone_slopes(x, torch.arange(5.0, dtype=torch.float64))[-1]) < 2.5
