"""Features in another order."""

from __future__ import annotations

import pytest
import torch

from generators.errors import ShapeError
from generators.flows.permutation import Permutation, within_groups


def test_inverse_undoes_forward_and_volumes_stay() -> None:
    permutation = Permutation(torch.tensor([2, 0, 1]))
    x = torch.tensor([[1.0, 2.0, 3.0]])
    z, log_det = permutation(x)
    assert z.tolist() == [[3, 1, 2]]
    assert torch.equal(permutation.inverse(z)[0], x)
    assert log_det.tolist() == [0]


@pytest.mark.parametrize("reverse", [True, False])
def test_groups_stay_together(reverse: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        order = within_groups([2, 5, 1], reverse=reverse).tolist()
    assert [sorted(part) for part in (order[:2], order[2:7], order[7:])] == [[0, 1], [2, 3, 4, 5, 6], [7]]


def test_what_is_no_order_is_refused() -> None:
    with pytest.raises(ShapeError, match="no order"):
        Permutation(torch.tensor([0, 0, 2]))
