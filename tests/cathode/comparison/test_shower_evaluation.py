"""Generated showers against reference ones: what is equal is not told apart, what is wrong is, and all is written."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from analysis.errors import GeometryError, InputFileError, TooFewEventsError
from analysis.showers import Geometry, PolarLayer, geometry, write_binning_xml
from cathode.classifiers import BoostedTrees
from cathode.cli.app import app
from cathode.comparison.showers import evaluate_showers
from cathode.errors import ConfigError
from cathode.report.showers import headline

TREES = BoostedTrees(members=1, max_iter=30, jobs=1)


def write(
    path: Path, n: int, seed: int, *, scale: float = 1.0, low: float = 20_000.0, of: Geometry | None = None
) -> Path:
    """Showers in the geometry of photons, MeV, whose energies fall off with the radius."""
    of, rng = of or geometry("ds1-photons"), np.random.default_rng(seed)
    incident = rng.uniform(low, low + 2_000, n)
    weights = np.exp(-of.radii / 30) * rng.exponential(size=(n, of.voxels))
    energies = weights / weights.sum(axis=1, keepdims=True) * incident[:, None] * rng.normal(1, 0.02, (n, 1))
    with h5py.File(path, "w") as file:
        file["incident_energies"], file["showers"] = incident[:, None], (scale * energies).astype("f4")
    return path


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("showers")
    return {
        "reference": write(folder / "reference.h5", 600, 1),
        "equal": write(folder / "equal.h5", 500, 2),
        "large": write(folder / "large.h5", 500, 3, scale=1.1),
        "other energies": write(folder / "other.h5", 500, 4, low=21_000.0),
    }


def evaluated(samples: dict[str, Path], name: str, tests: tuple[str, ...] = ("high",)):
    return evaluate_showers(
        samples[name], samples["reference"], geometry("ds1-photons"), tests=tests, trees=TREES, folds=2
    )


def test_equal_showers_are_not_told_apart_and_wrong_ones_are(samples: dict[str, Path]) -> None:
    same, large = evaluated(samples, "equal"), evaluated(samples, "large")
    for score in (same.classifiers["high"].auc, same.classifiers["high"].floor, large.classifiers["high"].floor):
        assert abs(score.value - 0.5) < 4 * score.error
    assert large.classifiers["high"].auc.value > 0.85
    assert same.classifiers["high"].defect.value > 0.55
    assert large.frechet.value > same.frechet.value + 3 * same.frechet.error
    assert large.separations()["response"][0] > 3 * same.separations()["response"][0]
    assert "can not be told" in headline(same)
    assert "can be told" in headline(large)


def test_response_and_means_are_those_of_the_files(samples: dict[str, Path]) -> None:
    found = evaluated(samples, "large", ()).to_dict()
    assert found["generated"] == 500
    assert found["reference"] == 600
    with h5py.File(samples["large"]) as file:
        energies = file["showers"][:].astype(float)
        energies[energies < 1] = 0
        response = energies.sum(axis=1) / file["incident_energies"][:, 0]
    assert found["response"]["generated"]["mean"] == pytest.approx(response.mean(), rel=1e-5)
    assert [layer["layer"] for layer in found["layers"]] == [0, 1, 2, 3, 12]
    assert found["layers"][0]["generated"] == pytest.approx(energies[:, :8].sum(axis=1).mean() / 1000, rel=1e-5)


def test_tests_on_voxels_see_a_scale_too(samples: dict[str, Path]) -> None:
    found = evaluated(samples, "large", ("low", "low-normed"))
    assert set(found.classifiers) == {"low", "low-normed"}
    assert found.classifiers["low"].auc.value > 0.6
    assert found.classifiers["low"].floor is None


def test_other_incident_energies_are_warned_of(samples: dict[str, Path]) -> None:
    assert not [w for w in evaluated(samples, "equal", ()).warnings if "incident" in w]
    assert [w for w in evaluated(samples, "other energies", ()).warnings if "incident" in w]


def test_the_same_seed_gives_the_same_numbers(samples: dict[str, Path]) -> None:
    assert evaluated(samples, "equal").to_dict() == evaluated(samples, "equal").to_dict()


def test_command_writes_page_figures_and_numbers_and_prints_these(tmp_path: Path) -> None:
    small = Geometry("small", (PolarLayer(3, (0.0, 10.0, 20.0, 40.0), 4),), "photon")
    write_binning_xml(small, tmp_path / "small.xml")
    files = [str(write(tmp_path / f"{seed}.h5", 200, seed, of=small)) for seed in (1, 2)]
    options = ["--dataset", str(tmp_path / "small.xml"), "--output", str(tmp_path / "out"), "--test", "low", "--json"]
    done = CliRunner().invoke(app, ["evaluate", "showers", *files, *options])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    written = json.loads((tmp_path / "out" / "showers.json").read_text())
    assert {key: printed[key] for key in written} == written
    assert written["dataset"] == "small"
    text = Path(printed["page"]).read_text()
    figures = {path.name for path in (tmp_path / "out" / "figures").glob("*.png")}
    assert text.count("<img") == len(figures) == 4 + 1 + 2 + 6 + 1 + 1
    assert {"average.png", "profile_energy.png", "000.png"} <= figures
    assert 'src="http' not in text


def test_what_can_not_be_compared_is_named(samples: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="low-normed"):
        evaluated(samples, "equal", ("low_normed",))
    with pytest.raises(GeometryError, match="533"):
        evaluate_showers(samples["equal"], samples["reference"], geometry("ds1-pions"))
    with pytest.raises(InputFileError, match="no file"):
        evaluate_showers(tmp_path / "nothing.h5", samples["reference"], geometry("ds1-photons"))
    with pytest.raises(TooFewEventsError, match=r"60 generated and 600 .* at least 63 and 126"):
        evaluate_showers(write(tmp_path / "few.h5", 60, 5), samples["reference"], geometry("ds1-photons"), folds=5)
    for wrong in (["--dataset", "ds4"], ["--dataset", str(tmp_path / "none.xml")]):
        done = CliRunner().invoke(app, ["evaluate", "showers", "a.h5", "b.h5", *wrong])
        assert done.exit_code == 1, wrong
        assert "cathode: " in done.output
