"""The latent space knows nothing of the mass, nor of a shift of a feature that is proportional to it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.events import Events
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.lacathode import LaCathode, latents
from cathode.observables import DijetSubstructure
from generators.registry import create

from ..toys import Discriminant, TrueGenerator, background_features, toy_events
from .asking import answer, background, task


def method() -> LaCathode:
    training = {"steps": 300, "learning_rate": 2e-2, "batch_size": 2048, "ema_decay": 0.95}
    generator = create({"kind": "linear_flow", "bijection": "standardise", "training": training})
    return LaCathode(generator=generator, classifier=Discriminant())


def shifted(events: Events) -> Events:
    """The second feature follows the mass steeply."""
    x = events.x.copy()
    x[:, 1] += 2 * events.mass / 1000
    return dataclasses.replace(events, x=x)


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scores and first latent variable of the same events, plain, retrained, and shifted."""
    events, test = toy_events(12_000, signal=250, seed=91), toy_events(4000, signal=400, seed=92, truth=True)
    out = {}
    for name, change, seed in (("plain", lambda e: e, 1), ("retrained", lambda e: e, 2), ("shifted", shifted, 1)):
        learned, fitted = answer(method(), task(change(events)), seed=seed)
        asked = task(change(test)).background.observables.observed(change(test))
        out[name] = fitted.score(asked), latents(learned.generator, change(test))
    return out


def test_a_shift_with_the_mass_changes_scores_no_more_than_a_retraining(
    found: dict[str, tuple[np.ndarray, np.ndarray]],
) -> None:
    plain, retrained, other = (found[name][0] for name in ("plain", "retrained", "shifted"))
    again, moved = spearmanr(plain, retrained).statistic, spearmanr(plain, other).statistic
    assert again > 0.97
    assert moved > 0.96


def test_background_is_standard_normal_at_every_mass(found: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    test = toy_events(4000, signal=400, seed=92, truth=True)
    for _, z in found.values():
        z = z[~test.truth]
        assert np.allclose(z.mean(axis=0), 0, atol=0.06)
        assert np.allclose(np.cov(z.T), np.eye(3), atol=0.08)
        for third in np.array_split(np.argsort(test.mass[~test.truth]), 3):
            assert np.allclose(z[third].mean(axis=0), 0, atol=0.1)


def test_the_reference_are_events_of_the_flow() -> None:
    events = toy_events(6000, seed=1)
    _, fitted = answer(method(), task(events))
    due = background_features(fitted.reference.mass, np.random.default_rng(1))
    assert np.allclose(fitted.reference.x.mean(axis=0), due.mean(axis=0), atol=0.12)
    assert np.allclose(np.cov(fitted.reference.x.T), np.cov(due.T), atol=0.15)


def test_refuses_what_has_no_latent_space(tmp_path) -> None:  # type: ignore[no-untyped-def]
    events = background(toy_events(2000, seed=1))
    with pytest.raises(ConfigError, match="would be ignored"):
        method().require(dataclasses.replace(events, observables=DijetSubstructure()))
    with pytest.raises(ConfigError, match="TrueGenerator is none"):
        LaCathode(generator=TrueGenerator(), classifier=Discriminant()).require(events)
    with pytest.raises(ConfigError, match="can not move events"):
        LaCathode(generator=create({"kind": "vae"}), classifier=Discriminant()).require(events)
    with pytest.raises(RunFolderError, match="not a finished run of method lacathode"):
        LaCathode.load(tmp_path, folds=2)
    with pytest.raises(ConfigError, match="oversampling"):
        LaCathode(oversampling=0)
