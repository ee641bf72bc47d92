"""The transformer on constituents: its symmetries, what it needs to compute, what it finds, what it starts from."""

from __future__ import annotations

import copy
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from analysis.errors import NonFiniteError, TooFewEventsError
from analysis.metrics.sic_and_auc import auc
from cathode.classifiers import Mlp, Transformer, load_classifier, pretrain
from cathode.classifiers.constituents import JET, quantities
from cathode.classifiers.particle_transformer import ParticleTransformer
from cathode.errors import ClassifierFolderError, ClassifierInputError, ConfigError
from cathode.search import Search
from generators.jets import lengths as lengths_of_clouds

from ..toys import REGION, prongs, toy_events

Array = NDArray[np.float64]

TINY: dict[str, Any] = {"width": 8, "blocks": 1, "heads": 2, "epochs": 2, "best_epochs": 1, "batch_size": 64}


def dijets(n: int, most: int, seed: int, jets: int = 2) -> Array:
    """Events of jets back to back with 1 … `most` constituents: (N, J, most, 3) with (pT, η, φ)."""
    rng = np.random.default_rng(seed)
    axis_eta = rng.normal(0, 1, (n, jets, 1))
    axis_phi = rng.uniform(-math.pi, math.pi, (n, 1, 1)) + 2 * math.pi / jets * np.arange(jets)[:, None]
    x = np.stack(
        [
            -np.sort(-rng.exponential(30, (n, jets, most)) - 1),
            axis_eta + 0.2 * rng.normal(size=(n, jets, most)),
            wrapped(axis_phi + 0.2 * rng.normal(size=(n, jets, most))),
        ],
        axis=-1,
    )
    x[np.arange(most) >= rng.integers(1, most + 1, (n, jets, 1))] = 0
    return x


def wrapped(phi: Array) -> Array:
    return np.asarray((phi + math.pi) % (2 * math.pi) - math.pi)


def moved(x: Array, *, eta: float = 1.0, phi: float = 0.0) -> Array:
    """η times `eta` and φ plus `phi`, where there is something."""
    out = np.stack([x[..., 0], eta * x[..., 1], wrapped(x[..., 2] + phi)], axis=-1)
    return out * (x[..., :1] > 0)


@pytest.fixture(scope="module")
def network() -> Any:
    """Random weights in double precision, so that what is equal is equal to 1e-12."""
    made = Transformer(width=16, blocks=2, heads=4).network(seed=1).double().eval()
    made.standardise(torch.as_tensor(dijets(500, 12, seed=2)), torch.ones(500))
    return lambda x: made(torch.as_tensor(x)).detach().numpy()[:, 0]


# What the network sees


def test_jets_are_the_sums_of_their_constituents() -> None:
    x = dijets(300, 20, seed=3)
    pt, eta, phi = np.moveaxis(x, -1, 0)
    px, py, pz, energy = ((pt * f).sum(axis=-1) for f in (np.cos(phi), np.sin(phi), np.sinh(eta), np.cosh(eta)))
    seen = dict(zip(JET, np.moveaxis(quantities(torch.as_tensor(x)).jets.numpy(), -1, 0), strict=True))
    np.testing.assert_allclose(seen["ln pT"], np.log(np.hypot(px, py)), rtol=1e-10)
    np.testing.assert_allclose(np.abs(seen["η"]), np.abs(np.arctanh(pz / energy)), rtol=1e-9)
    np.testing.assert_array_equal(seen["N"], (pt > 0).sum(axis=-1))
    several = (pt > 0).sum(axis=-1) > 1
    mass = np.sqrt((energy**2 - px**2 - py**2 - pz**2)[several])
    np.testing.assert_allclose(seen["ln m"][several], np.log(mass), rtol=1e-7)
    axis = np.arctan2(py, px)
    np.testing.assert_allclose(
        seen["φ from back to back"][:, 0], wrapped(axis[:, 0] - axis[:, 1] - math.pi), atol=1e-10
    )


