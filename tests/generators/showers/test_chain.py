"""Energies of layers and then shapes: contract, density, conditions, and showers of any number in the same memory."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.protocols import DensityGenerator
from generators.registry import create
from generators.showers.presets import caloflow, hierarchical_sticks, layer_bijection, layer_energies
from generators.sources import NumpyRows
from tests.generators.contracts import EventContract, quick
from tests.generators.showers.toys import LAYERS, THRESHOLD, patterns, showers

ENERGIES = {
    "kind": "autoregressive_spline",
    "bijection": {"kind": "chain", "bijections": ["atoms", "quantile_normal"]},
    "hidden": 24,
    "training": {"steps": 250, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": None},
}
STICKS = {
    "kind": "hierarchical_sticks",
    "hidden": 24,
    "local": 8,
    "training": {"steps": 150, "batch_size": 256, "learning_rate": 1e-2, "ema_decay": None},
}
SPECIFICATION: dict[str, Any] = {
    "kind": "showers",
    "layers": LAYERS,
    "order": [1, 0],
    "energies": ENERGIES,
    "shapes": STICKS,
}
SHAPES: dict[str, Any] = {"kind": "voxel_shapes", "generator": {**ENERGIES, "bijection": "standardise"}}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*showers(3_000, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 3_000
    events = staticmethod(showers)


def test_showers_are_those_of_the_truth(fitted: Any) -> None:
    x, c = showers(6_000, 20)
    drawn = fitted.sample(c, seed=3)
    assert drawn[drawn > 0].min() >= THRESHOLD * (1 - 1e-6)
    assert np.abs(patterns(drawn) - patterns(x)).max() < 0.06
    assert drawn.mean(axis=0) == pytest.approx(x.mean(axis=0), rel=0.12)
    assert np.median(drawn.sum(axis=1) / c[:, 0]) == pytest.approx(np.median(x.sum(axis=1) / c[:, 0]), abs=0.03)


def test_two_densities_are_one(fitted: Any) -> None:
    """Of draws of q the mean of p/q is one, for p the same chain at another incident energy."""
    assert isinstance(fitted, DensityGenerator)
    c = np.full((20_000, 1), 0.06)
    drawn = fitted.sample(c, seed=4).astype(np.float64)
    own = fitted.log_prob(drawn, c)
    # What is drawn below the threshold becomes nothing, of which the density knows nothing.
    known = np.isfinite(own)
    assert known.mean() > 0.99
    ratio = np.exp(fitted.log_prob(drawn[known], c[known] * 1.01) - own[known])
    assert np.mean(ratio) == pytest.approx(1, abs=0.03)


def test_the_log_determinant_is_that_of_the_ratios(fitted: Any) -> None:
    """Moving the energy of a layer moves the ratios by as much as the log-determinant says."""
    x, c = np.array([[0.01, 0.02, 0.004, 0.006, 0.01]]), np.array([[0.06]])
    coordinates = fitted.coordinates_
    step, slopes = 1e-7, np.empty((2, 2))
    for column, layer in enumerate(([0, 1], [2, 3, 4])):
        moved = x.copy()
        moved[:, layer] *= 1 + step / x[:, layer].sum()
        slopes[column] = (coordinates.first(moved, c) - coordinates.first(x, c))[0] / step
    due = np.log(abs(np.linalg.det(slopes)))
    assert coordinates.log_det(x, c)[0] == pytest.approx(due, abs=1e-4)
    # A layer with nothing, and one with everything, are atoms: the incident energy alone is left.
    one = np.array([[0.01, 0.02, 0, 0, 0]])
    assert coordinates.log_det(one, c)[0] == pytest.approx(-np.log(0.06))


def _pairs(n: int, empty: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two layers of one voxel each, the first empty in a share `empty` of the showers."""
    rng = np.random.default_rng(3)
    c = rng.uniform(0.05, 0.1, (n, 1))
    share = np.where(rng.random(n) < empty, 0, rng.uniform(0.1, 0.9, n))
    total = c[:, 0] * np.exp(0.1 * rng.standard_normal(n))
    return np.column_stack([total * share, total * (1 - share)]), c


def _of_pairs(bijection: Any, empty: float, steps: int) -> tuple[Any, float, float]:
    """A chain that learned them, the share of empty first layers there, and that of its density."""
    x, c = _pairs(4_000, empty)
    training = {**ENERGIES["training"], "steps": steps}
    energies = {**ENERGIES, "hidden": 16, "blocks": 2, "bijection": bijection, "training": training}
    shapes = {**STICKS, "hidden": 8, "local": 2, "training": {"steps": 2, "batch_size": 64}}
    chain = create({"kind": "showers", "layers": [[1, 1], [1, 1]], "energies": energies, "shapes": shapes})
    chain.fit(x, c, seed=1)
    grid = np.linspace(0.04, 0.12, 400)
    only_second = np.column_stack([0 * grid, grid])
    log_prob = chain.log_prob(only_second, np.full((400, 1), 0.07))
    assert not np.isnan(log_prob).any()
    return chain, float((x[:, 0] == 0).mean()), float(np.trapezoid(np.exp(log_prob), grid))


