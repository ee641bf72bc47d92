"""Critics of a cloud that is gathered by queries, beside loops; nothing passes from one event to another."""

from __future__ import annotations

import torch
from torch.nn import functional

from generators.networks.pruned_cloud import Gather, PrunedCloud, pooled


def test_gathering_is_attention_by_the_difference_within_one_cloud() -> None:
    torch.manual_seed(1)
    gather = Gather(queries=3, heads=2, width=4).double()
    x = torch.randn(2, 5, 8).double()
    n = (2, 5)
    out = gather(x, torch.arange(5) < torch.tensor(n)[:, None])
    for cloud in range(2):
        for query in range(3):
            asked = gather.ask(gather.queries[query]).view(2, 4)
            offered = gather.offer(x[cloud, : n[cloud]]).view(-1, 2, 4)
            scores = (functional.leaky_relu(offered - asked, 0.2) * gather.importance).sum(dim=2)
            due = (scores.softmax(dim=0)[:, :, None] * offered).sum(dim=0).flatten() + gather.shift
            torch.testing.assert_close(out[cloud, query], due)


def test_no_message_passes_between_events() -> None:
    """The gradient of what one event gives, by the points of the others, is zero; and not by its own."""
    torch.manual_seed(2)
    network = PrunedCloud(3, 1, points=6, sizes=[4, 1], heads=2, width=3, hidden=8, dropout=0.0).eval()
    x = torch.randn(5, 6, 3, requires_grad=True)
    mask = torch.arange(6) < torch.tensor([1, 2, 3, 5, 6])[:, None]
    out = network(x, mask, torch.randn(5, 1))
    assert out.shape[0] == 5
    (slope,) = torch.autograd.grad(out[2].sum(), x)
    moved = slope.abs().sum(dim=(1, 2))
    assert moved[2] > 0
    assert moved[[0, 1, 3, 4]].sum() == 0
    # Nor from places that are empty.
    assert slope[2, 3:].abs().sum() == 0


def test_pooled_is_number_sum_spread_and_maximum() -> None:
    x = torch.tensor([[[1.0], [5.0], [99.0]], [[7.0], [7.0], [7.0]]])
    found = pooled(x, torch.tensor([[True, True, False], [False, False, False]]), points=4)
    torch.testing.assert_close(found, torch.tensor([[0.5, 1.5, 2.0, 5.0], [0.0, 0.0, 0.0, 0.0]]))
