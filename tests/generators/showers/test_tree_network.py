"""The network of pieces: nothing is known too early, and what is known is used."""

from __future__ import annotations

import torch

from generators.showers.energy_tree import EnergyTree, Pieces
from generators.showers.pieces import PieceDistribution, TotalDistribution
from generators.showers.tree_network import ShowerLikelihood, TreeNetwork
from tests.generators.showers.toys import LAYERS, THRESHOLD, showers


def network() -> TreeNetwork:
    """Random weights everywhere."""
    tree = EnergyTree(LAYERS, [1, 0])
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = TreeNetwork(
            tree,
            1,
            hidden=24,
            local=8,
            pieces=PieceDistribution(2),
            total=TotalDistribution(2),
            symmetries=tree.symmetries(),
        )
        for parameter in made.parameters():
            parameter.data = 0.3 * torch.randn_like(parameter)
    return made.eval().requires_grad_(False)


def test_a_piece_depends_on_those_before_and_on_no_other() -> None:
    made = network()
    pieces = made.tree.split(torch.as_tensor(showers(1, 8)[0]) / THRESHOLD)
    pieces = Pieces(pieces.energies.float(), pieces.before.float(), pieces.choice)
    columns = made.columns(torch.zeros(1, 1), torch.ones(1, 1))
    usual = made.parameters_of(pieces, columns)
    for node in range(made.tree.nodes):
        later = pieces.energies.clone()
        later[:, node : made.tree.nodes] += 3
        changed = made.parameters_of(Pieces(later, pieces.before, pieces.choice), columns)
        assert torch.equal(changed[:, : node + 1], usual[:, : node + 1])
        assert node + 1 == made.tree.nodes or not torch.equal(changed[:, node + 1 :], usual[:, node + 1 :])


def test_training_rotates_and_evaluation_does_not() -> None:
    made = network()
    z = torch.as_tensor(showers(200, 9)[0]).float() / THRESHOLD
    c = torch.zeros(200, 2)
    loss = ShowerLikelihood(made).eval()
    assert torch.equal(loss(z, c), -made.log_density(z, c))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        assert not torch.equal(loss.train()(z, c), -made.log_density(z, c))