def test_a_layer_that_is_rarely_empty_has_a_probability_of_it() -> None:
    """0.5 % are too few for an atom by share, but empty is empty."""
    _, seen, found = _of_pairs(layer_bijection(), 0.005, steps=250)
    assert 0.003 < seen < 0.007
    assert seen / 1.5 < found < 1.5 * seen


@pytest.mark.parametrize("bijection", [layer_bijection(), ENERGIES["bijection"]], ids=["by values", "by share"])
def test_what_is_empty_and_no_atom_has_no_density(bijection: Any) -> None:
    """Never in the training, or rarely with atoms by share: minus infinity there, and as before elsewhere."""
    chain, _, found = _of_pairs(bijection, 0.0 if "values" in str(bijection) else 0.005, steps=20)
    assert found == 0
    rows, c = np.array([[0.03, 0.04], [0.0, 0.07], [0.07, 0.0], [0.0, 0.0]]), np.full((4, 1), 0.07)
    assert np.isfinite(chain.log_prob(rows, c)).tolist() == [True, False, False, False]
    # Of the whole energy one part is like another.
    assert np.isfinite(chain.log_prob(rows[:1], rows[:1].sum(axis=1, keepdims=True)))


def test_energies_and_back(fitted: Any) -> None:
    x, c = showers(500, 30)
    coordinates = fitted.coordinates_
    request = coordinates.request(coordinates.first(x, c), c, torch.Generator())
    assert request.context[:, 1:] == pytest.approx(coordinates.energies(x), abs=1e-12)


def test_of_a_known_visible_energy_there_is_one_ratio_less() -> None:
    x, _ = showers(1_500, 1)
    visible = x.sum(axis=1, keepdims=True)
    kept = visible[:, 0] > 0
    x, visible = x[kept], visible[kept]
    made = quick({**SPECIFICATION, "visible": 0}, steps=60).fit(x, visible, seed=1)
    drawn = made.sample(visible, seed=1).astype(np.float64)
    assert drawn.sum(axis=1) == pytest.approx(visible[:, 0], rel=1e-5)
    assert np.isfinite(made.log_prob(x, visible)).all()
    with pytest.raises(ShapeError, match="column 0"):
        quick({**SPECIFICATION, "visible": 0}).fit(x, visible * 1.1, seed=1)


def test_more_is_known_than_the_energy() -> None:
    """An angle and the kind of the particle reach both parts as further columns."""
    x, c = showers(1_500, 2)
    rng = np.random.default_rng(3)
    kind = rng.integers(0, 2, 1_500)
    x[kind == 1, :2] = 0
    known = np.column_stack([c, rng.uniform(0.5, 1.5, 1_500), kind])
    made = quick(SPECIFICATION, steps=150).fit(x, known, seed=1)
    drawn = made.sample(known, seed=1)
    assert (drawn[kind == 1, :2].sum(axis=1) > 0).mean() < 0.1
    assert (drawn[kind == 0, :2].sum(axis=1) > 0).mean() > 0.8


def test_any_generator_makes_shapes_and_then_there_is_no_density() -> None:
    x, c = showers(800, 4)
    made = quick({**SPECIFICATION, "shapes": SHAPES}).fit(x, c, seed=1)
    assert not isinstance(made, DensityGenerator)
    assert made.sample(c[:20], seed=1).shape == (20, 5)


def test_a_stream_is_as_many_showers_with_their_context(fitted: Any) -> None:
    _, c = showers(250, 5)
    parts = list(fitted.stream(c, seed=1, size=100))
    assert [len(rows) for rows, _ in parts] == [100, 100, 50]
    assert np.array_equal(np.concatenate([rows for rows, _ in parts]), c)
    again = np.concatenate([drawn for _, drawn in fitted.stream(c, seed=1, size=100)])
    assert np.array_equal(again, np.concatenate([drawn for _, drawn in parts]))
    # No part repeats another one.
    assert not np.array_equal(parts[0][1][:50], parts[1][1][:50])


def test_what_does_not_fit_is_named() -> None:
    x, c = showers(300, 6)
    with pytest.raises(ShapeError, match="5"):
        quick(SPECIFICATION).fit(x[:, :4], c, seed=1)
    with pytest.raises(NonFiniteInputError, match="negative energy"):
        quick(SPECIFICATION).fit(np.where(np.arange(5) == 1, -1.0, x), c, seed=1)
    with pytest.raises(NonFiniteInputError, match="positive"):
        quick(SPECIFICATION).fit(x, -c, seed=1)
    with pytest.raises(HyperparameterError, match="one layer"):
        create({**SPECIFICATION, "layers": [[1, 4]], "order": []})
    with pytest.raises(HyperparameterError, match="given the energies"):
        create({**SPECIFICATION, "shapes": {**STICKS, "given": [1]}})


