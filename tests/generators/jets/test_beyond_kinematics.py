"""Jets of particles with thirteen features: the contract, what can exist, heavy tails, and the published size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from analysis.features.particle_types import impossible
from generators.errors import ShapeError
from generators.jets.beyond_kinematics import BeyondKinematics
from generators.jets.flow_matching import CloudFlowMatching
from generators.registry import create
from tests.generators.contracts import EventContract

from .velocities import check_equivariant, check_registered

POINTS = 4
#: Charge, then charged hadron, neutral hadron, photon, electron, muon, with their shares.
KINDS = np.array(
    [
        [1, 1, 0, 0, 0, 0],
        [-1, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [-1, 0, 0, 0, 0, 1],
    ]
)
SHARES = np.array([0.28, 0.25, 0.12, 0.31, 0.03, 0.01])
MADE = BeyondKinematics(hidden=8, layers=2, latent=4, frequencies=2)
SPECIFICATION: dict[str, Any] = {
    "kind": "beyond_kinematics",
    "hidden": 32,
    "layers": 1,
    "latent": 4,
    "frequencies": 4,
    "probes": 1,
    "density_steps": 2,
    "training": {"steps": 150, "batch_size": 128, "learning_rate": 6e-3, "ema_decay": 0.95},
}


def jets(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One to four particles; tracks have displacements with heavy tails and errors that fall with pT.

    The context is in [1, 2]; the second class has softer particles.
    """
    rng = np.random.default_rng(seed)
    c = rng.uniform(1, 2, (n, 1))
    x = np.zeros((n, POINTS, 13))
    x[..., :2] = 0.2 * rng.standard_normal((n, POINTS, 2))
    x[..., 2] = np.exp(-1 - c + 0.5 * rng.standard_normal((n, POINTS)))
    x[..., 3:9] = KINDS[rng.choice(len(KINDS), (n, POINTS), p=SHARES)]
    errors = 0.02 * np.exp(0.1 * rng.standard_normal((n, POINTS, 2))) / np.sqrt(x[..., 2:3])
    track = (x[..., 3] != 0)[..., None]
    x[..., [9, 11]] = track * 0.1 * rng.standard_t(2, (n, POINTS, 2))
    x[..., [10, 12]] = track * errors
    present = np.arange(POINTS) < rng.integers(1, POINTS + 1, (n, 1))
    return x * present[..., None], c


def test_it_is_found_by_its_name_and_keeps_its_hyperparameters() -> None:
    check_registered(MADE, CloudFlowMatching)


def test_its_velocity_follows_a_permutation_and_is_zero_where_nothing_is() -> None:
    check_equivariant(MADE)


def test_published_preset_has_the_published_size() -> None:
    """With ten classes, pT and η as context."""
    with torch.device("meta"):
        made = create({"kind": "beyond_kinematics", "preset": "published"})
        network = made.velocity(13, 12)
    assert sum(parameter.numel() for parameter in network.parameters()) == 8_504_698


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted() -> Any:
    return create(SPECIFICATION).fit(*jets(1_500, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 1_500
    events = staticmethod(jets)


def test_every_particle_that_is_drawn_can_exist(fitted: Any) -> None:
    x, c = jets(3_000, 11)
    drawn = fitted.sample(c, seed=2)
    assert not impossible(x).any()
    assert not impossible(drawn).any()
    present = drawn[drawn[..., 2] > 0]
    assert np.abs(present[:, 3]).mean() == pytest.approx(0.57, abs=0.06)
    # Heavy tails: what lies beyond six times the median is 3 % in truth; found within a factor of two.
    tracks, true = present[present[:, 3] != 0], x[x[..., 3] != 0]
    for column in (9, 11):
        far = [np.mean(np.abs(v) > 6 * np.median(np.abs(v))) for v in (tracks[:, column], true[:, column])]
        assert 0.5 < far[0] / far[1] < 2
    assert np.median(tracks[:, 10]) == pytest.approx(np.median(true[:, 10]), rel=0.1)


def test_a_jet_that_can_not_exist_has_no_density(fitted: Any) -> None:
    x, c = jets(20, 12)
    wrong = x.copy()
    # A neutral particle with an impact parameter, and one of two types.
    wrong[0, 0, 3:9], wrong[0, 0, 9:] = KINDS[3], 0.1
    wrong[1, 0, 3:9] = [1, 1, 0, 0, 1, 0]
    found = fitted.log_prob(wrong, c)
    assert found[:2].tolist() == [-np.inf, -np.inf]
    assert np.isfinite(found[2:]).all()


def test_clouds_without_the_features_are_refused() -> None:
    x, c = jets(100, 1)
    with pytest.raises(ShapeError, match="x has 3 columns"):
        create(SPECIFICATION).fit(x[..., :3], c, seed=1)


@pytest.mark.slow
def test_published_network_makes_a_step_and_a_sample() -> None:
    x, c = jets(60, 13)
    training = {"epochs": None, "steps": 1, "batch_size": 8}
    made = create({"kind": "beyond_kinematics", "preset": "published", "sampling_steps": 1, "training": training})
    drawn = made.fit(x, c, seed=1).sample(c[:10], seed=2)
    assert drawn.shape == (10, POINTS, 13)
    assert np.isfinite(drawn).all()
    assert not impossible(drawn).any()
