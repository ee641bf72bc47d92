"""The distance to held-out showers: least for showers of the same kind, more for others and for one of a kind."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from generators.showers.images_held_out import DistanceToHeldOut, summaries
from generators.showers.voxel_images import Images
from generators.training.batches import TrainingData
from tests.generators.showers.toys import THRESHOLD, of_mixed

IMAGES = Images(((1, 2), (2, 2), (2, 2), (3, 1)), 1, 0, given=False)


class Drawn(nn.Module):
    """Gives what it was told to."""

    widest = 13

    def __init__(self, z: Tensor) -> None:
        super().__init__()
        self.z, self.images = z, IMAGES

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        return self.z[: len(x)]


def test_showers_of_the_same_kind_are_nearest() -> None:
    sets = []
    for seed in (1, 2):
        x, c = of_mixed(400, seed)
        z = torch.as_tensor(x / THRESHOLD).float()
        known = torch.as_tensor(c[:, [0, 0]]).float()
        sets.append((z, known))
    held_out = TrainingData(sets[0][0], sets[0][1], torch.ones(400))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        same, less, alike = (
            DistanceToHeldOut()(Drawn(z), held_out)
            for z in (sets[1][0], 0.7 * sets[1][0], sets[1][0][:1].expand(400, -1))
        )
    assert same < 0.15
    assert less > 1.5 * same
    assert alike > 2 * same


def test_summaries_of_one_shower() -> None:
    """Two of ten thresholds in the first layer, eight in a corner of the second, of 5 GeV."""
    z = torch.zeros(1, 13)
    z[0, 1], z[0, 5] = 2, 8
    found = summaries(z, torch.tensor([[0.0, 5.0]]), IMAGES)[0].tolist()
    assert len(found) == 1 + 7 * 4
    assert found[:8] == pytest.approx([0.7885, 0.2, 0.5, 1, 0, 0, 1, 0], abs=1e-4)
    assert found[8:15] == pytest.approx([0.8, 0.25, 1, 1, 0, 1, 0], abs=1e-4)
    assert found[15:] == pytest.approx([0] * 14)
