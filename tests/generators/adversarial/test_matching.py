"""Terms that make what a critic sees alike: their values, their gradients, and when they end."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from generators.adversarial.losses import LOSSES
from generators.adversarial.matching import MATCHINGS, features, matching_of, mean_field
from generators.adversarial.phases import Adversaries, MakerLoss, Matching
from generators.adversarial.regularisation import weight_normed
from generators.errors import HyperparameterError


def test_mean_field_is_the_mean_square_of_every_pair() -> None:
    a, b = torch.randn(5, 3), torch.randn(5, 3)
    torch.testing.assert_close(mean_field([a], [b]), ((a - b) ** 2).sum(dim=1) / 3)


def test_features_are_compared_by_their_means_in_units_of_the_true_width() -> None:
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(4_000, 2, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 50.0])
    shifted = a[torch.randperm(4_000, generator=generator)] + torch.tensor([0.3, 15.0])
    found = features([a], [shifted])
    assert found.shape == (4_000,)
    # 0.3 widths in both columns, in whatever order the events are.
    torch.testing.assert_close(found, torch.full((4_000,), 0.3, dtype=torch.float64), atol=0.01, rtol=0)


@pytest.mark.parametrize("name", MATCHINGS)
def test_only_what_is_made_is_moved_and_towards_the_truth(name: str) -> None:
    a, b = torch.randn(50, 3, requires_grad=True), torch.full((50, 3), 4.0, requires_grad=True)
    matching_of(name)([a], [b]).sum().backward()
    assert a.grad is None
    assert b.grad is not None
    assert (b.grad > 0).all()


def test_unknown_is_named() -> None:
    with pytest.raises(HyperparameterError, match="matching 'colour'"):
        matching_of("colour")


class Still(nn.Module):
    """Makes ones, as a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(1))

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        return self.one.expand_as(x)


class Seeing(nn.Module):
    """A critic that scores nothing and sees everything."""

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.seen(x, c)[0]

    def seen(self, x: Tensor, c: Tensor) -> tuple[Tensor, list[Tensor]]:
        return x[:, :2] * 0, [x]


def test_the_term_is_there_in_the_first_steps_only_and_scores_are_added() -> None:
    loss = MakerLoss(Adversaries(Still(), Seeing()), LOSSES["least_squares"], Matching("mean_field", 2.0, steps=2))
    x, c = torch.zeros(4, 3), torch.zeros(4, 0)
    # Two scores, half of one each; the term is 2 · 1².
    assert [loss(x, c).mean().item() for _ in range(4)] == [3.0, 3.0, 1.0, 1.0]
    loss.eval()
    assert int(loss.made_steps) == 4
    loss(x, c)
    assert int(loss.made_steps) == 4
    again = MakerLoss(Adversaries(Still(), Seeing()), LOSSES["least_squares"], Matching("mean_field", 2.0, steps=2))
    again.load_state_dict(loss.state_dict())
    assert again(x, c).mean().item() == 1.0


def test_weight_norm_is_the_same_function_with_length_and_direction_apart() -> None:
    network = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))
    x = torch.randn(7, 3)
    before = network(x)
    normed = weight_normed(network)
    torch.testing.assert_close(normed(x), before)
    lengths = normed[0].parametrizations.weight.original0
    torch.testing.assert_close(normed[0].weight.norm(dim=1, keepdim=True), lengths)
    with torch.no_grad():
        normed[0].parametrizations.weight.original1.mul_(3)
    torch.testing.assert_close(normed(x), before)
