"""Deep sets and energy flow networks: what changes a score and what does not, and what they find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from analysis.metrics.sic_and_auc import auc
from cathode.classifiers import DeepSets, EnergyFlow, create
from cathode.classifiers.sets import SetNetwork
from cathode.errors import ConfigError

from ..toys import prongs
from .test_transformer import dijets, moved

Array = NDArray[np.float64]
BOTH = (False, True)


def network(safe: bool) -> Any:
    """Random weights in double precision."""
    torch.manual_seed(1)
    made = SetNetwork(hidden=12, layers=1, latent=6, safe=safe).double().eval()
    made.standardise(torch.as_tensor(dijets(500, 12, seed=2)), torch.ones(500))
    return lambda x: made(torch.as_tensor(np.ascontiguousarray(x))).detach().numpy()[:, 0]


def split_collinear(x: Array) -> Array:
    """The hardest constituent of every jet as two that are parallel, 30 % and 70 % of it."""
    out = np.concatenate([x, np.zeros((*x.shape[:2], 1, 3))], axis=2)
    hardest = x[..., 0].argmax(axis=2)
    for jet in np.ndindex(*x.shape[:2]):
        out[(*jet, -1)] = out[(*jet, hardest[jet])]
        out[(*jet, -1, 0)] *= 0.3
        out[(*jet, hardest[jet], 0)] *= 0.7
    return out


def with_soft(x: Array) -> Array:
    """One more constituent of hardly any momentum in every jet."""
    out = np.concatenate([x, x[:, :, :1]], axis=2)
    out[:, :, -1] += [0, 0.1, 0.1]
    out[:, :, -1, 0] = 1e-9
    return out


@pytest.mark.parametrize("safe", BOTH)
def test_order_padding_and_symmetries_change_nothing(safe: bool) -> None:
    x, of = dijets(100, 9, seed=3), network(safe)
    scores = of(x)
    assert scores.std() > 1e-3
    rng = np.random.default_rng(4)
    mixed = np.take_along_axis(x, rng.permuted(np.tile(np.arange(9), (100, 2, 1)), axis=2)[..., None], axis=2)
    wider = np.pad(x, ((0, 0), (0, 0), (0, 3), (0, 0)))
    for other in (mixed, wider, x[:, ::-1], moved(x, phi=1.3), moved(x, eta=-1.0)):
        np.testing.assert_allclose(of(other), scores, rtol=0, atol=1e-9)


def test_energy_flow_is_safe_and_deep_sets_are_not() -> None:
    x = dijets(100, 9, seed=5)
    for change, allowed in ((split_collinear, 1e-9), (with_soft, 1e-6)):
        moved_by = [np.abs(network(safe)(change(x)) - network(safe)(x)).max() for safe in BOTH]
        assert moved_by[1] < allowed
        assert moved_by[0] > 1e-3


@pytest.mark.parametrize("kind", ["deep_sets", "energy_flow"])
def test_two_prongs_are_found(kind: str) -> None:
    signal, background = (prongs(500, distance, seed=6) for distance in (0.8, 0.3))
    x, y = np.concatenate([signal, background]), np.repeat([1, 0], 500)
    some = np.random.default_rng(8).permutation(1000)
    fitted = create({"kind": kind, "hidden": 24, "latent": 16, "epochs": 12, "learning_rate": 5e-3, "ema_decay": 0.9})
    fitted.fit(x[some[:600]], y[some[:600]], seed=1)
    found = auc(fitted.score(x[some[600:]]), y[some[600:]].astype(bool))
    assert found.value > 0.8


@pytest.mark.parametrize("cls", [DeepSets, EnergyFlow])
@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"learning_rate": 0.0}, {"weight_decay": -1.0}, {"ema_decay": 1.0}])
def test_wrong_hyperparameters_are_named(cls: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{cls.kind}: {next(iter(wrong))}"):
        cls(**wrong)
