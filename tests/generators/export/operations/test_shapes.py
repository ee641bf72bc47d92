"""Numbers are moved to where torch moves them, for any number of rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

pytest.importorskip("onnxruntime")
from generators.errors import ExportError
from tests.generators.export.operations.written import agrees

CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "view": lambda x: x.reshape(-1, 1, 3).squeeze(1).unsqueeze(2),
    "flat": lambda x: x.reshape(3 * x.shape[0]),
    "expand": lambda x: x[:, None].expand(-1, 4, -1),
    "repeat": lambda x: x.repeat(1, 2),
    "repeat rows": lambda x: x.repeat(2, 1),
    "permute": lambda x: x[:, None].permute(2, 0, 1),
    "transpose": lambda x: x.T.contiguous(),
    "select": lambda x: x[:, -1],
    "last row": lambda x: x[-1],
    "slice": lambda x: x[:, 1:],
    "step": lambda x: x[:, ::2],
    "all but one": lambda x: x[:-1],
    "unbind": lambda x: sum(x.unbind(dim=1)),  # type: ignore[arg-type,return-value]
    "split": lambda x: x.split([1, 2], dim=1)[1],
    "cat": lambda x: torch.cat([x, x[:, :0], 2 * x], dim=1),
    "pad": lambda x: functional.pad(x[:, None], (1, 2, 0, 1), value=-3.0),
    "stack": lambda x: torch.stack([x, -x], dim=-1),
    "zeros": lambda x: x + torch.zeros_like(x) + torch.ones(x.shape[0], 1, dtype=torch.float64),
    "full": lambda x: x * torch.full((x.shape[0], 3), 2.5, dtype=torch.float64),
    "arange": lambda x: x + torch.arange(x.shape[0])[:, None],
    "gather": lambda x: x.gather(1, (x > 0).long()),
    "index_select": lambda x: x.index_select(1, torch.tensor([2, 0])),
    "index": lambda x: x[torch.arange(x.shape[0]), (x[:, 0] > 0).long()],
    "index_copy": lambda x: x.index_copy(1, torch.tensor([1]), x[:, :1]),
    "left": lambda x: torch.searchsorted(torch.tensor([-1.0, 0.0, 1.0]).double(), x).double(),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_torch(name: str) -> None:
    agrees(CASES[name])


def test_counting_in_other_ways_is_refused_by_name() -> None:
    with pytest.raises(ExportError, match="than from 0 by 1"):
        agrees(lambda x: x + torch.arange(1, x.shape[0] + 1)[:, None])
