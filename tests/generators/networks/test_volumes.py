"""Networks on volumes: any size comes back, and a critic sees what differs."""

from __future__ import annotations

import pytest
import torch

from generators.networks.volumes import PairCritic, PostProcessor, VolumeDecoder, VolumeEncoder


@pytest.mark.parametrize("shape", [(1, 2, 3), (4, 5, 6), (7, 16, 9)])
def test_any_size_comes_back(shape: tuple[int, int, int]) -> None:
    x, known = torch.rand(2, *shape), torch.rand(2, 3)
    assert VolumeEncoder(shape, 3, 6, [2, 3, 2], [8, 4])(x, known).shape == (2, 6)
    assert VolumeDecoder(shape, 3, 5, [2, 3, 2, 2], [8, 4])(torch.rand(2, 5), known).shape == (2, *shape)
    assert PostProcessor(shape, 3, 4, norms=True)(x, known).shape == (2, *shape)
    assert PairCritic(shape, 3, 4)(torch.stack([x, 2 * x], dim=1), known).shape == (2,)


def test_a_critic_sees_difference_and_known() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        critic, x, known = PairCritic((3, 4, 4), 2, 6), torch.rand(3, 3, 4, 4), torch.rand(3, 2)
    with torch.no_grad():
        one = critic(torch.stack([x, x], dim=1), known)
        assert not torch.allclose(one, critic(torch.stack([0.5 * x, x], dim=1), known))
        assert not torch.allclose(one, critic(torch.stack([x, x], dim=1), known + 1))


def test_a_post_processor_begins_near_the_identity() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        post, x = PostProcessor((3, 4, 4), 2, 6, norms=False), 10 * torch.rand(3, 3, 4, 4)
        assert float((post(x, torch.rand(3, 2)) - x).abs().mean().detach()) < 0.5
