"""Features of a batch: as a loop makes them for 256 events, and the same whatever the size of the batch."""

from __future__ import annotations

import math

import pytest
import torch

from generators.networks.minibatch import MinibatchFeatures


def made() -> MinibatchFeatures:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return MinibatchFeatures(3, 2, 4)


def test_as_a_loop_makes_them() -> None:
    """For a batch of 256 it is the published tanh of the sum over all, the event itself included."""
    features, x = made(), 30 * torch.randn(256, 3, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found, at = features(x), features.project(x).view(256, 2, 4).tolist()
    for event in (0, 17):
        for projection in range(2):
            one = at[event][projection]
            total = sum(math.exp(-sum(abs(a - b) for a, b in zip(one, other[projection], strict=True))) for other in at)
            assert float(found[event, projection]) == pytest.approx(math.tanh(total), abs=1e-5)


def test_events_that_are_alike_have_larger_ones_than_others_in_batches_of_any_size() -> None:
    features, random = made(), torch.Generator().manual_seed(2)
    with torch.no_grad():
        alike = [float(features(0.01 * torch.randn(n, 3, generator=random)).mean()) for n in (64, 512)]
        apart = [float(features(10 * torch.randn(n, 3, generator=random)).mean()) for n in (64, 512)]
        one = features(torch.ones(1, 3))
    assert alike == pytest.approx([1, 1], abs=1e-3)
    # Sums over as many events as there are would differ by 0.12.
    assert apart[0] == pytest.approx(apart[1], abs=0.03)
    assert apart[0] < 0.95
    assert one[0].tolist() == pytest.approx([math.tanh(1)] * 2)
