"""Showers as points: number of points by layer, their places, and the calibration that gives layers their energies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError, ShapeError
from generators.protocols import DensityGenerator
from generators.registry import create
from tests.generators.contracts import EventContract, quick
from tests.generators.showers.toys import LAYERS, THRESHOLD, showers, with_layers

#: How often the parts are trained; as small as they can be.
STEPS = {"steps": 120, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": None}
SPECIFICATION: dict[str, Any] = {
    "kind": "point_shapes",
    "layers": LAYERS,
    "counts": {"kind": "coupling_spline", "blocks": 2, "hidden": 16, "training": STEPS},
    "points": {"kind": "calo_clouds_2", "widths": [16, 16], "frequencies": 4, "sampling_steps": 4, "training": STEPS},
}
SPECIFICATION["counts"]["bijection"] = {"kind": "chain", "bijections": ["dequantise", "atoms", "quantile_normal"]}


#: Every generator of clouds of showers, as small as it can be, and what else of the shapes is its own.
SYSTEMS: dict[str, dict[str, Any]] = {
    "calo_clouds_2": {},
    "calo_clouds_2 with places": {"tells": ["energies", "counts", "centres", "radii"]},
    "calo_clouds_1": {
        "points": {"kind": "calo_clouds_1", "latent": 2, "encoder_layers": 1, "encoder_hidden": 8, "widths": [16, 16]}
        | {"prior_blocks": 2, "prior_hidden": 8, "sampling_steps": 4}
    },
    "consistency": {"points": {"kind": "cloud_consistency", "teacher": SPECIFICATION["points"]}},
    "all_showers": {
        "points": {"kind": "all_showers", "width": 8, "layers": 1, "heads": 2, "hidden": 8, "sampling_steps": 4},
        "counts": {"kind": "point_count_fm", "widths": [16, 16], "sampling_steps": 4, "density_steps": 2}
        | {"bijection": SPECIFICATION["counts"]["bijection"], "training": {**STEPS, "epochs": None}},
    },
    "calo_point_flow": {
        "points": {"kind": "calo_point_flow", "latent": 4, "each": [8], "whole": [8], "blocks": 2, "prior_blocks": 2}
        | {"prior_hidden": 8, "hidden": [8]}
    },
    "calo_point_flow_2": {
        "points": {"kind": "calo_point_flow", "latent": 4, "each": [8], "whole": [8], "blocks": 2, "prior_blocks": 2}
        | {"prior_hidden": 8, "hidden": [8]},
        "across": "ring",
    },
    "mdma": {
        "points": {"kind": "mdma", "width": 4, "hidden": 8, "critic_hidden": 8, "layers": 1, "critic_layers": 1}
        | {"heads": 2}
    },
    "deep_tree_gan2": {
        "points": {"kind": "deep_tree_gan2", "root": 4, "branches": [2, 3], "features": [4], "overall": 2}
        | {"hidden": 8, "pruned": [2, 1], "heads": 2, "critic_width": 2, "critic_hidden": 8}
    },
}
for _made in SYSTEMS.values():
    if "points" in _made:
        _made["points"]["training"] = {**STEPS, "epochs": None, "batch_size": 64}


#: Those that share nearly everything with one that is tried every time.
VARIANTS = {"calo_clouds_2 with places", "calo_point_flow_2", "mdma", "deep_tree_gan2"}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in VARIANTS else ()) for name in SYSTEMS],
)
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**SPECIFICATION, **SYSTEMS[request.param]}


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return quick(specification).fit(*with_layers(600, 10), seed=1)


@pytest.fixture(scope="module")
def learned() -> Any:
    return create(SPECIFICATION).fit(*with_layers(1_000, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 600
    events = staticmethod(with_layers)


def test_energies_are_those_of_the_context_and_points_as_many_as_drawn(learned: Any) -> None:
    x, c = with_layers(1_000, 11)
    drawn = learned.sample(c, seed=1).astype(np.float64)
    sums = np.stack([drawn[:, :2].sum(axis=1), drawn[:, 2:].sum(axis=1)], axis=1)
    assert sums == pytest.approx(c[:, 1:], rel=1e-5)
    assert drawn[drawn > 0].min() >= THRESHOLD * (1 - 1e-6)
    (first, *_), coordinates = learned.fitted_, learned.coordinates_
    seed = int(np.random.SeedSequence(1).spawn(3)[0].generate_state(1)[0])
    counts = coordinates.voxels.possible(first.sample(c, seed=seed), c[:, 1:])
    assert np.array_equal(coordinates.voxels.counts(drawn * (1 + 1e-6)), counts)
    # Points that do not know each other, after a training of a moment.
    assert drawn.mean(axis=0) == pytest.approx(x.mean(axis=0), rel=0.4)


@pytest.mark.parametrize("across", ["ring", "grid"])
def test_points_can_have_other_places(across: str) -> None:
    x, c = with_layers(300, 12)
    made = quick({**SPECIFICATION, "across": across, "tells": ["visible"]}).fit(x, c, seed=1)
    drawn = made.sample(c, seed=2).astype(np.float64)
    assert drawn.sum(axis=1) == pytest.approx(x.sum(axis=1), rel=1e-5)
    assert not isinstance(made, DensityGenerator)


@pytest.mark.parametrize("name", ["calo_clouds_1", "consistency", "calo_point_flow_2"])
def test_any_generator_of_clouds_makes_whole_showers(name: str) -> None:
    x, c = showers(300, 13)
    chain = {
        "kind": "showers",
        "layers": LAYERS,
        "energies": {**SPECIFICATION["counts"], "bijection": "quantile_normal"},
    }
    made = quick({**chain, "shapes": {**SPECIFICATION, **SYSTEMS[name]}}).fit(x, c, seed=1)
    drawn = made.sample(c, seed=2)
    assert drawn.shape == x.shape
    assert np.isfinite(drawn).all()
    assert ((drawn == 0) | (drawn >= THRESHOLD * (1 - 1e-6))).all()


def test_points_are_told_places_in_training_and_in_drawing_alike() -> None:
    x, c = with_layers(200, 14)
    made = create({**SPECIFICATION, "tells": ["counts", "radii", "centres"]})
    coordinates = made.coordinates(x, c, np.ones(len(x)))
    first, second = coordinates.first(x, c), coordinates.second(x, c)
    # Two counts, two radii and two times two of a centre, of points which are those that are learned.
    assert first.shape == (200, 8)
    start, stop = second.x.offsets[7:9]
    rows = second.x.values[start:stop]
    outer = rows[rows[:, -1] >= 1]
    weights = outer[:, 2]
    assert first[7, 3] == pytest.approx(np.average(np.hypot(outer[:, 0], outer[:, 1]), weights=weights))
    assert first[7, 6:] == pytest.approx(np.average(outer[:, :2], axis=0, weights=weights))
    asked = coordinates.request(first, c, torch.Generator().manual_seed(1)).context
    assert np.array_equal(asked, second.context)


def always_hit(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Showers (n, 9) in layers of three and six voxels, which all have energy, mostly near the axis."""
    rng = np.random.default_rng(seed)
    incident = rng.uniform(0.1, 1, n)
    x = incident[:, None] * rng.dirichlet(np.full(9, 0.6), n) + 2e-3 * (rng.random((n, 9)) < 0.5)
    x[x < THRESHOLD] = 0
    x[:, [0, 3]] = np.maximum(x[:, [0, 3]], 2e-3)
    return x, np.column_stack([incident, x[:, :3].sum(axis=1), x[:, 3:].sum(axis=1)])


