"""How many constituents a jet has."""

from __future__ import annotations

import torch

from generators.jets.multiplicity import Multiplicity


def test_probabilities_of_all_numbers_add_up_to_one_and_draws_follow_them() -> None:
    torch.manual_seed(0)
    model = Multiplicity(1, 5)
    with torch.no_grad():
        c = torch.tensor([[0.7]])
        each = torch.stack([model.log_prob(torch.tensor([n]), c)[0] for n in range(6)]).exp()
        torch.testing.assert_close(each.sum(), torch.tensor(1.0))
        n = 100_000
        drawn = model.draw(c.expand(n, 1), torch.Generator().manual_seed(1))
    found = torch.bincount(drawn, minlength=6) / n
    assert ((found - each).abs() < 5 * (each * (1 - each) / n).sqrt() + 1e-6).all()


def test_the_same_seed_draws_the_same() -> None:
    torch.manual_seed(0)
    model, c = Multiplicity(1, 5), torch.randn(100, 1)
    first, second = (model.draw(c, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
