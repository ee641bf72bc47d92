"""Compiled draws of pieces: probabilities and sizes are those of parameters that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from generators.showers import tree_kernels
from generators.showers.energy_tree import EnergyTree
from generators.showers.pieces import NARROWEST, WIDEST, PieceDistribution
from generators.showers.tree_network import LOG_UNIT, TreeNetwork, Weights

SHOWERS, TOTAL = 6_000, 50.0


def drawn(logits: tuple[float, float, float], place: float, width: float) -> np.ndarray:
    """Energies of two rings of a shower of 50, of a network that gives the first one these parameters."""
    tree, pieces = EnergyTree([[1, 2]], [0]), PieceDistribution(1)
    made = TreeNetwork(tree, 0, hidden=6, local=2, pieces=pieces, total=None, symmetries=tree.symmetries())
    with torch.no_grad():
        # The pieces are the layer, which is all of the shower, and its two rings.
        made.outputs.bias.view(tree.nodes, -1)[1] = torch.tensor([*logits, 0.0, place, width])
        energies = torch.zeros(SHOWERS, tree.slots, dtype=torch.float64)
        energies[:, tree.nodes] = TOTAL
        columns = made.columns(torch.zeros(SHOWERS, 0), energies[:, tree.nodes : -1].float())
        layers = (made.first, made.second)
        beside = torch.stack([own(columns) + layer.bias for own, layer in zip(made.beside, layers, strict=True)])
    parts = (tree.neighbours, tree.parent, tree.first, tree.last)
    tree_kernels.draw(
        np.random.default_rng(4),
        energies.numpy(),
        columns.numpy(),
        beside.numpy(),
        Weights.of(made).fields(),
        tuple(part.numpy() for part in parts),
        LOG_UNIT,
        (NARROWEST, WIDEST),
    )
    assert energies[:, 0].eq(TOTAL).all()
    assert torch.allclose(energies[:, 1:3].sum(dim=1), energies[:, 0])
    return energies[:, 1].numpy()


def test_probabilities_of_nothing_and_all_and_sizes_of_parts() -> None:
    first = drawn((0.0, 1.0, -1.0), place=0.7, width=-0.5)
    weights = np.exp([0.0, 1.0, -1.0])
    due = weights / weights.sum()
    found = [(first == 0).mean(), ((first > 0) & (first < TOTAL)).mean(), (first == TOTAL).mean()]
    assert found == pytest.approx(due, abs=4 * 0.5 / np.sqrt(SHOWERS))
    part = first[(first > 0) & (first < TOTAL)]
    y = np.log((part - 1) / (TOTAL - 1 - part))
    assert stats.kstest(y, stats.logistic(0.7, np.exp(-0.5)).cdf).pvalue > 1e-3
