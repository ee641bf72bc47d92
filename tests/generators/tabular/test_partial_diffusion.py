"""From nothing to everything: a start towards 0 gives events back, a start of 1 is the generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError
from generators.registry import create
from generators.tabular.event_mixing import EventMixing
from generators.tabular.partial_diffusion import PartialDiffusion

RNG = np.random.default_rng(1)
MASS = np.concatenate([RNG.uniform(2.0, 3.0, 3000), RNG.uniform(4.0, 5.0, 3000)])
X = np.column_stack([MASS - 3.5, np.zeros(6000)]) + RNG.standard_normal((6000, 2))


@pytest.fixture(scope="module", params=["flow_matching", "diffusion"])
def flow(request: pytest.FixtureRequest) -> Any:
    training = {"steps": 400, "learning_rate": 1e-2, "batch_size": 512, "ema_decay": 0.98}
    made = create({"kind": request.param, "hidden": 32, "bijection": "standardise", "training": training})
    return made.fit(X, MASS[:, None], seed=1)


def partial(flow: Any, start: float) -> PartialDiffusion:
    return PartialDiffusion(flow, EventMixing(reach=1.6).fit(X, MASS[:, None], seed=1), start)


# An earlier start leaves an event more of what it was at its own mass.
@pytest.mark.parametrize("start", [0.8, 1.0])
def test_events_have_the_density_of_their_new_mass(flow: Any, start: float) -> None:
    x = partial(flow, start).sample(np.full((4000, 1), 3.5), seed=2)
    assert np.allclose(x.mean(axis=0), 0, atol=0.2)
    assert np.allclose(x.std(axis=0), 1, atol=0.25)


def test_towards_nothing_events_stay(flow: Any) -> None:
    x, mass = X[:200], MASS[:200, None]
    assert np.allclose(partial(flow, 1e-4).denoised(x, mass, mass + 0.5, seed=1), x, atol=0.05)


def test_the_earlier_the_start_the_more_of_an_event_stays(flow: Any) -> None:
    x, mass = X[:1000], MASS[:1000, None]
    kept = [
        np.corrcoef(x[:, 1], partial(flow, start).denoised(x, mass, mass, seed=1)[:, 1])[0, 1]
        for start in (0.2, 0.5, 1.0)
    ]
    assert kept[0] > 0.9 > kept[1] > kept[2]
    assert abs(kept[2]) < 0.15


def test_refuses_a_start_beyond_the_ends_and_what_has_no_velocity(flow: Any) -> None:
    for start in (0.0, 1.1):
        with pytest.raises(HyperparameterError, match="start"):
            partial(flow, start)
    plain = create({"kind": "linear_flow", "training": {"steps": 5}}).fit(X, MASS[:, None], seed=1)
    with pytest.raises(HyperparameterError, match="no velocity"):
        partial(plain, 0.5)
