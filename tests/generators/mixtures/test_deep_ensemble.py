"""Generators of any kind as members of one: the contract, who made what, and the density of a mixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError, NotFittedError
from generators.mixtures.deep_ensemble import SHARES, DeepEnsemble
from generators.protocols import DensityGenerator
from generators.registry import create
from tests.generators.contracts import EventContract, gaussian_events

_TRAINING = {"steps": 60, "batch_size": 128, "learning_rate": 2e-2}
_MEMBER = {"kind": "gaussian_mixture", "components": 1, "hidden": 8, "training": _TRAINING}
_SAMPLER = {"kind": "gan", "hidden": 8, "layers": 1, "training": {"steps": 20, "batch_size": 64}}
SPECIFICATION: dict[str, Any] = {"kind": "deep_ensemble", "generator": _MEMBER, "members": 3}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(1_000, seed=10), seed=1)


class TestContract(EventContract):
    fitted_on = 1_000
    events = staticmethod(gaussian_events)


def test_each_member_makes_an_equal_part_and_it_is_known_which(fitted: Any) -> None:
    c = gaussian_events(301, seed=2)[1]
    drawn, chosen = fitted.sample(c, seed=5), fitted.members_of(c, seed=5)
    assert sorted(np.bincount(chosen).tolist()) == [100, 100, 101]
    altered = create(SPECIFICATION).restore(fitted.state())
    altered.fitted_[1] = altered.fitted_[0]
    again = altered.sample(c, seed=5)
    assert np.array_equal(again[chosen != 1], drawn[chosen != 1])
    assert not np.array_equal(again[chosen == 1], drawn[chosen == 1])


def test_density_is_the_mean_of_the_members(fitted: Any) -> None:
    x, c = gaussian_events(50, seed=3)
    each = np.stack([fitted.member(k).log_prob(x, c) for k in range(3)])
    assert fitted.log_prob(x, c) == pytest.approx(np.log(np.exp(each).mean(axis=0)), abs=1e-9)
    assert isinstance(fitted, DensityGenerator)
    assert not isinstance(create({**SPECIFICATION, "generator": _SAMPLER}), DensityGenerator)


def test_members_are_fits_of_their_own_and_of_their_own_events_if_wanted() -> None:
    x, c = gaussian_events(300, seed=4)
    states = []
    for vary in SHARES:
        made = create({**SPECIFICATION, "members": 2, "vary": vary}).fit(x, c, seed=2)
        (weights, _), own = SHARES[vary](300, 2, np.random.default_rng(2)), made.member(0).seed_
        alone = create(_MEMBER).fit(x, c, weights=weights, seed=own)
        assert np.array_equal(alone.sample(c[:20], seed=1), made.member(0).sample(c[:20], seed=1))
        assert not np.array_equal(made.member(1).sample(c[:20], seed=1), made.member(0).sample(c[:20], seed=1))
        states.append(made.member(0).sample(c[:20], seed=1))
    assert not np.array_equal(*states)


def test_bootstraps_take_every_event_once_in_the_mean() -> None:
    shares = np.array(SHARES["bootstraps"](20_000, 3, np.random.default_rng(1)))
    assert shares.mean() == pytest.approx(1, abs=0.02)
    assert shares.var() == pytest.approx(1, abs=0.05)


def test_a_stopped_training_goes_on_with_the_member_in_progress(tmp_path: Path, fitted: Any) -> None:
    class StoppedError(Exception):
        pass

    epochs = []

    def monitor(progress: Any) -> None:
        epochs.append(progress.epoch)
        if progress.epoch == 1 + len(fitted.member(0).train_losses_):
            raise StoppedError

    x, c = gaussian_events(1_000, seed=10)
    with pytest.raises(StoppedError):
        create(SPECIFICATION).fit(x, c, seed=1, monitor=monitor, checkpoint=tmp_path / "state")
    again = create(SPECIFICATION).fit(
        x, c, seed=1, monitor=lambda p: epochs.append(p.epoch), checkpoint=tmp_path / "state"
    )
    assert 1 not in epochs[epochs.index(1) + 1 :]
    assert np.array_equal(again.sample(c[:20], seed=1), fitted.sample(c[:20], seed=1))


def test_senseless_ones_are_refused_by_name(fitted: Any) -> None:
    for change, message in (
        ({"members": 1}, "members = 1"),
        ({"vary": "luck"}, "vary 'luck'"),
        ({"generator": "standardise"}, "'standardise' is no generator"),
    ):
        with pytest.raises(HyperparameterError, match=message):
            DeepEnsemble(**{"generator": _MEMBER, **change})
    with pytest.raises(HyperparameterError, match="no member 3"):
        fitted.member(3)
    with pytest.raises(NotFittedError):
        create(SPECIFICATION).member(0)
