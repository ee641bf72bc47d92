"""Dijets with all their constituents: kinematics exactly, everything else by the contract of generators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from generators.errors import HyperparameterError, ShapeError
from generators.jets.dijet_features import DijetFeatures, jets_of
from generators.jets.four_momenta import (
    absolute,
    aligned,
    conforming,
    from_widths,
    in_widths,
    laid_anyhow,
    pair_mass,
    relative,
    summed,
    turned,
    wrapped,
)
from generators.jets.full_phase_space import FullPhaseSpace
from generators.registry import create
from tests.generators.contracts import EventContract

POINTS = 8

_TRAINING = {"steps": 120, "batch_size": 256, "learning_rate": 6e-3, "ema_decay": 0.95}

SPECIFICATION: dict[str, Any] = {
    "kind": "full_phase_space",
    "jets": {
        "kind": "autoregressive_spline",
        "blocks": 2,
        "hidden": 16,
        "bijection": {"kind": "chain", "bijections": ["dequantise", "quantile_normal"]},
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": None},
    },
    "constituents": {
        "kind": "epic_fm",
        "hidden": 16,
        "layers": 1,
        "latent": 4,
        "frequencies": 4,
        "training": _TRAINING,
    },
}


def dijets(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of jets of 3 to 8 constituents; the context is the mass of the pair, of which a little is lost."""
    rng = np.random.default_rng(seed)
    count = 3 + rng.binomial(POINTS - 3, 0.6, (n, 2))
    present = np.arange(POINTS) < count[..., None]
    pt = np.sort(rng.exponential(1.0, (n, 2, POINTS)) * present, axis=2)[..., ::-1]
    pt *= rng.uniform(900, 1500, (n, 2, 1)) / pt.sum(axis=2, keepdims=True)
    axis = np.stack([rng.normal(0, 0.6, (n, 2)), rng.uniform(-np.pi, np.pi, n)[:, None] + [0, np.pi]], axis=-1)
    axis[..., 1] += rng.normal(0, 0.1, (n, 2))
    angles = 0.15 * rng.standard_normal((n, 2, POINTS, 2)) + axis[:, :, None]
    x = np.concatenate([pt[..., None], angles], axis=3) * (pt > 0)[..., None]
    jets, _ = jets_of(torch.as_tensor(x))
    mass = pair_mass(*(type(jets)(*(v[:, i] for v in vars(jets).values())) for i in (0, 1))).numpy()
    return x, (mass / rng.uniform(0.9, 1.0, n))[:, None]


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*dijets(3_000, seed=10), seed=1)


def parts(x: NDArray[Any]) -> tuple[Any, NDArray[np.float64], NDArray[np.int64]]:
    """Jets, mass of the pair and numbers of constituents."""
    jets, n = jets_of(torch.as_tensor(np.asarray(x, np.float64)))
    each = [type(jets)(*(v[:, i] for v in vars(jets).values())) for i in (0, 1)]
    return jets, pair_mass(*each).numpy(), n.numpy()


