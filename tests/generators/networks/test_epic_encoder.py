"""What a cloud is as a whole: the order of its points changes nothing, and absent ones are not seen."""

from __future__ import annotations

import torch

from generators.networks.epic_encoder import EpicEncoder


def test_the_order_of_points_changes_nothing_and_absent_ones_are_not_seen() -> None:
    torch.manual_seed(1)
    network = EpicEncoder(3, 2, 4, hidden=8, layers=2, overall=5).double()
    x, c = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    out = network(x, c, mask)
    assert out.shape == (2, 4)
    torch.testing.assert_close(network(x[:, [1, 0, 4, 2, 3]], c, mask[:, [1, 0, 4, 2, 3]]), out)
    torch.testing.assert_close(network(x[1:, :2], c[1:], mask[1:, :2]), out[1:])
    assert not torch.allclose(network(x, c + 1, mask), out)
