"""A network of clouds inside of the machinery of flows in time."""

from __future__ import annotations

import torch
from torch import nn

from generators.jets.flow import Masked
from generators.registry import create


class Counting(nn.Module):
    def forward(self, x: torch.Tensor, t: torch.Tensor, c: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (x + c[:, None] + t) * mask[..., None]


def test_the_mask_goes_along() -> None:
    mask = torch.tensor([[True, False], [True, True]])
    network = Masked(Counting(), mask)
    out = network(torch.zeros(2, 2, 3), torch.tensor(1.0), torch.ones(2, 3))
    torch.testing.assert_close(out, 2.0 * mask[..., None].expand(2, 2, 3))


def test_absent_points_stay_at_zero_and_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    generator = create(
        {"kind": "epic_fm", "hidden": 8, "layers": 1, "latent": 4, "frequencies": 2, "sampling_steps": 3}
    )
    density = generator.build((5, 3), 1).eval()
    counts, c = torch.tensor([2, 3]), torch.randn(2, 1)
    noise = torch.randn(2, 3, 3) * (torch.arange(3) < counts[:, None])[..., None]
    with torch.no_grad():
        short = density.transport(noise, counts, c)
        long = density.transport(nn.functional.pad(noise, (0, 0, 0, 2)), counts, c)
    assert not short[0, 2].any()
    torch.testing.assert_close(long[:, :3], short)
    assert not long[:, 3:].any()
