"""Weak classifiers: what they must learn, what they must not see, what they must refuse."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.errors import NonFiniteError, TooFewEventsError
from cathode.classifiers import (
    BoostedTrees,
    DeepSets,
    EnergyFlow,
    Mlp,
    ShowerResNet,
    Transformer,
    WeakClassifier,
    classifier_class,
    create,
    load_classifier,
    register,
)
from cathode.classifiers.boosted_trees import split
from cathode.classifiers.forest import bin_edges, bin_numbers, boxes_of, joined, raw_scores
from cathode.classifiers.negative_weights import without_negative
from cathode.classifiers.parallel import ordered_map
from cathode.errors import CathodeError, ClassifierFolderError, ClassifierInputError, ConfigError
from cathode.testing import classifier_checks
from generators.errors import ConstantFeatureError
from generators.testing import Check

Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

SETS: dict[str, Any] = {
    "hidden": 16,
    "latent": 8,
    "layers": 1,
    "ema_decay": 0.9,
    "epochs": 6,
    "best_epochs": 2,
    "batch_size": 512,
    "learning_rate": 1e-2,
}
KINDS: dict[str, Any] = {
    "boosted_trees": lambda: BoostedTrees(members=4, jobs=1),
    "mlp": lambda: Mlp(epochs=6, best_epochs=2, batch_size=256, hidden=32, learning_rate=3e-3),
    "transformer": lambda: Transformer(
        width=8,
        blocks=1,
        jet_blocks=0,
        heads=1,
        expansion=1,
        ema_decay=0.9,
        epochs=6,
        best_epochs=2,
        batch_size=512,
        learning_rate=1e-2,
    ),
    "deep_sets": lambda: DeepSets(**SETS),
    "energy_flow": lambda: EnergyFlow(**SETS),
    "shower_resnet": lambda: ShowerResNet(
        layers=2, angles=1, rings=2, width=4, epochs=6, batch_size=768, learning_rate=3e-2
    ),
}


def constituents(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A jet of two constituents whose pT and angle say what x (N, 2) says, (N, 1, 3, 3); the third is absent."""
    near = np.where(np.isfinite(x), x.clip(-20, 20), x)
    out = np.zeros((len(x), 1, 3, 3))
    out[:, 0, :2, 0] = 250 * np.exp(0.1 * near[:, :1])
    out[:, 0, :2, 1] = 0.4 + 0.2 * np.exp(0.1 * near[:, 1:]) * [-0.5, 0.5]
    return out


def cells(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One number of an event, and two layers of two cells, whose energies say what x (N, 2) says, (N, 5)."""
    near = np.where(np.isfinite(x), x.clip(-20, 20), x)
    return np.column_stack([near[:, 0], np.exp(0.2 * np.column_stack([near[:, ::-1], -near]))])


#: What a classifier takes instead of feature vectors; nothing is lost, so all that is true of those is true of it.
EVENTS: dict[str, Any] = dict.fromkeys(("transformer", "deep_sets", "energy_flow"), constituents)
EVENTS["shower_resnet"] = cells
FEATURE_KINDS = [kind for kind in KINDS if kind not in EVENTS]


@pytest.fixture(params=KINDS)
def classifier(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]()


def gaussians(n_data: int, n_template: int, shift: float, seed: int, features: int = 2) -> Arrays:
    """Data around (shift, 0, …) and template around 0, unit variance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_data + n_template, features))
    x[:n_data, 0] += shift
    return x, np.repeat([1, 0], [n_data, n_template])


