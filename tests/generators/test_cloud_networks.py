from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from generators.jets.lengths import by_length, prefix_mask
from generators.networks.cross_attention import CrossAttention
from generators.networks.epic import Epic
from generators.networks.split_linear import SplitLinear, weights_once
from generators.networks.transformer import Transformer

NETWORKS: dict[str, Any] = {
    "epic": lambda: Epic(3, 2, hidden=16, layers=2, latent=4),
    "epic-plain": lambda: Epic(3, 2, hidden=16, layers=2, latent=4, weight_norm=False, context_at_points=False),
    "transformer": lambda: Transformer(3, 2, width=16, layers=2, heads=2, hidden=24),
    "cross_attention": lambda: CrossAttention(3, 2, width=16, layers=2, heads=2, tokens=2),
}


@pytest.fixture(params=list(NETWORKS))
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(3)
    made: nn.Module = NETWORKS[request.param]().double()
    # Away from the zero field that some start as.
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.6)
    return made


def clouds(*counts: int, points: int = 9) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, t, c and mask of clouds of such sizes."""
    generator = torch.Generator().manual_seed(5)
    n = len(counts)
    mask = prefix_mask(torch.tensor(counts), points)
    x = torch.randn(n, points, 3, generator=generator, dtype=torch.float64) * mask[..., None]
    t, c = (torch.rand(shape, generator=generator, dtype=torch.float64) for shape in ((n,), (n, 2)))
    return x, t, c, mask


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (lambda: Epic(3, 0), 561_330),
        (lambda: Epic(3, 2), 566_852),
        (lambda: Epic(3, 0, weight_norm=False), 558_569),
        (lambda: Epic(3, 4, hidden=150, layers=8, latent=256), 1_989_966),
        (lambda: Epic(13, 12, hidden=300, layers=20, latent=16, context_at_points=False), 8_504_698),
        (lambda: Transformer(3, 2), 730_051),
    ],
    ids=["epic-fm", "epic-fm-conditional", "epic-fm-plain", "epic-fm-lhco", "beyond-kinematics", "pc-jedi"],
)
def test_published_networks_have_the_published_number_of_parameters(build: Any, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in build().parameters()) == parameters


class TestNetworks:
    def test_permuted_points_have_permuted_velocities(self, network: nn.Module) -> None:
        x, t, c, mask = clouds(9, 4, 1, 7)
        order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
        one = network(x, t, c, mask)[:, order]
        other = network(x[:, order], t, c, mask[:, order])
        assert (one - other).abs().max() < 1e-12
        assert one.abs().max() > 1e-3

    def test_absent_points_are_not_seen_and_do_not_move(self, network: nn.Module) -> None:
        x, t, c, mask = clouds(5, 3, 1)
        wide = network(x, t, c, mask)
        narrow = network(x[:, :5], t, c, mask[:, :5])
        assert (wide[:, :5] - narrow).abs().max() < 1e-12
        disturbed = torch.where(mask[..., None], x, 1e3)
        assert (network(disturbed, t, c, mask) - wide).abs().max() < 1e-12
        assert (wide[~mask] == 0).all()

    def test_points_see_each_other_the_time_and_the_context(self, network: nn.Module) -> None:
        x, t, c, mask = clouds(5, 5)
        first = network(x, t, c, mask)[:, 0]
        moved = x.clone()
        moved[:, 3] += 1.0
        assert (network(moved, t, c, mask)[:, 0] - first).abs().max() > 1e-9
        assert (network(x, t + 0.1, c, mask)[:, 0] - first).abs().max() > 1e-9
        assert (network(x, t, c + 0.5, mask)[:, 0] - first).abs().max() > 1e-9

    def test_clouds_do_not_see_each_other(self, network: nn.Module) -> None:
        x, t, c, mask = clouds(6, 2, 4)
        alone = network(x[1:2], t[1:2], c[1:2], mask[1:2])
        assert (network(x, t, c, mask)[1:2] - alone).abs().max() < 1e-12

    def test_one_time_for_all_is_that_time_for_each(self, network: nn.Module) -> None:
        x, _, c, mask = clouds(6, 2, 4)
        t = torch.tensor(0.3, dtype=torch.float64)
        assert torch.equal(network(x, t, c, mask), network(x, t.expand(3), c, mask))

    def test_a_cloud_of_nothing_has_finite_gradients(self, network: nn.Module) -> None:
        x, t, c, mask = clouds(0, 3)
        out = network(x, t, c, mask)
        out.square().sum().backward()
        assert (out[0] == 0).all()
        assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("weight_norm", [False, True])
def test_split_linear_is_a_linear_layer_of_the_concatenation(weight_norm: bool) -> None:
    torch.manual_seed(1)
    layer = SplitLinear(3, 2, 4, out=5, weight_norm=weight_norm).double()
    points, one, two = torch.randn(6, 7, 3).double(), torch.randn(6, 2).double(), torch.randn(6, 4).double()
    joined = torch.cat([points, one[:, None].expand(-1, 7, -1), two[:, None].expand(-1, 7, -1)], dim=2)
    weight = layer.direction
    if weight_norm:
        with torch.no_grad():
            layer.scale.mul_(1.7)
        weight = layer.scale * weight / weight.norm(dim=1, keepdim=True)
    expected = joined @ weight.T + layer.bias
    assert torch.allclose(layer(points, one, two), expected, atol=1e-12)
    no_points = SplitLinear(2, 4, out=5).double()
    joined = torch.cat([one, two], dim=1)
    assert torch.allclose(no_points(one, two), joined @ no_points.direction.T + no_points.bias, atol=1e-12)


def test_weights_computed_once_have_the_gradients_of_weights_computed_in_every_call() -> None:
    torch.manual_seed(4)
    layer = SplitLinear(3, 2, out=5, weight_norm=True).double()
    points, rows = torch.randn(4, 6, 3).double(), torch.randn(4, 2).double()

    def gradients() -> list[Tensor]:
        loss = sum(layer(points[part], rows[part]).square().sum() for part in (slice(0, 1), slice(1, 4)))
        return list(torch.autograd.grad(loss, tuple(layer.parameters())))

    expected = gradients()
    with weights_once(layer):
        assert layer.weight is layer.weight
        found = gradients()
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, expected, strict=True))
    assert layer.scale is not None
    with torch.no_grad():
        before = layer(points, rows)
        layer.scale.mul_(2.0)
        assert not torch.allclose(layer(points, rows), before)


@pytest.mark.parametrize("rows", [None, 1, 3, 50])
def test_cut_parts_are_the_whole(rows: int | None) -> None:
    torch.manual_seed(2)
    counts = torch.tensor([3, 0, 8, 5, 5, 1, 8])
    x = torch.randn(7, 8, 2) * prefix_mask(counts, 8)[..., None]
    scale = torch.rand(7)
    widths = []

    def points(counts: Tensor, x: Tensor, scale: Tensor) -> Tensor:
        widths.append(x.shape[1])
        return x * scale[:, None, None] + prefix_mask(counts, x.shape[1])[..., None]

    whole = points(counts, x, scale)
    widths.clear()
    assert torch.equal(by_length(points, counts, x, scale, rows=rows), whole)
    assert max(widths) == 8
    assert rows in (50, None) or min(widths) < 8
    totals = by_length(lambda counts, x, scale: points(counts, x, scale).sum(dim=(1, 2)), counts, x, scale, rows=rows)
    assert torch.allclose(totals, whole.sum(dim=(1, 2)))
