"""Our ensemble of boosted trees beside the libraries of boosted trees: time, and how well the signal is found.

    OMP_NUM_THREADS=1 python benchmarks/classifiers.py
    OMP_NUM_THREADS=1 python benchmarks/classifiers.py --quick --json

The task has the size of one fold of a search: 46,400 data events, 370 of them signal, against 186,000 template events
from the background, in four correlated features. All sides follow the recipe of 2309.13111: members with 31 leaves, a
learning rate of 0.1, balanced weights, each on its own random half of the rows of each kind, stopped when the other
half has not got better for ten trees, all trees kept, mean of the probabilities. Peers are scikit-learn by its own
estimator, LightGBM with one binned data set for all members (`Dataset.subset`, which is how it is fastest), and
XGBoost (`hist`, by leaves); `pip install lightgbm xgboost-cpu` for the last two, which are left out where they are not
installed. One thread for everybody, CPU seconds, medians over `--rounds` in which all sides take turns, every round
with events and seeds of its own.

Quality is that in an independent test sample, mean over the rounds with its error, beside the likelihood ratio, which
nothing can beat. `trees_vs_best_peer_fit` and `trees_vs_best_peer_score` are times of the fastest peer over ours.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from analysis.metrics.sic_and_auc import auc, sic
from cathode.classifiers import BoostedTrees
from cathode.classifiers.boosted_trees import split

DATA, SIGNAL, TEMPLATE = 46_400, 370, 186_000
CORRELATION = np.array([[1.0, 0.5, -0.3, 0.0], [0.5, 1.0, 0.0, 0.1], [-0.3, 0.0, 1.0, 0.2], [0.0, 0.1, 0.2, 1.0]])
MEAN, WIDTH = np.array([1.2, 1.6, -1.4, -1.2]), 0.45


def background(events: int, rng: np.random.Generator) -> np.ndarray:
    """Correlated Gaussians."""
    return rng.normal(size=(events, 4)) @ np.linalg.cholesky(CORRELATION).T


def signal(events: int, rng: np.random.Generator) -> np.ndarray:
    """A narrow Gaussian in the flank of the background."""
    return MEAN + WIDTH * rng.normal(size=(events, 4))


def likelihood_ratio(x: np.ndarray) -> np.ndarray:
    """Logarithm of p(x | signal) / p(x | background), up to a constant."""
    return 0.5 * np.einsum("ni,ij,nj->n", x, np.linalg.inv(CORRELATION), x) - 0.5 * (((x - MEAN) / WIDTH) ** 2).sum(1)


@dataclass(frozen=True)
class Task:
    """Training rows and labels; test rows and truth."""

    x: np.ndarray
    y: np.ndarray
    test: np.ndarray
    truth: np.ndarray


def make_task(seed: int, test_events: int) -> Task:
    """One fold of a search, and a test sample of which a twentieth is signal."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([background(DATA - SIGNAL, rng), signal(SIGNAL, rng), background(TEMPLATE, rng)])
    y = np.repeat([1, 0], [DATA, TEMPLATE])
    of_signal = test_events // 20
    test = np.concatenate([background(test_events - of_signal, rng), signal(of_signal, rng)])
    return Task(x, y, test, np.arange(test_events) >= test_events - of_signal)


Side = tuple[Callable[[], object], Callable[[], np.ndarray]]


def ours(task: Task, members: int, seed: int) -> Side:
    """The package: how to fit and how to score."""
    trees = BoostedTrees(members=members, jobs=1)
    return lambda: trees.fit(task.x, task.y, seed=seed), lambda: trees.score(task.test)


