"""Reasoning among the sensors of an event: beside torch's own transformer layer, and who hears of whom."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from generators.errors import HyperparameterError
from generators.networks.relations import NoRelations, Relations


def test_it_is_a_transformer_layer_with_a_norm_behind() -> None:
    torch.manual_seed(1)
    ours = Relations(12, 3).double()
    theirs = nn.TransformerEncoderLayer(12, 3, 12, dropout=0.0, batch_first=True, norm_first=True).double()
    feed: Any = ours.feed
    pairs: list[tuple[Any, torch.Tensor]] = [
        (theirs.self_attn.in_proj_weight, ours.ask.weight),
        (theirs.self_attn.in_proj_bias, ours.ask.bias),
        (theirs.self_attn.out_proj.weight, ours.answer.weight),
        (theirs.self_attn.out_proj.bias, ours.answer.bias),
        (theirs.linear1.weight, feed[0].weight),
        (theirs.linear1.bias, feed[0].bias),
        (theirs.linear2.weight, feed[2].weight),
        (theirs.linear2.bias, feed[2].bias),
    ]
    with torch.no_grad():
        for there, here in pairs:
            there.copy_(here)
    x = torch.randn(4, 5, 12, dtype=torch.float64)
    torch.testing.assert_close(ours(x), ours.after(theirs(x)))


def test_sensors_hear_of_those_of_their_event_in_no_order() -> None:
    torch.manual_seed(2)
    network, x = Relations(8, 2), torch.randn(3, 6, 8)
    out, order = network(x), torch.randperm(6)
    torch.testing.assert_close(network(x[:, order]), out[:, order], atol=1e-5, rtol=1e-4)
    moved = x.clone()
    moved[0, 2] = torch.randn(8)
    changed = (network(moved) - out).abs().amax(dim=2) > 1e-5
    assert changed[0].all()
    assert not changed[1:].any()


def test_alone_they_stay_as_they_are_and_odd_heads_are_refused() -> None:
    x = torch.randn(2, 3, 4)
    assert NoRelations()(x) is x
    with pytest.raises(HyperparameterError, match="3 heads can not share a width of 8"):
        Relations(8, 3)
