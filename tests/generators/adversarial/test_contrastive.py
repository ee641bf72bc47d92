"""Terms of what images say of each other: by loops over pairs, and at values that are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from generators.adversarial.contrastive import data_to_data, intra_event, uniformity


def embeddings(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=-1)


def test_contrastive_term_by_loops() -> None:
    e, p, t = embeddings(3, 5, 4, seed=1), embeddings(5, 4, seed=2), 0.7
    for event in range(3):
        due = 0.0
        for i in range(5):
            near = math.exp(float(e[event, i] @ p[i]) / t)
            others = sum(math.exp(float(e[event, i] @ e[event, j]) / t) for j in range(5) if j != i)
            due -= math.log(near / (near + others)) / 5
        assert float(data_to_data(e, p, temperature=t)[event]) == pytest.approx(due)


def test_uniformity_by_loops_and_least_where_vectors_are_apart() -> None:
    e = embeddings(2, 4, 3, seed=3)
    for event in range(2):
        pairs = [
            math.exp(-2 * float((e[event, i] - e[event, j]).square().sum()))
            for i in range(4)
            for j in range(4)
            if i != j
        ]
        assert float(uniformity(e)[event]) == pytest.approx(math.log(sum(pairs) / 12))
    same, apart = torch.ones(1, 2, 1), torch.tensor([[[1.0], [-1.0]]])
    assert float(uniformity(same)) == pytest.approx(0, abs=1e-6)
    assert float(uniformity(apart)) == pytest.approx(-8)


def test_intra_event_term_is_a_divergence_of_events_and_leaves_true_ones_alone() -> None:
    true, made = (embeddings(3, 5, 4, seed=seed).requires_grad_() for seed in (4, 5))
    found = intra_event(true, made)
    assert found.shape == (3,)
    assert (found > 0).all()
    p, q = (torch.softmax(e[0] @ e[0].t(), dim=1).detach() for e in (true, made))
    assert float(found[0].detach()) == pytest.approx(float((p * (p / q).log()).sum(dim=1).mean()))
    assert float(intra_event(true, true).detach().abs().max()) == pytest.approx(0, abs=1e-12)
    # Who the images are is of no account, only how alike they are.
    turned = true @ torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
    assert float(intra_event(true, turned).detach().abs().max()) == pytest.approx(0, abs=1e-12)
    found.sum().backward()
    assert true.grad is None
    assert made.grad is not None
