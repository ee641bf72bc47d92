"""Equations that are written out give what torch's solvers give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

pytest.importorskip("onnxruntime")
from generators.errors import ExportError
from tests.generators.export.operations.written import agrees

FIXED = torch.tensor([[0.0, 2.0, 1.0], [1.0, -1.0, 0.5], [3.0, 0.1, -2.0]], dtype=torch.float64)


def square(x: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that need pivots."""
    return FIXED + 0.3 * x[:, :, None] * x[:, None]


CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "tril": lambda x: square(x).tril(),
    "triu": lambda x: square(x).triu(1),
    "diagonal": lambda x: square(x).diagonal(dim1=-2, dim2=-1),
    "diag_embed": torch.diag_embed,
    "solve": lambda x: torch.linalg.solve(square(x), x),
    "solve matrices": lambda x: torch.linalg.solve(square(x), square(2 * x)),
    "inverse": lambda x: torch.linalg.inv(square(x)),
    "slogdet": lambda x: torch.stack(torch.linalg.slogdet(square(x)), dim=1),
    "lower": lambda x: torch.linalg.solve_triangular(square(x).tril() + 4 * torch.eye(3), x[..., None], upper=False),
    "upper": lambda x: torch.linalg.solve_triangular(square(x).triu() + 4 * torch.eye(3), x[..., None], upper=True),
    "unit": lambda x: torch.linalg.solve_triangular(square(x).tril(), x[..., None], upper=False, unitriangular=True),
    "right": lambda x: torch.linalg.solve_triangular(
        square(x).triu() + 4 * torch.eye(3), x[:, None], upper=True, left=False
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_torch(name: str) -> None:
    agrees(CASES[name], rtol=1e-9)


@pytest.mark.parametrize(
    "function", [lambda x: square(x).diagonal(1, -2, -1), lambda x: torch.diag_embed(x, offset=1)], ids=["of", "to"]
)
def test_other_diagonals_are_refused_by_name(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ExportError, match="another diagonal"):
        agrees(function)
