from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from analysis.events import Events, FloatArray
from analysis.features.substructure import DIJET_SUBSTRUCTURE, dijet_substructure
from cathode.classifiers import load_classifier
from cathode.classifiers.boosted_trees import BoostedTrees
from cathode.config import parse_config
from cathode.diagnostics import Diagnostics
from cathode.errors import ConfigError
from cathode.observables import (
    AsRead,
    DijetSubjettiness,
    DijetSubstructure,
    Noise,
    Observables,
    ShowerCells,
    ShowerShapes,
    create,
    drawable,
    kinds,
    register,
)
from cathode.runtime.specification import specification
from cathode.scoring import Scorer
from cathode.template.drawing import Template
from cathode.testing.observables import check_observables

from .toys import REGION, Discriminant, TrueGenerator, decisive, toy_events, toy_search


def constituents(n: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    pt = rng.exponential(60, (n, 2, 12)) + 20
    eta, phi = 0.2 * rng.standard_normal((2, n, 2, 12))
    phi[:, 1] += 2.5
    return np.stack([pt, eta, phi], axis=-1).astype(np.float32)


@dataclass(frozen=True)
class Ratio(Observables):
    """The ratio of the two columns, the only one of a test."""

    kind: ClassVar[str] = "test_ratio"

    power: float = 1.0

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return (f"{columns[0]} over {columns[1]}",)

    def compute(self, x: FloatArray) -> FloatArray:
        return (x[:, :1] / x[:, 1:]) ** self.power


@dataclass(frozen=True)
class Multiplied(Observables):
    """Every column times a power of two: exact, and to trees the same."""

    kind: ClassVar[str] = "test_multiplied"

    factor: float = 1.0

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{self.factor:g} {name}" for name in columns)

    def compute(self, x: FloatArray) -> FloatArray:
        return self.factor * x


def test_as_read_changes_nothing() -> None:
    events = Events(np.arange(6.0).reshape(3, 2), np.ones(3), ("a", "b"))
    seen = AsRead().of_events(events)
    assert np.array_equal(seen.x, events.x)
    assert seen.columns == ("a", "b")


def test_data_and_template_go_through_the_same_function() -> None:
    x = constituents(40, 1)
    events = Events(x, np.full(40, 3000.0), ("pt", "eta", "phi"))
    some = DijetSubstructure(columns=("tau21_heavy", "mj_light"))
    seen, template = some.of_events(events), some.of_template(Template(x, events.mass))
    assert np.array_equal(seen.x, template.x)
    assert seen.columns == ("tau21_heavy", "mj_light")
    whole = dijet_substructure(x)
    np.testing.assert_array_equal(seen.x[:, 0], whole[:, DIJET_SUBSTRUCTURE.index("tau21_heavy")])
    np.testing.assert_array_equal(seen.mass, events.mass)


def test_rows_keep_their_identity() -> None:
    x = constituents(40, 2)
    events = Events(x, np.arange(40.0), ("pt", "eta", "phi"))
    order = np.random.default_rng(3).permutation(40)
    whole, part = DijetSubstructure().of_events(events), DijetSubstructure().of_events(events[order])
    np.testing.assert_array_equal(whole.x[order], part.x)


@pytest.mark.parametrize(
    "made",
    [
        AsRead(),
        DijetSubstructure(),
        DijetSubstructure(columns=("n_light",)),
        ShowerShapes(),
        ShowerShapes(geometry="calogan", columns=("share_0",)),
        ShowerCells(leading=5),
    ],
)
def test_specification_makes_the_same_again(made: Observables) -> None:
    assert create(specification(made)) == made


def test_own_observables_enter_by_name() -> None:
    register(Ratio)
    assert "test_ratio" in kinds()
    events = Events(np.array([[4.0, 2.0]]), np.ones(1), ("a", "b"))
    assert create({"kind": "test_ratio", "power": 2.0}).of_events(events).feature("a over b")[0] == 4.0

    class Other(Ratio):
        kind: ClassVar[str] = "test_ratio"

    with pytest.raises(ValueError, match="taken"):
        register(Other)


def test_search_with_own_observables(tmp_path: Path) -> None:
    """From training to the scores of a stored run: trees find in doubled features what they find in those read."""
    register(Multiplied)
    events, other = toy_events(4_000, signal=60, seed=71), toy_events(2_000, seed=72)
    trees = BoostedTrees(members=2, max_iter=10, jobs=1)
    results, scorers = [], []
    for made in (AsRead(), Multiplied(factor=2.0)):
        search = toy_search(observables=made, classifier=trees, background_efficiencies=(0.1,), folds=2)
        results.append(decisive(search.run(events, output=tmp_path / made.kind)))
        scorers.append(Scorer.load(tmp_path / made.kind))
    read, doubled = scorers

    assert [result.pop("observables") for result in results] == [
        {"kind": "as_read"},
        {"kind": "test_multiplied", "factor": 2.0},
    ]
    assert results[0].pop("fingerprint") != results[1].pop("fingerprint")
    for result in results:
        for test in result["feature_tests"]:
            test["feature"] = test["feature"].removeprefix("2 ")
    assert results[0] == results[1]

    assert doubled.observables == Multiplied(factor=2.0)
    for seen in (events, other):
        expected, found = read(seen), doubled(seen)
        np.testing.assert_array_equal(found.score, expected.score)
        np.testing.assert_array_equal(found.passes, expected.passes)
    # What was trained, in the window and in the validation regions beside it, did see twice the values.
    stored = [sorted((tmp_path / made).rglob("fold_*")) for made in ("as_read", "test_multiplied")]
    assert [len(folders) for folders in stored] == [4, 4]
    for folders in zip(*stored, strict=True):
        one, two = (load_classifier(folder) for folder in folders)
        np.testing.assert_array_equal(two.score(2 * other.x), one.score(other.x))
        assert (two.score(other.x) != one.score(other.x)).mean() > 0.5


class Pairs(TrueGenerator):
    """Pairs of jets that do not depend on the mass."""

    def sample(self, context: Any, *, seed: int) -> Any:
        return constituents(len(context), seed)


class OfOneConstituent(Discriminant):
    """Looks at the first constituent of the first jet."""

    def fit(self, x: Any, y: Any, **settings: Any) -> Self:
        return super().fit(x[:, 0, 0], y, **settings)

    def score(self, x: Any) -> Any:
        return super().score(x[:, 0, 0])


def test_pairs_of_jets_are_drawn_as_their_substructure(tmp_path: Path) -> None:
    events = toy_events(2_000, seed=73)
    events = dataclasses.replace(events, x=constituents(len(events), 74), columns=("pt", "eta", "phi"))
    search = toy_search(
        generator=Pairs(), classifier=OfOneConstituent(), folds=2, background_efficiencies=(0.1,), closure=False
    )
    search.run(events, output=tmp_path)
    drawn = Diagnostics.load(tmp_path / "diagnostics.npz")
    assert drawn.columns == DIJET_SUBSTRUCTURE
    assert drawn.x is not None
    inside = REGION.signal(drawn.mass)
    np.testing.assert_array_equal(drawn.x[inside], dijet_substructure(events.x[REGION.signal(events.mass)]))
    assert np.isnan(drawn.x[~inside]).all()
    assert drawn.template_x is not None
    assert drawn.template_x.shape == (len(drawn.template_mass), len(DIJET_SUBSTRUCTURE))
    # Single jets are neither, nor are constituents with more than momenta: nothing is drawn of them.
    assert drawable(events.x[:, :1]) is None
    assert drawable(np.concatenate([events.x, events.x[..., :1]], axis=3)) is None


def test_unknown_names_are_named() -> None:
    with pytest.raises(ConfigError, match="dijet_substructure"):
        create({"kind": "dijet_substructur"})
    with pytest.raises(ConfigError, match=r"no hyperparameter 'column'.*columns"):
        create({"kind": "dijet_substructure", "column": ["n_light"]})
    with pytest.raises(ConfigError, match="needs a 'kind', one of as_read"):
        create({"columns": ["n_light"]})
    with pytest.raises(ConfigError, match="tau21_light"):
        DijetSubstructure(columns=("tau21_ligt",))
    text = (
        "data: {files: x.root}\nregion: {signal: [3, 4]}\nobservables: {kind: dijet_substructure, columns: [mj_lihgt]}"
    )
    with pytest.raises(ConfigError, match="mj_light"):
        parse_config(text).observables.build()


@pytest.mark.parametrize("made", [ShowerShapes(), ShowerCells(leading=4)])
def test_observables_of_showers_keep_the_contract(made: Observables) -> None:
    x = np.random.default_rng(4).exponential(0.003, (60, 368)).astype(np.float32)
    events = Events(x, np.arange(60.0), tuple(f"voxel_{i}" for i in range(368)))
    check_observables(lambda: made, events)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "shower_shapes", "geometry": "ds1"}, "no geometry 'ds1'"),
        ({"kind": "shower_shapes", "columns": ["share_7"]}, "has no 'share_7'"),
        ({"kind": "shower_cells", "leading": 0}, "at least 1"),
    ],
)
def test_observables_of_showers_are_checked(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        create(given)


def test_noise_is_normal_independent_and_of_the_event() -> None:
    x = np.random.default_rng(1).standard_normal((20_000, 2)).astype(np.float32)
    noise = Noise(features=3)
    made = noise.compute(x)
    assert noise.names(("a", "b")) == ("a", "b", "noise_1", "noise_2", "noise_3")
    assert np.array_equal(made[:, :2], x)
    assert np.allclose(made.mean(axis=0), 0, atol=0.03)
    assert np.allclose(np.cov(made.T), np.eye(5), atol=0.04)
    order = np.random.default_rng(2).permutation(len(x))
    assert np.array_equal(noise.compute(x[order]), made[order])
    with pytest.raises(ConfigError, match="features = 0"):
        Noise(features=0)
    with pytest.raises(ConfigError, match="constituents"):
        noise.compute(constituents(4, seed=1))


def test_subjettiness_of_the_lighter_jet_comes_first() -> None:
    x = constituents(200, seed=3)
    made, swapped = (DijetSubjettiness().compute(each) for each in (x, x[:, ::-1]))
    assert made.shape == (200, 56) == (200, len(DijetSubjettiness().names(())))
    assert np.allclose(made, swapped, rtol=1e-4, atol=1e-5)
    assert np.all(made[:, 1] >= 0)


@pytest.mark.parametrize("features", ["dijet_dr", "dijet_tau", "dijet_shifted"])
def test_sets_of_features_are_known_by_name(features: str) -> None:
    config = parse_config(f"data: {{files: embedded:dijets, features: {features}}}\nregion: {{signal: [3300, 3700]}}\n")
    assert set(config.data.features or {}) >= {"mj_light", "delta_mj", "tau21_light", "tau21_heavy"}
