"""Sets of points: a coupling is undone by its inverse, knows its determinant, and follows a permutation."""

from __future__ import annotations

import torch

from generators.flows.rational_quadratic import RationalQuadratic
from generators.networks.point_set import PointSet, SetCoupling


def test_the_order_of_points_changes_nothing_and_absent_ones_are_not_seen() -> None:
    torch.manual_seed(1)
    network, x = PointSet(3, each=[8, 8], whole=[4]).double(), torch.randn(2, 5, 3, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    out = network(x, mask)
    torch.testing.assert_close(network(x[:, [1, 0, 4, 2, 3]], mask[:, [1, 0, 4, 2, 3]]), out)
    torch.testing.assert_close(network(x[1:, :2], mask[1:, :2]), out[1:])


def test_a_coupling_is_undone_and_knows_its_determinant() -> None:
    torch.manual_seed(2)
    step = SetCoupling([True, False, True], 2, RationalQuadratic(4, 3.0), each=[6], whole=[5], hidden=[7]).double()
    torch.nn.init.normal_(step.body[-1].weight, std=1.0)
    x, known = torch.randn(2, 4, 3, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    mask = torch.tensor([[True] * 4, [True] * 3 + [False]])
    z, log_det = step(x, mask, known)
    back, other = step.inverse(z, mask, known)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(other, -log_det)
    jacobian = torch.autograd.functional.jacobian(lambda rows: step(rows, mask[:1], known[:1])[0], x[:1])
    due = torch.linalg.slogdet(jacobian.reshape(12, 12))[1]
    torch.testing.assert_close(log_det[0], due)
    order = torch.tensor([2, 0, 1, 3])
    torch.testing.assert_close(step(x[:, order], mask[:, order], known)[0], z[:, order])


def test_no_clouds_are_fine() -> None:
    step = SetCoupling([True, False], 1, RationalQuadratic(4, 3.0), each=[6], whole=[5], hidden=[7])
    x, log_det = step.inverse(torch.empty(0, 3, 2), torch.empty(0, 3, dtype=torch.bool), torch.empty(0, 1))
    assert (x.shape, log_det.shape) == ((0, 3, 2), (0,))