def test_single_precision_is_enough_for_the_mass_of_a_narrow_jet() -> None:
    """Two constituents of 1 TeV that are 0.004 apart have a mass of 4 GeV; E² and p² agree in six digits there."""
    x = np.array([[[[1000.0, 2.0, 3.0], [1000.0, 2.0, 3.004]]]])
    single = quantities(torch.as_tensor(x, dtype=torch.float32)).jets[0, 0, 3]
    exact = math.sqrt(2 * 1e6 * (1 - math.cos(0.004)))
    assert math.exp(float(single)) == pytest.approx(exact, rel=1e-3)


# Symmetries


def test_the_order_of_constituents_and_of_jets_does_not_matter(network: Any) -> None:
    x = dijets(100, 12, seed=4)
    rng = np.random.default_rng(5)
    order = rng.permuted(np.broadcast_to(np.arange(12), (100, 2, 12)), axis=-1)
    shuffled = np.take_along_axis(x, order[..., None], axis=2)
    np.testing.assert_allclose(network(shuffled), network(x), atol=1e-12)
    np.testing.assert_allclose(network(x[:, ::-1].copy()), network(x), atol=1e-12)
    # It is the order that does not matter, and not the constituents.
    x[:, 0, 0, 1] += 0.3
    assert np.abs(network(x) - network(shuffled)).min() > 1e-7


def test_turning_about_the_beam_and_reflecting_change_nothing(network: Any) -> None:
    x = dijets(100, 12, seed=6)
    np.testing.assert_allclose(network(moved(x, phi=2.5)), network(x), atol=1e-10)
    np.testing.assert_allclose(network(moved(x, eta=-1.0)), network(x), atol=1e-12)
    apart = x.copy()
    apart[:, 1] = moved(x[:, 1], phi=0.3)
    assert np.abs(network(apart) - network(x)).max() > 1e-3


@pytest.mark.parametrize("length", [3, 12, 40])
def test_absent_constituents_do_not_matter(network: Any, length: int) -> None:
    x = dijets(100, 12, seed=7)
    x[:, :, 3:] = 0 if length == 3 else x[:, :, 3:]
    padded = np.zeros((100, 2, length, 3))
    padded[:, :, :12] = x[:, :, :length]
    np.testing.assert_allclose(network(padded), network(x), atol=1e-12)
    # What an absent constituent has as angles is nobody's business.
    padded[..., 1] += padded[..., 0] == 0
    np.testing.assert_allclose(network(padded), network(x), atol=1e-12)


