"""The choice of an epoch: what a distance to held-out events sees."""

from __future__ import annotations

import torch

from generators.adversarial.distances import sliced_wasserstein
from generators.pixels.held_out import principal


def test_principal_directions_see_what_sensors_have_in_common() -> None:
    """40 sensors of correlation ½, against independent ones of the same distributions each."""
    random = torch.Generator().manual_seed(1)
    common, own = (torch.randn(400, size, generator=random, dtype=torch.float64) for size in (1, 40))
    true, other = (common + own) / 2**0.5, torch.randn(400, 40, generator=random, dtype=torch.float64)
    # Three more columns are no sensors.
    both = [torch.cat([rows, rows.new_zeros(400, 3)], dim=1) for rows in (true, other)]
    along = principal(both[0], 40)
    assert along.shape == (43, 4)
    assert torch.allclose((both[0] @ along).std(dim=0, correction=0), torch.ones(4, dtype=torch.float64))
    assert (along[40:] == 0).all()
    ones = torch.ones(400, dtype=torch.float64)
    again = torch.cat([both[0][200:], both[0][:200]])
    assert sliced_wasserstein(both[0], again, ones, along) < 1e-9
    # The widest has √20.5 times the width of independent sensors.
    alone = float(sliced_wasserstein(*both, ones, along[:, -1:]))
    assert abs(alone - (2 / torch.pi) ** 0.5 * (1 - 20.5**-0.5)) < 0.1
    single = float(sliced_wasserstein(*both, ones, torch.eye(43, dtype=torch.float64)[:, :40]))
    assert single < alone / 4
