"""Details of a comparison: energy by energy, neighbours, worth, and weights, where the truth is known."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.showers import geometry
from cathode.classifiers import BoostedTrees
from cathode.comparison.shower_details import ShowerDetails
from cathode.comparison.showers import evaluate_showers

GEOMETRY = geometry("ds1-photons")
TREES = BoostedTrees(members=2, max_iter=40, jobs=1)


def write(path: Path, n: int, seed: int, *, scale_at: dict[float, float] | None = None) -> Path:
    """Showers of 1 and 20 GeV, MeV in the file, with responses that can be wrong at one of these."""
    rng = np.random.default_rng(seed)
    incident = np.where(np.arange(n) % 2, 20_000.0, 1_000.0)
    response = rng.normal(1, 0.05, n) * [(scale_at or {}).get(e / 1000, 1.0) for e in incident]
    weights = np.exp(-GEOMETRY.radii / 60) * rng.exponential(size=(n, GEOMETRY.voxels))
    energies = weights / weights.sum(axis=1, keepdims=True) * (incident * response)[:, None]
    with h5py.File(path, "w") as file:
        file["incident_energies"], file["showers"] = incident[:, None], energies.astype("f4")
    return path


@pytest.fixture(scope="module")
def details(tmp_path_factory: pytest.TempPathFactory) -> ShowerDetails:
    folder = tmp_path_factory.mktemp("showers")
    wrong = write(folder / "generated.h5", 600, 1, scale_at={20.0: 1.1})
    found = evaluate_showers(
        wrong, write(folder / "reference.h5", 600, 2), GEOMETRY, tests=["high"], trees=TREES, folds=2
    )
    return found.details


def test_only_the_wrong_energy_is_told_apart(details: ShowerDetails) -> None:
    good, bad = details.slices
    assert (good.low, bad.low) == pytest.approx((1, 20))
    assert (good.generated, bad.reference) == (300, 300)
    assert good.auc is not None
    assert bad.auc is not None
    assert abs(good.auc.value - 0.5) < 4 * good.auc.error
    assert bad.auc.value > 0.75
    assert bad.response[0] - bad.response[1] == pytest.approx(0.1, abs=4 * bad.error)
    assert abs(good.response[0] - good.response[1]) < 4 * good.error


def test_weights_mend_the_response(details: ShowerDetails) -> None:
    assert details.ratio is not None
    before, after = details.mended["response"]
    assert after < 0.8 * before
    assert details.ratio.effective < 0.98 * 600
    assert abs(details.ratio.after.value - 0.5) < abs(details.ratio.before.value - 0.5)


def test_numbers_are_json_and_shares(details: ShowerDetails) -> None:
    found = details.to_dict()
    for name in ("precision", "recall", "coverage"):
        assert 0 <= found["neighbourhoods"][name] <= 1
        assert found["neighbourhoods_floor"][name] > 0.5
    assert found["equivalent_size"]["events"] <= 300
    assert len(found["slices"]) == 2
