"""A tree of points, beside one whose nodes know their ancestors by name."""

from __future__ import annotations

import torch
from torch import nn

from generators.networks.branching_tree import BranchingTree
from generators.networks.three_layers import three_layers


def test_every_node_hears_of_its_own_ancestors() -> None:
    torch.manual_seed(1)
    tree = BranchingTree([6, 4, 3], [2, 3], known=1, overall=2, hidden=5).double()
    root, known = torch.randn(2, 6).double(), torch.randn(2, 1).double()
    out = tree(root, known)
    assert out.shape == (2, 6, 3)
    for cloud in range(2):
        # Nodes of a level with the list of all nodes above them.
        nodes = [(root[cloud], list[torch.Tensor]())]
        for level in tree.levels:
            values = torch.stack([value for value, _ in nodes])[None]
            beside = torch.cat([known[cloud], level.level(values, known[cloud : cloud + 1])[0]])
            grown = []
            for value, above in nodes:
                born = level.split(torch.cat([value, beside])).view(level.branches, -1)
                for child in born:
                    reduced = level.reduce(child + value)
                    family = [reduced, *(node[: level.outputs] for node in (*above, value))]
                    told = sum(torch.cat([member, beside]) for member in family)
                    grown.append((reduced + level.hear(told), [*above, value]))
            nodes = grown
        due = torch.stack([value for value, _ in nodes])
        torch.testing.assert_close(out[cloud], due)


def test_trees_of_a_batch_know_nothing_of_each_other() -> None:
    torch.manual_seed(2)
    tree = BranchingTree([6, 4, 3], [2, 3], known=1, overall=2, hidden=5)
    root, known = torch.randn(9, 6), torch.randn(9, 1)
    torch.testing.assert_close(tree(root, known)[4:5], tree(root[4:5], known[4:5]))


def test_rows_are_normed_and_not_batches() -> None:
    layers = three_layers(3, 2, hidden=8, linear=False)
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in layers)
    assert not any(parameter.ndim == 1 for parameter in layers.parameters())
