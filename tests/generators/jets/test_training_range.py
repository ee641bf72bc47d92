"""Where constituents of the training lie: nothing that few steps make lies beyond."""

from __future__ import annotations

import torch

from generators.jets.training_range import TrainingRange
from generators.training.containers import RaggedTensor


def test_nothing_is_kept_before_the_range_is_known_and_nothing_leaves_it_then() -> None:
    z = torch.randn(50, 4, 2)
    far = 100 * torch.randn(20, 4, 2)
    known = TrainingRange(2)
    assert torch.equal(known(far), far)
    known.know(z[:0])
    assert torch.equal(known(far), far)
    known.know(z)
    assert torch.equal(known(z), z)
    assert torch.equal(known(far).flatten(0, 1).amax(0), z.flatten(0, 1).amax(0))
    assert torch.equal(known(far).flatten(0, 1).amin(0), z.flatten(0, 1).amin(0))
    again = TrainingRange(2)
    again.load_state_dict(known.state_dict())
    assert torch.equal(again(far), known(far))


def test_ragged_points_are_all_looked_at() -> None:
    known = TrainingRange(2)
    known.know(RaggedTensor(torch.tensor([[1.0, -2.0], [3.0, 0.0], [2.0, 5.0]]), torch.tensor([0, 1, 1, 3]), 2))
    assert known(torch.tensor([[-9.0, -9.0], [9.0, 9.0]])).tolist() == [[1.0, -2.0], [3.0, 5.0]]


def test_parts_have_the_range_of_the_whole() -> None:
    z = torch.randn(50, 4, 2)
    one, other = TrainingRange(2), TrainingRange(2)
    one.know(z)
    other.know_all([z[:20], z[:0], z[20:]])
    assert torch.equal(one.low, other.low)
    assert torch.equal(one.high, other.high)