def events(classifier: Any, *features: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """Feature vectors (N, 2) as the events that the classifier takes."""
    as_events = EVENTS.get(classifier.kind, np.asarray)
    return [as_events(x) for x in features]


#: Trainings of convolutions take several times as long as those of all other kinds; one of them stands in its own file.
LONG = {
    "shower_resnet-weights_act_as_repeated_rows_do",
    "shower_resnet-shifted_gaussians_reach_the_optimum_of_neyman_and_pearson",
    "shower_resnet-negative_weights_subtract",
}
CHECKS = [
    pytest.param(check, id=f"{kind}-{check}", marks=[pytest.mark.slow] if f"{kind}-{check}" in LONG else [])
    for kind, make in KINDS.items()
    for check in classifier_checks(make, as_events=EVENTS.get(kind, np.asarray))
]


@pytest.mark.parametrize("check", CHECKS)
def test_contract(check: Check) -> None:
    check()


# What is learned


def test_scores_are_calibrated_probabilities_of_a_half_and_half_mixture(classifier: Any) -> None:
    x, y = gaussians(6000, 18000, 1.0, seed=7)
    held_out, _ = gaussians(2000, 2000, 1.0, seed=107)
    x, held_out_events = events(classifier, x, held_out)
    scores = classifier.fit(x, y, seed=8).score(held_out_events)
    exact = 1 / (1 + np.exp(0.5 - held_out[:, 0]))
    # Without the balance of data and template all probabilities would be about 0.2 lower.
    assert np.abs(scores - exact).mean() < 0.04
    # The likelihood ratio rises with the first feature and knows nothing else.
    assert spearmanr(scores, held_out[:, 0]).statistic > 0.95


def test_trees_do_not_care_about_monotone_transformations() -> None:
    x, y = gaussians(2000, 2000, 0.5, seed=9)
    stretched = np.stack([np.exp(x[:, 0]), x[:, 1] ** 3], axis=1)
    trees = BoostedTrees(members=3, jobs=1)
    a = copy.deepcopy(trees).fit(x, y, seed=10).score(x)
    b = copy.deepcopy(trees).fit(stretched, y, seed=10).score(stretched)
    np.testing.assert_array_equal(a, b)


def test_the_network_keeps_its_best_epochs() -> None:
    x, y = gaussians(1000, 1000, 1.0, seed=11)
    network = Mlp(epochs=8, best_epochs=3, members=2, batch_size=256).fit(x, y, seed=12)
    assert [len(states) for states in network.states_] == [3, 3]
    alone = Mlp(epochs=8, best_epochs=1, members=2, batch_size=256).fit(x, y, seed=12)
    # Training is the same, so the best of three is the best of one.
    assert alone.validation_losses_ == network.validation_losses_
    for one, three in zip(alone.states_, network.states_, strict=True):
        assert all((one[0][key] == three[0][key]).all() for key in one[0])
    assert network.validation_losses_[0] != network.validation_losses_[1]


# Weights


def test_the_unit_of_the_weights_does_not_matter() -> None:
    x, y = gaussians(1000, 1000, 0.7, seed=18)
    weights = np.random.default_rng(19).uniform(0.5, 2, len(y))
    a = BoostedTrees(members=2, jobs=1).fit(x, y, weights=weights, seed=20).score(x)
    b = BoostedTrees(members=2, jobs=1).fit(x, y, weights=1024 * weights, seed=20).score(x)
    np.testing.assert_array_equal(a, b)


def test_cells_keep_the_sum_and_stay_local() -> None:
    rng = np.random.default_rng(23)
    x = rng.uniform(size=(3000, 2))
    weights = np.where(rng.uniform(size=3000) < 0.2, -1.0, 1.0)
    result = without_negative(x, weights)
    assert result.min() >= 0
    assert result.sum() == pytest.approx(weights.sum())
    quarter = x[:, 0] + x[:, 1] < 0.7
    # Only cells on the border can move weight across it.
    assert abs(result[quarter].sum() - weights[quarter].sum()) < 5
    far = np.concatenate([x, x + 10])
    both = without_negative(far, np.concatenate([weights, np.full(3000, 0.7)]))
    np.testing.assert_array_equal(both[3000:], 0.7)
    positive = np.abs(weights)
    np.testing.assert_array_equal(without_negative(x, positive), positive)


def test_cells_grow_over_coincident_rows_until_they_are_positive() -> None:
    x = np.concatenate([np.zeros((60, 1)), np.ones((1, 1)), np.full((1, 1), 9.0)])
    weights = np.concatenate([np.full(60, -1.0), [100.0], [5.0]])
    result = without_negative(x, weights)
    assert result.min() >= 0
    assert result.sum() == pytest.approx(45.0)
    assert result[-1] == 5.0


# What is not seen


def test_a_split_is_disjoint_complete_and_fair_to_both_kinds() -> None:
    y = np.arange(1000) % 5 == 0
    training, validation = split(y, 0.25, np.random.default_rng(24))
    assert sorted([*training, *validation]) == list(range(1000))
    assert (y[validation].sum(), len(validation)) == (50, 250)
    again, _ = split(y, 0.25, np.random.default_rng(25))
    assert not np.array_equal(training, again)
    few, one = split(np.array([True, True, False, False]), 0.01, np.random.default_rng(26))
    assert len(few) == len(one) == 2


@pytest.mark.parametrize("part", ["training", "validation"])
def test_validation_rows_decide_when_to_stop_and_nothing_else(part: str) -> None:
    x, y = gaussians(1500, 1500, 0.5, seed=27)
    trees = BoostedTrees(members=1, max_iter=8, patience=8, jobs=1)
    rng = np.random.default_rng(np.random.SeedSequence(28).spawn(1)[0])
    rows = dict(zip(("training", "validation"), split(y == 1, 0.5, rng), strict=True))[part]
    scrambled = x.copy()
    # The same values in another order: bins and labels stay, and what the rows tell about the labels is lost.
    scrambled[rows] = x[np.random.default_rng(29).permutation(rows)]
    a = copy.deepcopy(trees).fit(x, y, seed=28).score(x)
    b = copy.deepcopy(trees).fit(scrambled, y, seed=28).score(x)
    assert np.array_equal(a, b) == (part == "validation")


def test_members_stop_after_the_best_loss_and_not_at_the_worst() -> None:
    x, y = gaussians(1000, 1000, 1.0, seed=30)
    trees = BoostedTrees(members=4, jobs=1).fit(x, y, seed=31)
    for losses, member in zip(trees.validation_losses_, trees.forest_.members, strict=True):
        assert losses[0] == pytest.approx(math.log(2))
        assert np.argmin(losses) == len(losses) - 11
        assert len(member.boxes) == len(losses) - 1


# Repeatability


def test_the_same_seed_repeats_and_another_changes(classifier: Any) -> None:
    x, y = gaussians(600, 600, 0.5, seed=32)
    (x,) = events(classifier, x)
    first = copy.deepcopy(classifier).fit(x, y, seed=33).score(x)
    np.testing.assert_array_equal(first, copy.deepcopy(classifier).fit(x, y, seed=33).score(x))
    assert not np.array_equal(first, copy.deepcopy(classifier).fit(x, y, seed=34).score(x))


def test_jobs_change_nothing() -> None:
    x, y = gaussians(500, 500, 0.5, seed=35)
    probe, _ = gaussians(40000, 30000, 0.5, seed=36)
    expected = BoostedTrees(members=5, jobs=1).fit(x, y, seed=37).score(probe)
    for jobs in (3, None):
        np.testing.assert_array_equal(BoostedTrees(members=5, jobs=jobs).fit(x, y, seed=37).score(probe), expected)


def test_threads_of_openmp_change_nothing_and_limit_the_jobs(tmp_path: Path) -> None:
    x, y = gaussians(3000, 3000, 0.5, seed=64)
    np.savez(tmp_path / "rows.npz", x=x, y=y)
    code = (
        "import numpy as np\n"
        "from threadpoolctl import threadpool_info\n"
        "from cathode.classifiers import BoostedTrees\n"
        "from cathode.classifiers.parallel import default_jobs, ordered_map\n"
        f"rows = np.load({str(tmp_path / 'rows.npz')!r})\n"
        f"BoostedTrees(members=3, jobs=2).fit(rows['x'], rows['y'], seed=65).save({str(tmp_path / 'trees')!r})\n"
        "def threads(_):\n"
        "    return {each['num_threads'] for each in threadpool_info() if each['user_api'] == 'openmp'}\n"
        "print(ordered_map(threads, range(2), jobs=2), threads(0), default_jobs() <= 3)\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (0, "[{1}, {1}] {3} True\n"), done.stderr
    here = BoostedTrees(members=3, jobs=1).fit(x, y, seed=65)
    np.testing.assert_array_equal(load_classifier(tmp_path / "trees").score(x), here.score(x))


def test_fitting_leaves_no_trace_outside(classifier: Any) -> None:
    import sklearn
    import torch

    x, y = gaussians(300, 300, 0.5, seed=38)
    (x,) = events(classifier, x)
    weights = np.where(np.arange(600) % 5 == 0, -0.5, 1.0)
    copies = [array.copy() for array in (x, y, weights)]
    state, config = np.random.get_state(), sklearn.get_config()  # noqa: NPY002 (to see that nobody touches it)
    torch_state, torch_threads = torch.get_rng_state(), torch.get_num_threads()
    classifier.fit(x, y, weights=weights, seed=39).score(x)
    assert all(np.array_equal(a, b) for a, b in zip(state, np.random.get_state(), strict=True))  # noqa: NPY002
    assert torch.equal(torch_state, torch.get_rng_state())
    assert torch.get_num_threads() == torch_threads
    assert sklearn.get_config() == config
    for array, before in zip((x, y, weights), copies, strict=True):
        np.testing.assert_array_equal(array, before)


def test_the_monitor_hears_of_every_step(classifier: Any) -> None:
    x, y = gaussians(200, 200, 0.5, seed=40)
    (x,) = events(classifier, x)
    heard: list[tuple[int, int]] = []
    classifier.fit(x, y, seed=41, monitor=lambda done, total: heard.append((done, total)))
    steps = classifier.members if classifier.kind == "boosted_trees" else classifier.epochs
    assert heard == [(i + 1, steps) for i in range(steps)]


def test_an_error_in_a_thread_reaches_the_caller_and_ends_the_rest() -> None:
    begun: list[int] = []

    def work(piece: int) -> int:
        begun.append(piece)
        if piece == 3:
            raise ZeroDivisionError(piece)
        time.sleep(0.01)
        return piece

    assert ordered_map(work, [5, 1, 4], jobs=2) == [5, 1, 4]
    with pytest.raises(ZeroDivisionError):
        ordered_map(work, range(300), jobs=2)
    assert len(begun) < 100


# Boxes


@pytest.mark.parametrize(("features", "leaves"), [(1, 31), (3, 2), (4, 31), (5, 64)])
def test_boxes_answer_as_the_trees_of_scikit_learn(features: int, leaves: int) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y = gaussians(3000, 3000, 1.0, seed=42, features=features)
    edges = bin_edges(x, np.ones(len(x)), 100)
    bins = bin_numbers(x, edges)
    model = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=leaves, early_stopping=False)
    model.fit(bins.astype(float), y)
    found = [boxes_of(stage[0].nodes, features) for stage in model._predictors]
    trees = joined(found, features, model._baseline_prediction.item())
    assert trees.boxes.max() == leaves
    columns = np.ascontiguousarray(bins.T)
    np.testing.assert_array_equal(raw_scores(trees, columns), model.decision_function(bins.astype(float)))
    # Boxes of a tree are a partition: every bin is in exactly one.
    lower, upper, _ = found[0]
    inside = ((bins[:500, None] >= lower) & (bins[:500, None] <= upper)).all(axis=2)
    assert (inside.sum(axis=1) == 1).all()


def test_an_ensemble_without_a_single_useful_split_is_constant() -> None:
    x = np.tile([[0.0], [1.0]], (100, 1))
    y = np.repeat([1, 0], 100)
    trees = BoostedTrees(members=2, min_samples_leaf=50, max_iter=3, jobs=1).fit(x, y, seed=43)
    np.testing.assert_allclose(trees.score(x), 0.5, atol=0.1)


def test_bins_have_equal_weight() -> None:
    rng = np.random.default_rng(44)
    x, weights = rng.normal(size=(20000, 1)), rng.exponential(size=20000)
    bins = bin_numbers(x, bin_edges(x, weights, 20))[:, 0]
    shares = np.bincount(bins, weights=weights) / weights.sum()
    assert len(shares) == 20
    np.testing.assert_allclose(shares, 0.05, atol=1e-3)
    few = np.array([[0.0], [1.0], [1.0], [2.0]] * 5)
    assert bin_numbers(few, bin_edges(few, np.ones(20), 255))[:4, 0].tolist() == [0, 1, 1, 2]


# What is refused


def bad(**changes: Any) -> dict[str, Any]:
    x, y = gaussians(100, 100, 0.5, seed=45)
    return {"x": x, "y": y, "weights": np.ones(200)} | {k: f(x.copy(), y.copy()) for k, f in changes.items()}


def put(row: int, column: int, value: float) -> Any:
    def change(x: Any, y: Any) -> Any:
        x[row, column] = value
        return x

    return change


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (bad(x=put(7, 1, np.nan)), NonFiniteError, "(column 1|eta): 1 of 200 .* row 7"),
        (bad(x=put(150, 0, np.inf)), NonFiniteError, "(column 0|pT): 1 of 200 .* row 150"),
        (bad(weights=lambda x, y: np.where(np.arange(200) == 3, np.nan, 1.0)), NonFiniteError, "weights: 1 of 200"),
        (bad(y=lambda x, y: np.ones(200)), TooFewEventsError, "0 template"),
        (bad(y=lambda x, y: np.zeros(200)), TooFewEventsError, "0 data"),
        (bad(y=lambda x, y: np.arange(200) < 5), TooFewEventsError, "5 data"),
        (bad(weights=lambda x, y: np.where(y == 1, 0.0, 1.0)), TooFewEventsError, "0 data"),
        (bad(weights=lambda x, y: np.where(y == 1, -1.0, 1.0)), ClassifierInputError, "sum to -100"),
        (bad(y=lambda x, y: y + 1), ClassifierInputError, "neither 0"),
        (bad(y=lambda x, y: y[:-1]), ClassifierInputError, "200 rows"),
        (bad(y=lambda x, y: y[:, None]), ClassifierInputError, r"\(200, 1\)"),
        (bad(weights=lambda x, y: np.ones((200, 1))), ClassifierInputError, r"\(200, 1\)"),
    ],
)
def test_bad_rows_are_refused_by_name_before_anything_changes(
    classifier: Any, rows: dict[str, Any], error: type[Exception], words: str
) -> None:
    good = bad()
    (good["x"], x) = events(classifier, good["x"], rows["x"])
    classifier.fit(**good, seed=46)
    before = classifier.score(good["x"])
    with pytest.raises(error, match=words):
        classifier.fit(**rows | {"x": x}, seed=47)
    np.testing.assert_array_equal(classifier.score(good["x"]), before)


