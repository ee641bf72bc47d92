"""The flow of a latent vector: its density is that of its draws."""

from __future__ import annotations

import torch

from generators.flows.rational_quadratic import RationalQuadratic
from generators.showers.latent_prior import latent_prior


def test_density_is_that_of_the_map() -> None:
    torch.manual_seed(1)
    flow = latent_prior(3, 2, RationalQuadratic(4, 3.0), blocks=4, hidden=8, layers=2)
    noise, c = torch.randn(1, 3, dtype=torch.float64), torch.randn(1, 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda rows: flow.transport(rows, c), noise).reshape(3, 3)
    due = torch.distributions.Normal(0.0, 1.0).log_prob(noise).sum() - torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(flow.log_density(flow.transport(noise, c), c)[0], due)
    assert torch.linalg.matrix_rank(jacobian) == 3
    assert (jacobian != 0).sum() > 3
