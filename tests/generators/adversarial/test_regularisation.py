"""The orthogonal term; penalties and norms of critics are tried in `test_adversarial`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from generators.adversarial.regularisation import orthogonal_penalty, spectrally_normed


def test_it_is_what_is_beside_the_diagonal_of_the_products_of_rows() -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(3, 7), nn.Conv2d(2, 3, 3), nn.Embedding(4, 5), nn.LayerNorm(3))
    due = 0.0
    for layer in list(network)[:2]:
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        rows = layer.weight.detach().flatten(1)
        product = rows @ rows.t()
        due += float((product - product.diag().diag()).square().sum())
    assert float(orthogonal_penalty(network).detach()) == pytest.approx(due, rel=1e-5)


def test_orthogonal_rows_have_none_and_a_norm_takes_no_step() -> None:
    layer = nn.Linear(8, 4)
    nn.init.orthogonal_(layer.weight)
    assert float(orthogonal_penalty(layer).detach()) == pytest.approx(0, abs=1e-10)
    nn.init.normal_(layer.weight)
    plain = float(orthogonal_penalty(layer).detach())
    normed = spectrally_normed(layer)
    state = {key: value.clone() for key, value in normed.state_dict().items()}
    assert float(orthogonal_penalty(normed).detach()) == pytest.approx(plain)
    assert all(torch.equal(state[key], value) for key, value in normed.state_dict().items())