def halves(task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to stop by."""
    return split(task.y == 1, 0.5, np.random.default_rng(seed))


def balance(task: Task) -> np.ndarray:
    """Weights with which data and template weigh the same."""
    return np.where(task.y == 1, len(task.y) / (2 * DATA), len(task.y) / (2 * TEMPLATE))


def scikit_learn(task: Task, members: int, seed: int) -> Side:
    """One estimator after the other."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    fitted: list[HistGradientBoostingClassifier] = []
    weights = balance(task)

    def fit() -> None:
        for member in range(members):
            one, other = halves(task, seed + member)
            model = HistGradientBoostingClassifier(max_iter=200, early_stopping=True, random_state=member)
            held_out = {"X_val": task.x[other], "y_val": task.y[other], "sample_weight_val": weights[other]}
            fitted.append(model.fit(task.x[one], task.y[one], sample_weight=weights[one], **held_out))

    return fit, lambda: np.mean([model.predict_proba(task.test)[:, 1] for model in fitted], axis=0)


def lightgbm(task: Task, members: int, seed: int) -> Side:
    """Members on subsets of one data set that is binned once."""
    import lightgbm as gbm

    options = {"objective": "binary", "num_leaves": 31, "learning_rate": 0.1, "min_data_in_leaf": 20, "verbosity": -1}
    options |= {"num_threads": 1, "force_col_wise": True, "deterministic": True}
    fitted: list[gbm.Booster] = []

    def fit() -> None:
        whole = gbm.Dataset(task.x, task.y, weight=balance(task), params=options, free_raw_data=False).construct()
        for member in range(members):
            one, other = (whole.subset(rows.tolist()) for rows in halves(task, seed + member))
            stop = gbm.early_stopping(10, verbose=False)
            fitted.append(gbm.train(options, one, 200, valid_sets=[other], callbacks=[stop]))

    def score() -> np.ndarray:
        return np.mean([model.predict(task.test, num_iteration=-1, num_threads=1) for model in fitted], axis=0)

    return fit, score


def xgboost(task: Task, members: int, seed: int) -> Side:
    """Members by histograms, the leaf of the largest gain first."""
    import xgboost as boost

    options = {"objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 31}
    options |= {"max_depth": 0, "learning_rate": 0.1, "max_bin": 255, "nthread": 1}
    fitted: list[boost.Booster] = []
    weights = balance(task)

    def fit() -> None:
        for member in range(members):
            one, other = halves(task, seed + member)
            train = boost.QuantileDMatrix(task.x[one], task.y[one], weight=weights[one], max_bin=255, nthread=1)
            rest = {"weight": weights[other], "max_bin": 255, "nthread": 1}
            held_out = boost.QuantileDMatrix(task.x[other], task.y[other], ref=train, **rest)
            watched = {"evals": [(held_out, "held_out")], "early_stopping_rounds": 10, "verbose_eval": False}
            fitted.append(boost.train(options, train, 200, **watched))

    return fit, lambda: np.mean([model.inplace_predict(task.test) for model in fitted], axis=0)


SIDES = {"ours": ours, "scikit_learn": scikit_learn, "lightgbm": lightgbm, "xgboost": xgboost}


def clocked(work: Callable[[], object]) -> tuple[float, object]:
    """CPU seconds, and what came out."""
    cpu = time.process_time()
    out = work()
    return time.process_time() - cpu, out


def quality(task: Task, scores: np.ndarray) -> dict[str, float]:
    """How well the signal is found in the test sample."""
    curve, area = sic(scores, task.truth), auc(scores, task.truth)
    return {"auc": area.value, "max_sic": curve.max_sic.value, "sic_at_1e-3": curve.sic_at(1e-3).value}


def measure(members: int, rounds: int, test_events: int) -> dict[str, Any]:
    """All sides on the same rows, in turn."""
    names = [name for name in SIDES if name in ("ours", "scikit_learn") or importlib.util.find_spec(name)]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*names, "optimum")}
    for turn in range(rounds):
        task = make_task(7 + turn, test_events)
        for name in names if turn % 2 == 0 else names[::-1]:
            if turn == 0:
                SIDES[name](task, 1, 0)[0]()
            fit, score = SIDES[name](task, members, 1000 * turn)
            fit_seconds, _ = clocked(fit)
            score_seconds, scores = clocked(score)
            times = {"fit_cpu_s": fit_seconds, "score_cpu_s": score_seconds}
            found[name].append({**times, **quality(task, np.asarray(scores))})
        found["optimum"].append(quality(task, likelihood_ratio(task.test)))
    sides = {name: summary(rows) for name, rows in found.items()}
    result: dict[str, Any] = {"rows": DATA + TEMPLATE, "members": members, "rounds": rounds, "test_events": test_events}
    result["sides"] = sides
    for key in ("fit", "score"):
        best = min(sides[name][f"{key}_cpu_s"] for name in names if name != "ours")
        result[f"trees_vs_best_peer_{key}"] = best / sides["ours"][f"{key}_cpu_s"]
    packages = ("numpy", "scikit-learn", "numba", "lightgbm", "xgboost-cpu")
    result["threads"] = os.environ.get("OMP_NUM_THREADS", "unset")
    result["versions"] = {"python": platform.python_version()} | {name: installed(name) for name in packages}
    return result


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of times; means of qualities with their errors."""
    out: dict[str, Any] = {}
    for key in rows[0]:
        values = np.array([row[key] for row in rows])
        error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        out[key] = float(np.median(values)) if key.endswith("cpu_s") else [float(values.mean()), float(error)]
    return out


def installed(name: str) -> str:
    """Version of a package, or that there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="5 members instead of 50, a smaller test sample")
    parser.add_argument("--rounds", type=int, default=5, help="turns of all sides, each with events of its own")
    arguments = parser.parse_args()
    members, test_events = (5, 100_000) if arguments.quick else (50, 500_000)
    result = measure(members, arguments.rounds, test_events)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{result['rows']:,} rows, {members} members, {arguments.rounds} rounds, OMP_NUM_THREADS {result['threads']}")
    print(", ".join(f"{name} {each}" for name, each in result["versions"].items()) + "\n")
    print(f"{'side':<13}{'fit, CPU s':>11}{'score, CPU s':>14}{'AUC':>19}{'max SIC':>15}{'SIC at 1e-3':>16}")
    for name, side in result["sides"].items():
        times = "".join(f"{side[key]:>{width}.2f}" if key in side else " " * width for key, width in TIMES)
        (area, of_area), (best, of_best), (tight, of_tight) = (side[key] for key in ("auc", "max_sic", "sic_at_1e-3"))
        values = f"{area:>10.4f} ± {of_area:.4f}{best:>8.2f} ± {of_best:.2f}{tight:>9.2f} ± {of_tight:.2f}"
        print(f"{name:<13}{times}{values}")
    ratios = ", ".join(f"{key} {result[f'trees_vs_best_peer_{key}']:.2f}" for key in ("fit", "score"))
    print(f"\nbest peer / ours: {ratios}")


TIMES = (("fit_cpu_s", 11), ("score_cpu_s", 14))


if __name__ == "__main__":
    main()
