"""One number of many, as torch has it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

pytest.importorskip("onnxruntime")
from generators.errors import ExportError
from tests.generators.export.operations.written import agrees

CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda x: x.sum(dim=1),
    "sum of truths": lambda x: (x > 0).sum(dim=1, keepdim=True).double(),
    "sum of nothing": lambda x: x[:, :0].sum(dim=1),
    "mean": lambda x: x.mean(dim=(1,), keepdim=True),
    "amax": lambda x: x.amax(dim=-1),
    "amin": lambda x: x.amin(dim=1),
    "prod": lambda x: x.prod(dim=1),
    "all": lambda x: (x > -1).all(dim=1).double(),
    "any": lambda x: (x > 1).any(dim=1).double(),
    "all of nothing": lambda x: (x[:, :0] > 0).all(dim=1).double(),
    "logsumexp": lambda x: torch.logsumexp(torch.cat([x, torch.full_like(x, -torch.inf)], dim=1), dim=1),
    "logsumexp of none": lambda x: torch.logsumexp(x * 0 - torch.inf, dim=1),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=1),
    "cumsum": lambda x: x.cumsum(dim=1),
    "softmax": lambda x: (300 * x).softmax(dim=1),
    "log_softmax": lambda x: (300 * x).log_softmax(dim=1),
    "matmul": lambda x: x @ torch.arange(12.0, dtype=torch.float64).reshape(3, 4),
    "turned": lambda x: x @ torch.arange(12.0, dtype=torch.float64).reshape(4, 3).T,
    "addmm": lambda x: torch.addmm(torch.ones(2, dtype=torch.float64), x, torch.ones(3, 2).double(), beta=2, alpha=3),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_torch(name: str) -> None:
    agrees(CASES[name])


def test_other_norms_are_refused_by_name() -> None:
    with pytest.raises(ExportError, match="norm of order 1"):
        agrees(lambda x: torch.linalg.vector_norm(x, ord=1, dim=1))