def test_presets_are_specifications() -> None:
    for size in ("published", "small"):
        for role in ("teacher", "student"):
            chain = create(caloflow("ds1-photons", role, size))
            assert chain.shapes["generator"]["kind"] == f"caloflow_{role}"
    assert create(hierarchical_sticks(LAYERS, "large")).hidden == 1024
    assert create(layer_energies()).kind == "autoregressive_spline"
    with pytest.raises(HyperparameterError, match="CaloFlow"):
        caloflow("ds9", "teacher", "small")


def test_a_published_size_takes_other_layers() -> None:
    rng = np.random.default_rng(3)
    c = rng.uniform(0.4, 0.6, (200, 1))
    x = c * rng.dirichlet(np.ones(6), 200)
    chain = caloflow("ds1-photons", "teacher", "published", layers=[[1, 2]] * 3)
    for part in (chain["energies"], chain["shapes"]["generator"]):
        part |= {"blocks": 1, "hidden": 8, "training": {"epochs": None, "steps": 1, "batch_size": 16}}
    drawn = create(chain).fit(x, c, seed=1).sample(c[:5], seed=1)
    assert drawn.shape == (5, 6)


def test_sizes_of_sticks_are_known() -> None:
    with pytest.raises(HyperparameterError, match="huge"):
        hierarchical_sticks(LAYERS, "huge")


@pytest.mark.parametrize("shapes", [STICKS, SHAPES], ids=["sticks", "voxels"])
def test_a_layer_may_be_empty_that_never_was_in_training(shapes: dict[str, Any]) -> None:
    x, c = showers(600, 7)
    kept = (x[:, :2].sum(axis=1) > 0) & (x[:, 2:].sum(axis=1) > 0)
    x, energies = x[kept], np.stack([x[:, :2].sum(axis=1), x[:, 2:].sum(axis=1)], axis=1)[kept]
    context = np.column_stack([c[kept], energies])
    part = quick({**shapes, "layers": LAYERS, "given": [1, 2]}).fit(x, context, seed=1)
    drawn = part.sample(np.array([[0.05, 0.04, 0.0], [0.05, 0.0, 0.05]]), seed=1)
    assert (drawn[0, 2:] == 0).all()
    assert (drawn[1, :2] == 0).all()
    assert drawn.sum(axis=1) == pytest.approx([0.04, 0.05], rel=1e-5)


@pytest.mark.parametrize("shapes", [STICKS, SHAPES], ids=["sticks", "voxels"])
def test_showers_in_a_file_are_learned_as_those_in_memory(tmp_path: Path, shapes: dict[str, Any]) -> None:
    x, c = showers(400, 12)
    np.save(tmp_path / "showers.npy", x)
    weights = np.arange(400) % 3 != 0
    made = create(_short({**SPECIFICATION, "shapes": shapes}))
    for_file, for_array = (
        copy.deepcopy(made).fit(given, c, weights=weights, seed=3).state()
        for given in (NumpyRows(tmp_path / "showers.npy"), x)
    )
    assert for_file.keys() == for_array.keys()
    for name, value in for_file.items():
        assert torch.equal(value, for_array[name]), name


def test_the_row_of_a_file_that_is_no_shower_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, c = showers(400, 12)
    x[333, 1] = -1
    np.save(tmp_path / "showers.npy", x)
    monkeypatch.setattr("generators.sources.CHUNK_BYTES", 8 * x.shape[1] * 64)
    with pytest.raises(NonFiniteInputError, match=r"1 showers .*first in row 333"):
        create(SPECIFICATION).fit(NumpyRows(tmp_path / "showers.npy"), c, seed=3)


def _short(what: dict[str, Any]) -> dict[str, Any]:
    """The same with trainings of five steps."""
    short = {key: _short(value) if isinstance(value, dict) else value for key, value in what.items()}
    return {**short, "steps": 5} if "steps" in short else short


_STREAM = """
import resource, sys
import numpy as np
from analysis.datasets.shower_writing import write_calochallenge
from analysis.showers import Showers, geometry
from generators import create
known = geometry("ds2")
rng = np.random.default_rng(1)
incident = rng.uniform(1, 2, (60, 1))
x = incident * rng.dirichlet(np.full(known.voxels, 0.002), 60)
energies = {"kind": "autoregressive_spline", "training": {"steps": 1, "batch_size": 16}}
shapes = {"kind": "hierarchical_sticks", "hidden": 8, "local": 2, "components": 1}
shapes["training"] = {"steps": 1, "batch_size": 8}
layers = [list(layer.shape) for layer in known.layers]
chain = create({"kind": "showers", "layers": layers, "energies": energies, "shapes": shapes}).fit(x, incident, seed=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
parts = (Showers(c[:, 0], y) for c, y in chain.stream(np.full((int(sys.argv[1]), 1), 1.5), seed=1, size=200))
write_calochallenge(sys.argv[2], parts, known)
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_four_times_as_many_showers_take_the_same_memory(tmp_path: Path) -> None:
    """Peak memory of whole programs that stream 400 and 1,600 showers of CaloChallenge 2 to a file."""
    peaks = []
    for number in (400, 1_600):
        command = [sys.executable, "-c", _STREAM, str(number), str(tmp_path / f"{number}.h5")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout.split()[1]))
    assert peaks[1] < 1.1 * peaks[0]