class TestContract(EventContract):
    shape = (2, POINTS, 3)
    fitted_on = 3_000
    events = staticmethod(dijets)

    def test_mass_of_the_constituents_is_the_mass_that_was_asked_for(self, fitted: Any) -> None:
        """Up to what is lost of it, which is as much as in the training."""
        x, c = dijets(2_000, seed=20)
        true, mine = (parts(e)[1] / c[:, 0] for e in (x, fitted.sample(c, seed=2)))
        assert mine.max() < 1.01
        for share in (0.1, 0.5, 0.9):
            assert np.quantile(mine, share) == pytest.approx(np.quantile(true, share), abs=0.01)

    def test_jets_follow_the_mass(self, fitted: Any) -> None:
        x, c = dijets(4_000, seed=25)
        true, mine = (parts(e)[0].pt.mean(dim=1).numpy() for e in (x, fitted.sample(c, seed=3)))
        for low, high in ((0.0, 0.3), (0.7, 1.0)):
            some = (c[:, 0] > np.quantile(c, low)) & (c[:, 0] < np.quantile(c, high))
            assert mine[some].mean() == pytest.approx(true[some].mean(), rel=0.04)

    def test_azimuth_is_uniform_and_jets_are_back_to_back(self, fitted: Any) -> None:
        x, c = dijets(2_000, seed=21)
        true, jets = (parts(e)[0] for e in (x, fitted.sample(c, seed=4)))
        for harmonic in (1, 2):
            assert torch.cos(harmonic * jets.phi[:, 0]).mean().abs() < 4 / np.sqrt(2 * 2_000)
        opening = [wrapped(j.phi[:, 1] - j.phi[:, 0] - torch.pi).std().item() for j in (true, jets)]
        assert opening[1] == pytest.approx(opening[0], rel=0.15)

    def test_numbers_of_constituents_are_those_of_the_jets(self, fitted: Any) -> None:
        x, c = dijets(2_000, seed=22)
        true, mine = (parts(e)[2].ravel() for e in (x, fitted.sample(c, seed=5)))
        share = [np.bincount(n, minlength=POINTS + 1) / len(n) for n in (true, mine)]
        assert np.abs(share[0] - share[1]).max() < 0.05

    def test_interrupted_in_the_second_training_is_uninterrupted(
        self, specification: dict[str, Any], tmp_path: Any
    ) -> None:
        x, c = dijets(400, seed=23)
        short = {**specification}
        for name in ("jets", "constituents"):
            short[name] = {**short[name], "training": {"epochs": 2, "steps": None, "batch_size": 128}}
        whole = create(short).fit(x, c, seed=1).state()

        def stop(progress: Any) -> None:
            if progress.epoch == 3:
                raise InterruptedError

        path = tmp_path / "training"
        with pytest.raises(InterruptedError):
            create(short).fit(x, c, seed=1, monitor=stop, checkpoint=path)
        epochs: list[int] = []
        again = create(short).fit(x, c, seed=1, monitor=lambda at: epochs.append(at.epoch), checkpoint=path).state()
        assert epochs == [4]
        assert all(torch.equal(whole[key], again[key]) for key in whole)
        assert list(tmp_path.iterdir()) == [path]

    def test_wrong_events_are_named(self, fitted: Any) -> None:
        x, c = dijets(300, seed=24)
        with pytest.raises(ShapeError, match=r"\(N, 2, P, F\)"):
            fitted.fit(x[:, 0], c, seed=1)
        empty = x.copy()
        empty[7, 1] = 0
        with pytest.raises(ShapeError, match=r"1 jets have no constituents.*event 7"):
            fitted.fit(empty, c, seed=1)
        with pytest.raises(ShapeError, match="mass"):
            fitted.fit(x, -c, seed=1)
        with pytest.raises(ShapeError, match="context"):
            fitted.sample(np.ones((3, 2)), seed=1)


def test_jets_come_back_from_their_features() -> None:
    x, c = dijets(500, seed=30)
    jets, n = jets_of(torch.as_tensor(x))
    mass = torch.as_tensor(c[:, 0])
    features = DijetFeatures.of(jets, n, mass, torch.ones(500).double())
    turn = torch.remainder(jets.phi[:, 0], 2 * torch.pi) / (2 * torch.pi)
    along = jets.y[:, 0] < jets.y[:, 1]
    laid = torch.stack([turn, along.double() / 2], dim=1)
    columns = features.columns(jets, n, mass)
    back, counts = features.jets(columns, mass, laid, POINTS)
    for name in ("pt", "y", "mass"):
        assert torch.allclose(getattr(back, name), getattr(jets, name), rtol=1e-9, atol=1e-9)
    assert wrapped(back.phi - jets.phi).abs().max() < 1e-9
    assert torch.equal(counts, n)

    # Mirror images have the same features, and all that is not a direction in common.
    mirrored, _ = features.jets(columns, mass, torch.remainder(laid + 0.5, 1), POINTS)
    assert torch.allclose(mirrored.y, -jets.y, atol=1e-9)
    assert torch.allclose(features.columns(mirrored, n, mass), columns, atol=1e-9)


