"""Ensembles: the contract of densities, and that members do not know of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from generators.errors import HyperparameterError
from generators.registry import create
from generators.tabular.ensemble import SHARES
from generators.training.batches import SharedData, TrainingData, ordered, shuffled
from generators.training.loop import train
from generators.training.members import Members
from generators.training.phases import Phase, trainable
from generators.training.settings import TrainingSettings

from ..contracts import DensityContract, gaussian_events, name_of

MEMBER = {
    "kind": "autoregressive_spline",
    "hidden": 16,
    "training": {"steps": 350, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": None},
}
SPECIFICATIONS: tuple[dict[str, Any], ...] = (
    {"kind": "ensemble", "members": 2, "generator": MEMBER},
    {"kind": "ensemble", "members": 2, "vary": "bootstraps", "generator": MEMBER},
)


@pytest.fixture(scope="module", params=SPECIFICATIONS, ids=name_of)
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(DensityContract):
    pass


def alone(model: nn.Module) -> Phase:
    return Phase("line", model, trainable(model))


class Line(nn.Module):
    """Squared distance from a line, with a statistic of its own."""

    offset: Tensor

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.slope = nn.Parameter(torch.randn(1, 1, generator=generator))
        self.inner = nn.Linear(1, 1)
        self.inner.weight.data = torch.randn(1, 1, generator=generator)
        nn.init.zeros_(self.inner.bias)
        self.register_buffer("offset", torch.zeros(1))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return (x - self.inner(context @ self.slope) - self.offset).square().sum(dim=1)

    def after_epoch(self, x: Tensor) -> None:
        self.offset.copy_(0.1 * x.mean(dim=0))


def _after_epoch(model: nn.Module, data: TrainingData) -> None:
    if isinstance(model, Members):
        assert isinstance(data, SharedData)
        model.visit(_after_epoch, data)
    else:
        assert isinstance(model, Line)
        whole = data.whole()
        model.after_epoch(whole.x * whole.weights[:, None])


def line_data(n: int = 400) -> TrainingData:
    generator = torch.Generator().manual_seed(0)
    c = torch.rand(n, 1, generator=generator)
    return TrainingData(2 * c + 0.1 * torch.randn(n, 1, generator=generator), c, torch.rand(n, generator=generator))


SETTINGS = TrainingSettings(epochs=6, batch_size=10**6, learning_rate=0.05, clip=0.5, ema_decay=0.9, best_states=2)


class TestMembers:
    def test_every_member_is_trained_as_if_alone(self) -> None:
        """With batches of the whole sample, only the sums' order differs between together and one by one."""
        data, seeds = line_data(), (3, 4, 5)
        shares = torch.stack([torch.rand(len(data), generator=torch.Generator().manual_seed(s)) for s in seeds], dim=1)
        shared = SharedData(data.x, data.context, data.weights[:, None] * shares)
        together = Members([Line(seed) for seed in seeds])
        joint = train(together, [alone(together)], shared, SETTINGS, seed=1, after_epoch=_after_epoch)
        losses = []
        for index, seed in enumerate(seeds):
            model = Line(seed)
            one = train(
                model,
                [alone(model)],
                shared.of(index),
                SETTINGS,
                seed=1,
                after_epoch=_after_epoch,
            )
            losses.append(one.validation_losses)
            assert joint.best_epochs[2 * index : 2 * index + 2] == one.best_epochs
            for ours, theirs in zip(joint.states[2 * index : 2 * index + 2], one.states, strict=True):
                assert ours.keys() == theirs.keys()
                for key in ours:
                    assert torch.allclose(ours[key], theirs[key], atol=1e-5)
        assert joint.validation_losses == pytest.approx(np.mean(losses, axis=0), rel=1e-5)

    def test_loss_is_that_of_each_on_its_own_rows(self) -> None:
        networks = [Line(seed) for seed in range(4)]
        x, c = torch.randn(4, 7, 1), torch.rand(4, 7, 1)
        expected = torch.stack([network(x[k], c[k]) for k, network in enumerate(networks)])
        assert torch.allclose(Members(networks)(x, c), expected, atol=1e-6)

    def test_gradient_of_one_clips_no_other(self) -> None:
        """A member with an absurd weight is bounded, the others walk as before."""
        data = line_data()
        calm, wild = torch.ones(len(data), 2), torch.ones(len(data), 2)
        wild[:10, 1] = 1e6
        states = []
        for shares in (calm, wild):
            together = Members([Line(1), Line(2)])
            shared = SharedData(data.x, data.context, shares)
            states.append(train(together, [alone(together)], shared, SETTINGS, seed=1).states)
        assert all(torch.equal(states[0][0][key], states[1][0][key]) for key in states[0][0])
        assert any(not torch.equal(states[0][2][key], states[1][2][key]) for key in states[0][2])


