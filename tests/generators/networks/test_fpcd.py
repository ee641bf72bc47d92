"""The networks of FPCD have the published sizes, know no order and no padding, and start as the zero field."""

from __future__ import annotations

import torch

from generators.networks.fpcd import FPCDAttributes, FPCDPoints


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_sizes() -> None:
    with torch.device("meta"):
        assert parameters(FPCDPoints(3, 9, 4)) == 1_035_779
        assert parameters(FPCDAttributes(4, 5)) == 894_532


def test_points_know_no_order_and_no_padding() -> None:
    torch.manual_seed(1)
    network = FPCDPoints(3, 4, 2, width=8, layers=1)
    x, c, t = torch.randn(3, 5, 3), torch.randn(3, 4), torch.rand(3)
    mask = torch.arange(5) < torch.tensor([5, 2, 0])[:, None]
    assert bool((network(x, t, c, mask) == 0).all())
    torch.nn.init.normal_(network.leave.weight)
    out = network(x, t, c, mask)
    order = torch.tensor([1, 0, 2, 3, 4])
    torch.testing.assert_close(network(x[:, order], t, c, mask[:, order])[:, order], out, atol=1e-5, rtol=1e-4)
    other = torch.where(mask[..., None], x, torch.full_like(x, 9.0))
    torch.testing.assert_close(network(other, t, c, mask), out, atol=1e-5, rtol=1e-4)
    assert bool((out[~mask] == 0).all())
    # Classes, attributes and time are all seen.
    for changed in ((t, c + torch.tensor([1.0, 0, 0, 0])), (t, c + torch.tensor([0, 0, 0, 1.0])), (1 - t, c)):
        assert not torch.allclose(network(x, *changed, mask)[:2], out[:2], atol=1e-4)