#: Distances of the last corner of both layers from the axis.
FARTHEST = {"plane": [3, 2], "ring": [3, 2], "grid": [np.hypot(0.5, 1.5), np.hypot(1.5, 1)]}


@pytest.mark.parametrize("across", FARTHEST)
def test_places_that_are_drawn_outside_of_the_training_do_no_harm(across: str) -> None:
    """All radii of the training are above zero, but a density has tails."""
    (x, c), few = always_hit(400, 1), {**STEPS, "steps": 60, "batch_size": 128}
    points = {"kind": "calo_clouds_2", "widths": [8], "frequencies": 2, "sampling_steps": 2}
    specification = {
        **SPECIFICATION,
        "layers": [[1, 3], [3, 2]],
        "across": across,
        "tells": ["energies", "counts", "radii", "centres"],
        "counts": {**SPECIFICATION["counts"], "training": few},
        "points": {**points, "training": {**few, "steps": 2}},
    }
    made = create(specification).fit(x, c, seed=1)
    known, (first, second) = made.coordinates_.second(x, c).context, made.fitted_
    # The energy of the shower, places, energies and numbers of layers, and the number of all points.
    places = slice(1, known.shape[1] - 5)
    assert (known[:, places] > 0).all() == (across != "plane")
    assert second.context_map_.logarithmic.tolist() == [False] * known.shape[1]
    c = always_hit(20_000, 2)[1]
    drawn = first.sample(c, seed=1)
    assert (drawn[:, 2:] < 0).any()
    told = made.coordinates_.request(drawn, c, torch.Generator().manual_seed(1)).context
    radii = told[:, 1:3]
    assert (radii >= 0).all()
    assert (radii <= FARTHEST[across]).all()
    assert np.isfinite(made.sample(c, seed=3)).all()


def test_the_strongest_of_two_points_keeps_its_voxel_as_often_as_the_other() -> None:
    """Clouds come by falling energy."""
    coordinates = create({**SPECIFICATION, "across": "grid", "tells": []})._coordinates()
    context = np.tile([0.1, 0.1, 0.0], (4_000, 1))
    request = coordinates.request(np.tile([2.0, 0.0], (4_000, 1)), context, torch.Generator().manual_seed(1))
    clouds = np.tile([[0.5, 0.5, 3.0, 0.5], [0.5, 0.5, 1.0, 0.5]], (4_000, 1, 1))
    drawn = request.event(clouds)
    assert (drawn[:, :2] > 0).all()
    assert (drawn[:, 0] > drawn[:, 1]).mean() == pytest.approx(0.5, abs=4 * 0.5 / 4_000**0.5)
    assert np.array_equal(request.event(clouds), drawn)


def test_what_does_not_fit_is_named() -> None:
    x, c = with_layers(300, 12)
    with pytest.raises(ShapeError, match="energies of layers"):
        quick(SPECIFICATION).fit(x, c + np.array([0, 0, 0.01]), seed=1)
    with pytest.raises(ShapeError, match="no points"):
        quick(SPECIFICATION).fit(0 * x, 0 * c + [1, 0, 0], seed=1)
    for name, value in (("across", "cone"), ("tells", ["charge"]), ("given", [1]), ("threshold", 0.0)):
        with pytest.raises(HyperparameterError, match=name):
            create({**SPECIFICATION, name: value})
    with pytest.raises(HyperparameterError, match="clouds"):
        create({**SPECIFICATION, "points": {"kind": "gan"}})