def test_groups_cut_to_their_longest_jet_give_the_padded_result(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x = dijets(101, 12, seed=8)
    x[5] = 0
    x[6, 1] = 0
    lengths: list[int] = []
    encode = ParticleTransformer._of_particles

    def counted(self: Any, particles: Any, present: Any) -> Any:
        lengths.append(particles.shape[1])
        return encode(self, particles, present)

    monkeypatch.setattr(ParticleTransformer, "_of_particles", counted)
    monkeypatch.setattr(lengths_of_clouds, "_POINTS", 10**9)
    whole = network(x)
    monkeypatch.setattr(lengths_of_clouds, "_POINTS", 200)
    cut = network(x)
    np.testing.assert_allclose(cut, whole, atol=1e-12)
    assert np.isfinite(cut).all()
    assert lengths[0] == 12
    # The part with the shortest jets is cut, that with the longest is not.
    assert lengths[1:] == sorted(lengths[1:])
    assert lengths[1] < 6
    assert lengths[-1] == 12


def test_training_does_not_see_padding_either() -> None:
    x = dijets(20, 6, seed=10)
    x[0], x[1, 1] = 0, 0
    network = Transformer(width=8, heads=2).network(seed=9).double()
    gradients = []
    for events in (x, np.concatenate([x, np.zeros((20, 2, 9, 3))], axis=2)):
        network.zero_grad()
        network(torch.as_tensor(events)).sum().backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        assert torch.isfinite(one).all()
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


# What is found


def log_likelihood_ratio(x: Array, distance: float, spread: float = 0.1) -> Array:
    """ln p(two prongs)/p(one prong) of single jets, with an integral over the direction of the two axes."""
    angle = np.linspace(0, math.pi, 60, endpoint=False)
    direction = distance / (2 * spread) * np.stack([np.cos(angle), np.sin(angle)])
    # Density at ±d over that at 0: exp(−d²/2) cosh(d·z).
    each = np.log(np.cosh(x[:, 0, :, 1:] / spread @ direction)) - distance**2 / (8 * spread**2)
    return np.asarray(np.log(np.exp(each.sum(axis=1)).mean(axis=1)))


def test_two_prongs_are_told_from_one_nearly_as_well_as_can_be() -> None:
    distance = 0.25
    x = np.concatenate([prongs(2500, distance, seed=11), prongs(2500, 0.0, seed=12)])
    y = np.arange(5000) < 2500
    held_out = np.concatenate([prongs(4000, distance, seed=13), prongs(4000, 0.0, seed=14)])
    truth = np.arange(8000) < 4000
    best = auc(log_likelihood_ratio(held_out, distance), truth)
    made = Transformer(
        width=16, blocks=1, jet_blocks=0, heads=2, epochs=8, batch_size=256, learning_rate=6e-3, ema_decay=0.9
    )
    found = auc(made.fit(x, y, seed=15).score(held_out), truth)
    assert 0.8 < best.value < 0.95
    # The axis, which the ratio knows, must be estimated from the jet.
    assert best.value - 0.03 < found.value < best.value + 3 * best.error


def test_a_jet_in_front_of_the_others_is_seen_in_the_angle_between_jets() -> None:
    """Equal jets, but one kind of event is not back to back: only the quantities of both jets tell."""
    x = dijets(1000, 4, seed=16)
    y = np.arange(1000) < 500
    x[y, 1] = moved(x[y, 1], phi=0.6)
    scores = Transformer(**TINY | {"epochs": 8, "learning_rate": 1e-2}).fit(x, y, seed=17).score(x)
    assert auc(scores, y).value > 0.75


# Manners


@pytest.fixture(scope="module")
def fitted() -> Transformer:
    x = dijets(200, 8, seed=18)
    return Transformer(**TINY, members=2).fit(x, np.arange(200) % 2, seed=19)


def test_one_event_alone_has_the_score_that_it_has_among_others(fitted: Transformer) -> None:
    x = dijets(60, 8, seed=20)
    together = fitted.score(x)
    alone = [float(fitted.score(event[None])[0]) for event in x]
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(fitted.score(x[:, :, ::-1]), together, atol=1e-5)


def test_far_outside_of_the_training_range_is_an_answer(fitted: Transformer) -> None:
    x = dijets(4, 8, seed=21)
    x[0, :, :, 0] = 3e38
    x[1, :, :, 1] += 100.0
    x[2, :, :, 2] += 1000.0
    x[3] = 0
    assert np.isfinite(fitted.score(x)).all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ((3, 1, 2, 2, np.nan), NonFiniteError, "phi: 1 of 50 .* row 3"),
        ((4, 0, 0, 1, np.inf), NonFiniteError, "eta: 1 of 50 .* row 4"),
        ((9, 0, 0, 0, -5.0), ClassifierInputError, "1 of 50 events .* negative pT .* row 9"),
    ],
)
def test_bad_constituents_are_refused_by_name(
    fitted: Transformer, change: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    x = dijets(50, 8, seed=22)
    x[change[:-1]] = change[-1]
    with pytest.raises(error, match=words):
        fitted.score(x)
    with pytest.raises(error, match=words):
        copy.deepcopy(fitted).fit(x, np.arange(50) % 2, seed=23)


def test_other_shapes_are_refused(fitted: Transformer) -> None:
    with pytest.raises(ClassifierInputError, match=r"\(5, 4\)"):
        fitted.score(np.ones((5, 4)))
    with pytest.raises(ClassifierInputError, match="3 jets"):
        fitted.score(dijets(5, 8, seed=24, jets=3))


# Backbones


def test_pretraining_tells_classes_apart_and_fine_tuning_starts_there(tmp_path: Path) -> None:
    """Few events after many: they teach more with the backbone than without."""
    x = np.concatenate([prongs(800, distance, seed=25 + i) for i, distance in enumerate((0.0, 0.35, 0.7))])
    architecture: dict[str, Any] = {"width": 16, "blocks": 1, "jet_blocks": 0, "heads": 2}
    budget: dict[str, Any] = {"batch_size": 128, "learning_rate": 6e-3, "ema_decay": 0.9}
    large = Transformer(**architecture, **budget, epochs=6)
    folder = pretrain(large, x, np.repeat([0, 1, 2], 800), tmp_path / "backbone", seed=28)
    assert not hasattr(large, "ensemble_")

    few = np.concatenate([prongs(60, 0.35, seed=29), prongs(60, 0.0, seed=30)])
    y = np.arange(120) < 60
    held_out = np.concatenate([prongs(2000, 0.35, seed=31), prongs(2000, 0.0, seed=32)])
    truth = np.arange(4000) < 2000
    short = budget | {"batch_size": 32, "epochs": 4}
    tuned = Transformer(**architecture, **short, backbone=str(folder)).fit(few, y, seed=33)
    fresh = Transformer(**architecture, **short).fit(few, y, seed=33)
    assert auc(tuned.score(held_out), truth).value > auc(fresh.score(held_out), truth).value + 0.015

    saved = tuned.save(tmp_path / "tuned")
    # What was learned is all in its own folder, which is a backbone too.
    (folder / "weights.safetensors").unlink()
    np.testing.assert_array_equal(load_classifier(saved).score(held_out[:50]), tuned.score(held_out[:50]))
    Transformer(**architecture, **short, backbone=str(saved), members=2).fit(few, y, seed=34)


def test_a_backbone_must_be_one(fitted: Transformer, tmp_path: Path) -> None:
    x, y = dijets(40, 8, seed=35), np.arange(40) % 2
    folder = str(fitted.save(tmp_path / "fitted"))
    with pytest.raises(ConfigError, match=r"width = 16, but the backbone .* 8"):
        Transformer(**TINY | {"width": 16}, backbone=folder).fit(x, y, seed=36)
    with pytest.raises(ClassifierFolderError, match="missing"):
        Transformer(**TINY, backbone=str(tmp_path / "missing")).fit(x, y, seed=36)
    other = Mlp(epochs=1).fit(x[:, 0, :, 0] + np.arange(8), y, seed=37).save(tmp_path / "mlp")
    with pytest.raises(ClassifierFolderError, match="'mlp'"):
        Transformer(**TINY, backbone=str(other)).fit(x, y, seed=36)


def test_another_backbone_in_the_same_folder_is_another_search(tmp_path: Path) -> None:
    """A path alone would let a run continue with classifiers of two kinds."""
    folder = tmp_path / "backbone"
    events, x = toy_events(200, seed=40), dijets(40, 8, seed=41)
    found = []
    for seed in (42, 42, 43):
        pretrain(Transformer(**TINY), x, np.arange(40) % 2, folder, seed=seed)
        found.append(Search.of(region=REGION, classifier=Transformer(**TINY, backbone=str(folder))).fingerprint(events))
    assert found[0] == found[1] != found[2]
    shutil.rmtree(folder)
    with pytest.raises(ClassifierFolderError, match="backbone"):
        Search.of(region=REGION, classifier=Transformer(**TINY, backbone=str(folder))).fingerprint(events)


def test_pretraining_refuses_labels_that_count_no_classes(tmp_path: Path) -> None:
    x, made = dijets(40, 8, seed=38), Transformer(**TINY)
    with pytest.raises(ClassifierInputError, match="integers"):
        pretrain(made, x, np.full(40, 0.5), tmp_path / "backbone", seed=39)
    with pytest.raises(TooFewEventsError, match="class 1"):
        pretrain(made, x, np.arange(40) % 2 * 2, tmp_path / "backbone", seed=39)
