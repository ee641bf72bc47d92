"""Charge and type of particles together: exact probabilities, nothing that can not be, and standard normal numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generators.bijections.joint_levels import JointLevels
from generators.errors import ShapeError

#: Charge, and flags of charged hadron, neutral hadron, photon, electron and muon, with their shares.
PARTICLES = torch.tensor(
    [
        [1, 1, 0, 0, 0, 0],
        [-1, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [-1, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 1],
        [-1, 0, 0, 0, 0, 1],
    ]
).double()
SHARES = torch.tensor([0.25, 0.25, 0.12, 0.33, 0.015, 0.015, 0.01, 0.01])


def particles(n: int, seed: int) -> torch.Tensor:
    return PARTICLES[torch.multinomial(SHARES, n, replacement=True, generator=torch.Generator().manual_seed(seed))]


@pytest.fixture(scope="module")
def fitted() -> JointLevels:
    made: JointLevels = JointLevels().fit(particles(20_000, 1))
    return made


def test_there_and_back_with_any_noise(fitted: JointLevels) -> None:
    x = particles(3_000, 2)
    noise = torch.rand(3_000, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    noise[0], noise[1] = 0, 1 - 2.0**-53
    z, log_det = fitted.forward(x, noise=noise)
    assert torch.equal(fitted.inverse(z), x)
    assert bool(torch.isfinite(z).all())
    assert bool(torch.isfinite(log_det).all())


def test_what_is_drawn_can_be_wherever_z_lies(fitted: JointLevels) -> None:
    drawn = fitted.inverse(8 * torch.randn(20_000, 6, dtype=torch.float64))
    known = {tuple(row) for row in PARTICLES.tolist()}
    assert {tuple(row) for row in drawn.tolist()} <= known
    normal = fitted.inverse(torch.randn(50_000, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4)))
    for row, share in zip(PARTICLES, SHARES, strict=True):
        assert float((normal == row).all(dim=1).double().mean()) == pytest.approx(float(share), abs=0.012)


def test_z_is_standard_normal_and_probabilities_are_the_shares(fitted: JointLevels) -> None:
    x = particles(20_000, 5)
    noise = torch.rand(20_000, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    z, log_det = fitted.forward(x, noise=noise)
    assert np.abs(z.mean(dim=0).numpy()).max() < 0.03
    assert np.abs(np.corrcoef(z.T.numpy()) - np.eye(6)).max() < 0.03
    # With a standard normal density P(x) is its share, whatever the noise.
    log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=1) + log_det
    for row, share in zip(PARTICLES, SHARES, strict=True):
        mine = (x == row).all(dim=1)
        np.testing.assert_allclose(log_p[mine].exp().numpy(), float(share), atol=0.012)
        assert float(log_p[mine].std()) < 1e-6


def test_what_can_not_be_has_no_density(fitted: JointLevels) -> None:
    wrong = torch.tensor([[0, 0, 0, 0, 1, 0], [1, 1, 0, 0, 1, 0], [0.5, 1, 0, 0, 0, 0]]).double()
    assert bool((fitted.forward(wrong)[1] == -np.inf).all())


def test_continuous_columns_are_refused() -> None:
    with pytest.raises(ShapeError, match="5,000 different combinations of 2 columns"):
        JointLevels().fit(torch.randn(5_000, 2).double())