def test_what_does_not_vary_is_no_feature() -> None:
    x, _ = dijets(500, seed=31)
    x[..., :3, :] = np.where(x[..., :3, :1] > 0, x[..., :3, :], 0)
    whole = x[:, :, :3]
    jets, n = jets_of(torch.as_tensor(whole))
    mass = torch.as_tensor(parts(whole)[1])
    features = DijetFeatures.of(jets, n, mass, torch.ones(500).double())
    # All have three constituents, and nothing of the mass is lost.
    assert features.varying.sum() == 6
    back, counts = features.jets(features.columns(jets, n, mass), mass, torch.zeros(500, 2), POINTS)
    assert torch.allclose(back.pt, jets.pt)
    assert (counts == 3).all()


def test_clouds_are_relative_to_their_jet_and_back() -> None:
    x = torch.as_tensor(dijets(300, seed=32)[0])
    jets, _ = jets_of(x)
    clouds = relative(x, jets)
    assert torch.allclose(absolute(clouds, jets)[..., 0], x[..., 0])
    assert wrapped(absolute(clouds, jets)[..., 2] - x[..., 2]).abs().max() < 1e-9
    own = summed(clouds[..., 2], clouds[..., 0], clouds[..., 1])
    assert torch.allclose(own.pt, torch.ones_like(own.pt))
    assert own.y.abs().max() < 1e-9
    assert own.phi.abs().max() < 1e-9
    assert torch.allclose(own.mass, jets.mass / jets.pt)
    assert torch.allclose(from_widths(in_widths(clouds, jets), jets), clouds)


def test_aligned_clouds_do_not_know_how_they_lay() -> None:
    x = torch.as_tensor(dijets(300, seed=33)[0])
    jets, _ = jets_of(x)
    clouds = relative(x, jets)[:, 0]
    once = aligned(clouds)
    angle = torch.linspace(-3, 3, 300).double()
    mirrored = turned(clouds, angle) * torch.tensor([1.0, -1.0, 1.0])
    assert torch.allclose(aligned(mirrored), once, atol=1e-6)
    assert ((once[..., 2] * once[..., 0] * once[..., 1]).sum(1).abs() < 1e-9).all()
    # Distances within a jet, and with them its substructure, stay what they are.
    laid = laid_anyhow(once, torch.Generator().manual_seed(1))
    assert torch.allclose(
        torch.cdist(laid[..., :2], laid[..., :2]), torch.cdist(clouds[..., :2], clouds[..., :2]), atol=1e-6
    )


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.5])
def test_clouds_conform_to_their_jets(factor: float) -> None:
    x = torch.as_tensor(dijets(300, seed=34)[0])
    jets, _ = jets_of(x)
    clouds = relative(x, jets).flatten(0, 1) * torch.tensor([1.1, 1.1, 0.9]) + torch.tensor([0.02, -0.01, 0.0])
    clouds = clouds * (relative(x, jets).flatten(0, 1)[..., 2:] > 0)
    mass = factor * (jets.mass / jets.pt).flatten()
    made, change = conforming(clouds, mass)
    own = summed(made[..., 2], made[..., 0], made[..., 1])
    assert torch.allclose(own.pt, torch.ones_like(own.pt))
    assert own.y.abs().max() < 1e-9
    assert torch.allclose(own.mass / own.pt, mass, rtol=2e-3)
    assert change.median().item() == pytest.approx(factor / 1.1, rel=0.05)


def test_other_generators_of_clouds_go_in_by_name() -> None:
    made = create({**SPECIFICATION, "constituents": {"kind": "pc_jedi", "width": 16, "layers": 1, "heads": 2}})
    assert made.constituents["multiplicity"] == 2
    assert create({"kind": made.kind, **made.hyperparameters()}).hyperparameters() == made.hyperparameters()
    with pytest.raises(HyperparameterError, match="constituents"):
        create({**SPECIFICATION, "constituents": {"kind": "standardise"}})


def test_a_generator_that_is_handed_over_stays_as_it_was() -> None:
    mine = create({"kind": "epic_fm"})
    made = FullPhaseSpace(constituents=mine)
    assert mine.multiplicity is None
    assert made.constituents["multiplicity"] is not None
