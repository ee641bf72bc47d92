"""The network of convolutions as a test of showers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.showers import Geometry, PolarLayer, geometry
from cathode.classifiers import ShowerResNet
from cathode.comparison.shower_classifiers import by_volume, resnet_of
from cathode.errors import ConfigError
from cathode.runtime.seeds import Seeds

SMALL = Geometry("small", tuple(PolarLayer(i, (0.0, 10.0, 20.0), 6) for i in range(3)), "photon")


def write(path: Path, apart: int, seed: int, n: int = 600) -> Path:
    """Showers of two cells of equal energy in one layer, `apart` angles from each other, in MeV."""
    rng = np.random.default_rng(seed)
    x, rows = np.zeros((n, 3, 6, 2)), np.arange(n)
    layer, angle, ring = rng.integers(0, 3, n), rng.integers(0, 6, n), rng.integers(0, 2, n)
    x[rows, layer, angle, ring] = x[rows, layer, (angle + apart) % 6, ring] = rng.uniform(400, 500, n)
    with h5py.File(path, "w") as file:
        file["showers"], file["incident_energies"] = x.reshape(n, -1), np.full((n, 1), 1000.0)
    return path


def test_convolutions_see_what_lies_beside_what(tmp_path: Path) -> None:
    network = ShowerResNet(layers=3, angles=6, rings=2, epochs=6, learning_rate=5e-3)
    reference = write(tmp_path / "a.h5", 1, 1)
    found = by_volume((write(tmp_path / "b.h5", 3, 2), reference), SMALL, network, folds=2, seeds=Seeds(1))
    assert found.auc.value > 0.9
    assert found.floor is not None
    assert abs(found.floor.value - 0.5) < 4 * found.floor.error
    assert found.defect is not None
    # Three per cent more energy, of a range of 22.
    assert found.defect.value > 0.52


def test_layers_of_several_binnings_have_no_such_test() -> None:
    made = resnet_of(geometry("ds2"))
    assert (made.layers, made.angles, made.rings, made.periodic) == (45, 16, 9, True)
    assert not resnet_of(geometry("ild")).periodic
    with pytest.raises(ConfigError, match="layers of one binning"):
        resnet_of(geometry("ds1-photons"))
