"""Kernels of sorted voxels and of latent vectors against loops, and a post-processor that first learns its input."""

from __future__ import annotations

import math

import pytest
import torch

from generators.registry import create
from generators.showers.bib_ae_losses import LatentCritic, PairLoss, PostLoss, SortedKernels, latent_discrepancy


def sorted_voxels(seed: int) -> torch.Tensor:
    return torch.rand(2, 12, generator=torch.Generator().manual_seed(seed)).sort(dim=1, descending=True).values


def test_kernels_of_sorted_voxels() -> None:
    """As a loop makes it: windows of four voxels every three among the first eight."""
    kernels, a, b = SortedKernels((200.0, 4.0), 4, 3, 8), sorted_voxels(1), sorted_voxels(2)
    due = []
    for one, two in zip(a.tolist(), b.tolist(), strict=True):
        terms = []
        for alpha in (200.0, 4.0):
            for start in (0, 3, 6):
                x, y = one[start : start + 4], two[start : start + 4]
                means = [
                    sum(math.exp(-alpha * (p - q) ** 2) for p in first for q in second) / 16
                    for first, second in ((x, x), (y, y), (x, y))
                ]
                terms.append(means[0] + means[1] - 2 * means[2])
        due.append(sum(terms) / len(terms))
    assert kernels(a, b).tolist() == pytest.approx(due, abs=1e-6)
    assert kernels(a, a).tolist() == pytest.approx([0, 0], abs=1e-6)


def test_discrepancy_of_latent_vectors() -> None:
    """Nothing for the same vectors, less for normal ones than for others, and as a loop makes it."""
    random = torch.Generator().manual_seed(1)
    normal, other, far = (torch.randn(40, 3, generator=random) + shift for shift in (0.0, 0.0, 2.0))
    assert float(latent_discrepancy(normal, normal)) == pytest.approx(0, abs=1e-6)
    assert float(latent_discrepancy(other, normal)) < 0.1 * float(latent_discrepancy(far, normal))
    due = 0.0
    for alpha in (1.0, 0.01):
        for first, second, sign in ((far, far, 1), (normal, normal, 1), (far, normal, -2)):
            pairs = [
                math.exp(-alpha * sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))
                for a in first.tolist()
                for b in second.tolist()
            ]
            due += sign * sum(pairs) / len(pairs)
    assert float(latent_discrepancy(far, normal)) == pytest.approx(due, abs=1e-5)


def test_losses_have_the_signs_of_the_paper() -> None:
    """A step of the critic of pairs parts true and made; a post-processor imitates first and then minds the voxels."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        generator = create(
            {"kind": "bib_ae", "layers": [[2, 3]] * 3, "latent": 4, "active": 2, "encoder_widths": [2, 2]}
            | {"decoder_widths": [2, 2, 2], "hidden": [8], "critic_width": 4, "post_width": 4}
        )
        maker, critic = generator.build((18,), 1), generator.critic(1)
        x, c = 20 * torch.rand(6, 18), torch.ones(6, 2)
        loss = PairLoss(maker, critic, 0.0)
        true = maker.volume(x)
        torch.manual_seed(2)
        made = maker.reconstructed(true, c)[0].detach()
        scores = [critic(torch.stack([true, second], dim=1), maker.known(c)) for second in (true, made)]
        torch.manual_seed(2)
        assert torch.allclose(loss(x, c), scores[1] - scores[0], atol=1e-5)
        post = PostLoss(maker, SortedKernels((200.0,), 4, 4, 8), weight=1e6, error=0.0, imitating=2)
        sizes = [float(post(x, c).detach().mean()) for _ in range(3)]
        assert sizes[2] > 100 * sizes[1]
        assert LatentCritic()(torch.zeros(5, 1)).shape == (5,)
