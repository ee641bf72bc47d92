"""The system epic_fm: registered under its name, and equivariant under permutations of constituents."""

from __future__ import annotations

import torch

from generators.jets.epic_fm import EpicFM
from generators.jets.flow_matching import CloudFlowMatching
from generators.registry import create, generator_class


def test_it_is_found_by_its_name_and_keeps_its_hyperparameters() -> None:
    assert generator_class("epic_fm") is EpicFM
    assert issubclass(EpicFM, CloudFlowMatching)
    made = EpicFM(hidden=8, layers=2, latent=4, frequencies=2)
    again = create({"kind": "epic_fm", **made.hyperparameters()})
    assert again.hyperparameters() == made.hyperparameters()


def test_its_velocity_follows_a_permutation_and_is_zero_where_nothing_is() -> None:
    torch.manual_seed(1)
    network = EpicFM(hidden=8, layers=2, latent=4, frequencies=2).velocity(3, 2).double().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    x = torch.randn(2, 4, 3, dtype=torch.float64) * mask[..., None]
    t, c = torch.rand(2, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        out = network(x, t, c, mask)
        torch.testing.assert_close(network(x[:, order], t, c, mask[:, order]), out[:, order])
    assert not out[~mask].any()
    assert out[mask].any()
