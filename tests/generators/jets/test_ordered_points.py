"""The density of a cloud, point after point."""

from __future__ import annotations

import pytest
import torch

from generators.jets.base import PT
from generators.jets.lengths import prefix_mask
from generators.jets.ordered_points import OrderedPoints, ordered


@pytest.fixture
def model() -> OrderedPoints:
    torch.manual_seed(1)
    return OrderedPoints(3, 1, 4, None, width=8, layers=1, components=2, anchors=2).double().eval()


def cloud(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    counts = torch.randint(1, 5, (n,))
    return (
        counts,
        torch.randn(n, 4, 3, dtype=torch.float64) * prefix_mask(counts, 4)[..., None],
        torch.randn(n, 1).double(),
    )


def test_present_points_come_by_falling_pt_and_absent_ones_last() -> None:
    counts, z, _ = cloud(50)
    found = ordered(z, counts)
    for n, row, before in zip(counts.tolist(), found, z, strict=True):
        assert (row[:n, PT].diff() <= 0).all()
        assert not row[n:].any()
        assert sorted(map(tuple, row[:n].tolist())) == sorted(map(tuple, before[:n].tolist()))


def test_the_order_of_points_and_the_batch_do_not_matter(model: OrderedPoints) -> None:
    counts, z, c = cloud(20)
    with torch.no_grad():
        density = model.log_density(counts, z, c)
        shuffled = z.clone()
        for row, n in zip(shuffled, counts.tolist(), strict=True):
            row[:n] = row[torch.randperm(n)]
        torch.testing.assert_close(model.log_density(counts, shuffled, c), density)
        alone = torch.cat([model.log_density(counts[i : i + 1], z[i : i + 1], c[i : i + 1]) for i in range(20)])
    torch.testing.assert_close(alone, density)


def test_a_cloud_of_one_point_integrates_to_one(model: OrderedPoints) -> None:
    # Components as wide as the grid can resolve.
    torch.nn.init.zeros_(model.of_free.bias)
    axis = torch.linspace(-10, 10, 41, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis, axis)
    z = torch.zeros(len(grid), 1, 3, dtype=torch.float64)
    z[:, 0] = grid
    one, c = torch.ones(len(grid), dtype=torch.long), torch.full((len(grid), 1), 0.3, dtype=torch.float64)
    with torch.no_grad():
        parts = [
            model.log_density(one[i : i + 60_000], z[i : i + 60_000], c[i : i + 60_000])
            for i in range(0, len(z), 60_000)
        ]
    total = torch.cat(parts).exp().sum() * 0.5**3
    assert float(total) == pytest.approx(1.0, abs=0.02)


def test_drawn_points_fall_in_pt_and_absent_ones_are_zero(model: OrderedPoints) -> None:
    counts = torch.tensor([4, 2, 1] * 30)
    noise = torch.randn(90, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        c = torch.zeros(90, 1, dtype=torch.float64)
        z = model.transport(noise, counts, c)
        assert torch.isfinite(model.log_density(counts, z, c)).all()
    assert torch.isfinite(z).all()
    for n, row in zip(counts.tolist(), z, strict=True):
        assert (row[:n, PT].diff() <= 1e-9).all()
        assert not row[n:].any()