@pytest.mark.parametrize("classifier", FEATURE_KINDS, indirect=True)
@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (bad(x=lambda x, y: x[:, 0]), ClassifierInputError, r"\(200,\)"),
        (bad(x=lambda x, y: x * [1, 0] + 3), ConstantFeatureError, "Column 1 .* single value 3"),
    ],
)
def test_bad_feature_vectors_are_refused_by_name(
    classifier: Any, rows: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        classifier.fit(**rows, seed=47)


def test_trees_need_rows_for_two_leaves() -> None:
    x, y = gaussians(15, 15, 0.5, seed=48)
    with pytest.raises(TooFewEventsError, match="at least 40"):
        BoostedTrees(members=1).fit(x, y, seed=49)


@pytest.mark.parametrize("classifier", FEATURE_KINDS, indirect=True)
def test_scoring_refuses_another_number_of_features(classifier: Any) -> None:
    x, y = gaussians(100, 100, 0.5, seed=50)
    classifier.fit(x, y, seed=51)
    with pytest.raises(ClassifierInputError, match="3 features; the classifier was trained with 2"):
        classifier.score(np.zeros((4, 3)))
    # Far outside of the training range is an answer, not an error.
    assert np.isfinite(classifier.score(np.array([[1e30, -1e30]]))).all()


@pytest.mark.parametrize(
    "specification",
    [
        {"kind": "boosted_trees", "members": 0},
        {"kind": "boosted_trees", "max_leaf_nodes": 65},
        {"kind": "boosted_trees", "max_bins": 256},
        {"kind": "boosted_trees", "validation_fraction": 1.0},
        {"kind": "boosted_trees", "learning_rate": math.nan},
        {"kind": "boosted_trees", "jobs": 0},
        {"kind": "mlp", "epochs": 0},
        {"kind": "transformer", "width": 10, "heads": 4},
        {"kind": "transformer", "blocks": 0},
        {"kind": "transformer", "dropout": 1.0},
        {"kind": "transformer", "weight_decay": math.nan},
        {"kind": "mlp", "learning_rate": -1.0},
        {"members": 3},
    ],
)
def test_hyperparameters_out_of_range_are_refused(specification: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        create(specification)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="boosted_trees"):
        create({"kind": "boosted_tree"})
    with pytest.raises(ConfigError, match="members"):
        create({"kind": "boosted_trees", "member": 3})


# Manners


def test_a_classifier_is_a_dataclass_that_can_be_copied_changed_and_named(classifier: Any) -> None:
    assert isinstance(classifier, WeakClassifier)
    assert classifier_class(classifier.kind) is type(classifier)
    assert create({"kind": classifier.kind, **classifier.hyperparameters()}).hyperparameters() == (
        classifier.hyperparameters()
    )
    json.dumps(classifier.hyperparameters())
    x, y = gaussians(100, 100, 0.5, seed=52)
    (x,) = events(classifier, x)
    fitted = copy.deepcopy(classifier).fit(x, y, seed=53)
    assert not [name for name in vars(classifier) if name.endswith("_")]
    larger = dataclasses.replace(fitted, members=9)
    assert larger.members == 9
    assert not hasattr(larger, "seed_")


def test_a_kind_of_ones_own_enters_by_its_decorator() -> None:
    @register
    @dataclasses.dataclass
    class Coin:
        kind: ClassVar[str] = "coin"
        sides: int = 2

    assert create({"kind": "coin", "sides": 3}).sides == 3
    with pytest.raises(ValueError, match="taken"):

        @register
        class Other:
            kind = "mlp"


# Folders


@pytest.fixture
def saved(classifier: Any, tmp_path: Path) -> tuple[Any, Path]:
    x, y = gaussians(200, 200, 0.5, seed=54)
    (x,) = events(classifier, x)
    classifier.fit(x, y, seed=55)
    return classifier, classifier.save(tmp_path / "fold_0")


def test_a_loaded_classifier_gives_the_same_scores_bit_for_bit(saved: tuple[Any, Path]) -> None:
    classifier, folder = saved
    probe, _ = gaussians(500, 500, 0.5, seed=56)
    (probe,) = events(classifier, probe)
    for loaded in (load_classifier(folder), type(classifier).load(folder)):
        np.testing.assert_array_equal(loaded.score(probe), classifier.score(probe))
        assert loaded.hyperparameters() == classifier.hyperparameters()
        assert loaded.seed_ == 55
        for a, b in zip(loaded.validation_losses_, classifier.validation_losses_, strict=True):
            np.testing.assert_array_equal(a, b)


def test_saving_again_replaces_the_folder_and_leaves_nothing_behind(saved: tuple[Any, Path]) -> None:
    classifier, folder = saved
    x, y = gaussians(200, 200, -0.5, seed=57)
    (x,) = events(classifier, x)
    classifier.fit(x, y, seed=58).save(folder)
    assert load_classifier(folder).seed_ == 58
    assert [entry.name for entry in folder.parent.iterdir()] == ["fold_0"]
    assert sorted(entry.name for entry in folder.iterdir()) == ["card.json", "weights.safetensors"]


def test_a_folder_of_another_kind_or_purpose_is_refused(saved: tuple[Any, Path], tmp_path: Path) -> None:
    classifier, folder = saved
    other = Mlp if isinstance(classifier, BoostedTrees) else BoostedTrees
    with pytest.raises(ClassifierFolderError, match=classifier.kind):
        other.load(folder)
    with pytest.raises(ClassifierFolderError, match=r"card\.json"):
        load_classifier(tmp_path / "nothing")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("precious")
    with pytest.raises(ClassifierFolderError, match=r"chapter\.tex"):
        classifier.save(tmp_path / "thesis")
    with pytest.raises(ClassifierFolderError, match="file"):
        classifier.save(tmp_path / "thesis" / "chapter.tex")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "precious"


def test_a_failed_write_leaves_the_old_folder(saved: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, folder = saved

    def fail(handle: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            classifier.save(folder)
    load_classifier(folder)
    assert [entry.name for entry in folder.parent.iterdir()] == ["fold_0"]


def test_naming_and_scoring_trees_loads_neither_torch_nor_scikit_learn(tmp_path: Path) -> None:
    x, y = gaussians(100, 100, 0.5, seed=60)
    folder = BoostedTrees(members=1).fit(x, y, seed=61).save(tmp_path / "trees")
    code = (
        "import sys\n"
        "from cathode.classifiers import BoostedTrees, load_classifier\n"
        f"print(load_classifier({str(folder)!r}).score([[0.0, 1.0]]).shape)\n"
        "heavy = {'torch', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "(1,)\n"), done.stderr


def test_an_unreadable_version_of_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from cathode.classifiers import boosting

    def mirrored(nodes: Any, features: int) -> Any:
        swapped = nodes.copy()
        swapped["left"], swapped["right"] = nodes["right"], nodes["left"]
        return boxes_of(swapped, features)

    monkeypatch.setattr(boosting, "boxes_of", mirrored)
    x, y = gaussians(200, 200, 1.0, seed=62)
    with pytest.raises(CathodeError, match="scikit-learn"):
        BoostedTrees(members=1).fit(x, y, seed=63)
