"""What a network offers beside its loss: statistics of all that it learns from, and where it computes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generators.conditional_network import WithStatistics, after_epoch, device_of
from generators.training.batches import TrainingData


class Mean(nn.Module, WithStatistics):
    def __init__(self) -> None:
        super().__init__()
        self.of_all, self.known = torch.zeros(1), torch.zeros(1)

    def after_epoch(self, z: Tensor, c: Tensor) -> None:
        self.of_all, self.known = z.mean(dim=0), c.mean(dim=0)


def test_statistics_are_of_the_rows_that_take_part_alone() -> None:
    data = TrainingData(torch.arange(4.0)[:, None], torch.arange(4.0)[:, None] + 10, torch.ones(4))
    model = Mean()
    after_epoch(model, TrainingData(data.x, data.context, data.weights, index=torch.tensor([1, 3])))
    assert model.of_all.tolist() == [2.0]
    assert model.known.tolist() == [12.0]
    after_epoch(nn.Linear(1, 1), data)  # that of others is left alone


def test_a_network_is_where_its_weights_are() -> None:
    assert device_of(nn.Linear(1, 1).to("meta")).type == "meta"
    assert device_of(Mean()).type == "cpu"