class TestSharedData:
    def test_every_member_sees_every_row_once_a_pass_in_its_own_order(self) -> None:
        n, members = 30, 3
        data = SharedData(
            torch.arange(float(n))[:, None], torch.arange(float(n))[:, None] + 0.5, torch.rand(n, members)
        )
        batches = list(shuffled(data, 10, 3, seed=1))
        assert batches[0].x.shape == (members, 10, 1)
        seen = torch.cat([batch.x for batch in batches], dim=1)[..., 0]
        assert torch.equal(seen.sort(dim=1).values, torch.arange(float(n)).expand(members, n))
        assert not torch.equal(seen[0], seen[1])
        for batch in batches:
            assert torch.equal(batch.context, batch.x + 0.5)
            rows = batch.x[..., 0].long()
            assert torch.equal(batch.weights, data.weights.t().gather(1, rows))

    def test_validation_rows_are_the_same_for_all(self) -> None:
        data = SharedData(torch.rand(11, 2), torch.rand(11, 1), torch.rand(11, 3))
        batches = list(ordered(data, 4))
        whole = torch.cat([batch.x for batch in batches], dim=1)
        assert torch.equal(whole, data.x.expand(3, 11, 2))
        assert torch.equal(torch.cat([batch.weights for batch in batches], dim=1), data.weights.t())


class TestEnsemble:
    def test_mixture_is_the_mean_of_its_members(self, fitted: Any) -> None:
        x, c = gaussian_events(300, seed=3)
        each = np.stack([fitted.member(k).log_prob(x, c) for k in range(fitted.members)])
        assert np.allclose(fitted.log_prob(x, c), np.log(np.exp(each).mean(axis=0)), atol=1e-9)
        assert np.abs(each[0] - each[1]).max() > 1e-3

    def test_member_is_an_ordinary_density(self, fitted: Any) -> None:
        one = fitted.member(1)
        assert one.kind == "autoregressive_spline"
        assert len(one.states_) == len(fitted.states_) // fitted.members
        assert one.sample(np.full((5, 1), 3.0), seed=1).shape == (5, 2)
        with pytest.raises(HyperparameterError, match="no member 7"):
            fitted.member(7)

    def test_it_is_known_which_member_made_a_row_also_of_several_states(self) -> None:
        """Where the states of one member are spoilt, its rows change and no others."""
        short = {**MEMBER, "training": {"epochs": 3, "steps": None, "batch_size": 256, "best_states": 2}}
        x, c = gaussian_events(600, seed=3)
        fitted = create({"kind": "ensemble", "members": 2, "generator": short}).fit(x, c, seed=1)
        assert len(fitted.networks_) == 4
        drawn, chosen = fitted.sample(c, seed=5), fitted.members_of(c, seed=5)
        fitted.networks_[2:] = fitted.networks_[:2]
        changed = (fitted.sample(c, seed=5) != drawn).any(axis=1)
        assert np.array_equal(changed, chosen == 1)
        assert np.bincount(chosen).tolist() == [300, 300]

    def test_shares_are_what_they_say(self) -> None:
        generator = torch.Generator().manual_seed(1)
        assert torch.equal(SHARES["seeds"](5, 3, generator), torch.ones(5, 3))
        counts = SHARES["bootstraps"](40_000, 2, generator)
        assert counts.mean(dim=0).tolist() == pytest.approx([1, 1], abs=0.03)
        assert counts.var(dim=0).tolist() == pytest.approx([1, 1], abs=0.05)
        assert float((counts[:, 0] * counts[:, 1]).mean()) == pytest.approx(1, abs=0.03)
        folds = SHARES["folds"](1_000, 4, generator)
        assert torch.equal(folds.sum(dim=1), torch.full((1_000,), 3.0))
        assert folds.sum(dim=0).tolist() == [750, 750, 750, 750]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"members": 1}, "members = 1"),
            ({"vary": "moods"}, "vary 'moods'"),
            ({"generator": {"kind": "ensemble"}}, "can not be trained in an ensemble"),
            ({"generator": {"kind": "standardise"}}, "can not be trained in an ensemble"),
        ],
    )
    def test_unusable_settings_are_named(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(HyperparameterError, match=message):
            create({"kind": "ensemble", **change})
