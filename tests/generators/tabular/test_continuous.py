"""What flow matching and diffusion share."""

from __future__ import annotations

import pytest
import torch

from generators.continuous.densities import Exact, Hutchinson
from generators.continuous.solvers import Adaptive, FixedSteps
from generators.errors import HyperparameterError
from generators.recording import recorded
from generators.tabular.continuous import by_rows, density_solver, density_trace


def test_parts_join_to_the_whole_unless_somebody_records() -> None:
    x, y = torch.arange(10.0), torch.arange(10.0) * 2
    seen: list[int] = []

    def function(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        seen.append(len(a))
        return a + b

    torch.testing.assert_close(by_rows(function, x, y, rows=4), x + y)
    assert seen == [4, 4, 2]
    with recorded():
        by_rows(function, x, y, rows=4)
    assert seen[3:] == [10]


def test_the_trace_and_the_solver_by_name() -> None:
    assert isinstance(density_trace("exact", 1), Exact)
    assert isinstance(density_trace("hutchinson", 3), Hutchinson)
    with pytest.raises(HyperparameterError, match="'exakt' is not one of"):
        density_trace("exakt", 1)
    assert isinstance(density_solver("midpoint", steps=3, tolerance=1e-3), FixedSteps)
    assert isinstance(density_solver("dopri5", steps=3, tolerance=1e-3), Adaptive)
