"""The flow of whole jets: its density integrates to one, is that of its draws, and needs the padding not."""

from __future__ import annotations

import torch

from generators.jets.flattened import FlattenedFlow


def flow(points: int, features: int) -> FlattenedFlow:
    torch.manual_seed(2)
    made = FlattenedFlow(points, features, 1, blocks=3, hidden=8, layers=1, bins=4, tail_bound=3.0).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return made.requires_grad_(False)


def test_density_of_two_numbers_integrates_to_one_for_every_number_of_points() -> None:
    made = flow(2, 1)
    line = torch.linspace(-7, 7, 281).double()
    step = float(line[1] - line[0])
    both = torch.cartesian_prod(line, line)[..., None]
    c = torch.full((len(both), 1), 0.3).double()
    assert abs(float(made.log_prob(both, torch.full((len(both),), 2), c).exp().sum()) * step**2 - 1) < 6e-3
    # A spline may have a spike that is narrower than that step.
    line = torch.linspace(-7, 7, 50_001).double()
    one, n = torch.stack([line, torch.zeros_like(line)], dim=1)[..., None], torch.ones(len(line), dtype=torch.long)
    whole = float(made.log_prob(one, n, torch.full((len(line), 1), 0.3).double()).exp().sum() * (line[1] - line[0]))
    assert abs(whole - 1) < 1e-3


def test_draws_have_the_density_that_they_say() -> None:
    """By the change of variables: log p of what noise becomes is that of the noise less the log-determinant."""
    made, n = flow(4, 3), torch.tensor([0, 1, 3, 4])
    noise = torch.randn(4, 4, 3).double() * (torch.arange(4) < n[:, None])[..., None]
    c = torch.rand(4, 1).double()
    drawn = made.transport(noise, n, c)
    assert bool((drawn[noise == 0] == 0).all())
    row, k = 2, 3
    jacobian = torch.autograd.functional.jacobian(
        lambda x: made.transport(torch.cat([x, noise[row, k:]])[None], n[row : row + 1], c[row : row + 1])[0, :k],
        noise[row, :k],
    )
    log_det = torch.linalg.slogdet(jacobian.reshape(3 * k, 3 * k)).logabsdet  # type: ignore[attr-defined]
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise[row, :k]).sum()
    torch.testing.assert_close(made.log_prob(drawn, n, c)[row], normal - log_det)


def test_clouds_may_be_cut_after_their_last_point() -> None:
    made, n, c = flow(4, 3), torch.tensor([2, 1]), torch.rand(2, 1).double()
    z = torch.randn(2, 4, 3).double() * (torch.arange(4) < n[:, None])[..., None]
    torch.testing.assert_close(made.log_prob(z[:, :2], n, c), made.log_prob(z, n, c))
    torch.testing.assert_close(made.transport(z[:, :2], n, c), made.transport(z, n, c)[:, :2])
