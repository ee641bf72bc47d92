"""The moving average of weights, by its definition."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from generators.training.averaging import Average, within


def test_each_step_leaves_the_part_decay_of_what_was_before() -> None:
    layer = nn.Linear(2, 2)
    average = Average([layer], 0.75)
    expected: list[torch.Tensor] = []
    for step in range(4):
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.full_like(parameter, float(step**2)))
        average.update()
        weights = [p.detach().clone() for p in layer.parameters()]
        expected = [0.75 * e + 0.25 * w for e, w in zip(expected, weights, strict=True)] if expected else weights
    for value, wanted in zip(average.values, expected, strict=True):
        torch.testing.assert_close(value, wanted)


def test_modules_have_it_inside_of_the_block_only() -> None:
    layer = nn.BatchNorm1d(3)
    average = Average([layer], 0.5)
    average.update()
    with torch.no_grad():
        layer.weight.add_(2.0)
    average.update()
    before = layer.weight.detach().clone()
    with average.applied([layer.running_mean]):  # type: ignore[list-item]
        torch.testing.assert_close(layer.weight, torch.full((3,), 2.0))
        layer(torch.ones(4, 3))
    torch.testing.assert_close(layer.weight, before)
    assert layer.running_mean is not None
    assert not layer.running_mean.any()


def test_a_parameter_of_two_modules_counts_once_and_a_checkpoint_brings_it_back() -> None:
    shared = nn.Linear(2, 1)
    average = Average([shared, nn.Sequential(shared)], 0.9)
    assert len(average.parameters) == 2
    average.update()
    other = Average([nn.Linear(2, 1)], 0.9)
    other.restore(average.to_tree())
    for value, wanted in zip(other.values, average.values, strict=True):
        torch.testing.assert_close(value, wanted)


@pytest.mark.parametrize("steps", [1, 5, 300, 2_000])
def test_at_the_end_of_a_short_training_its_beginning_is_forgotten(steps: int) -> None:
    layer = nn.Linear(1, 1, bias=False)
    average = Average([layer], within(0.999, steps))
    for step in range(steps + 1):
        with torch.no_grad():
            # The weights of the beginning, and others after it.
            layer.weight.fill_(float(step == 0))
        average.update()
    assert float(average.values[0]) <= 0.0101
    assert within(0.999, 10_000) == 0.999
