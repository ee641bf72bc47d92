"""Jets whose particles have charge, type and impact parameters: feature by feature, what can not exist, classifiers.

    cathode data simulate jets --kind top -n 10000 --output top.root
    cathode data simulate jets --kind light -n 10000 --output light.root
    OMP_NUM_THREADS=1 python benchmarks/jetclass.py top.root light.root --seconds 300 --json

Files are those of JetClass, or of the simulation in its layout. One model learns jets of all classes from the first
half of each, told class, pT and η, and draws as many as there are in the other halves, at what is true there.
Compared are

* W1 of each of the thirteen features by class, in units of the spread between the 5 % and 95 % quantiles of those that
  are not zero, beside that of truth against truth of as many jets;
* the share of particles that can not exist: of no type or two, or of a charge that is not that of the type; and with
  those, of neutral ones with an impact parameter and charged ones without a positive error;
* AUC of trees on numbers of a jet that see how features belong together, beside those of truth against truth, and of
  jets whose impact parameters are dealt out anew among their tracks: a test that does not see that says nothing.

`beyond_kinematics` is ours; `rounded` is what the paper does (2312.00123): the same network on standardised features,
of which charge and flags are rounded afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.datasets import read_jetclass
from analysis.features.particle_types import DISPLACEMENT, IDENTITY, impossible, impossible_types, jet_numbers
from analysis.jets import Jets
from analysis.metrics.sampling import Sampling
from analysis.metrics.wasserstein import w1_features
from cathode.classifiers import BoostedTrees
from cathode.classifiers.two_sample import held_out_auc
from cathode.runtime.seeds import Seeds
from generators import create

Clouds = NDArray[np.float32]

SYSTEMS: dict[str, dict[str, Any]] = {
    "beyond_kinematics": {},
    "rounded": {"bijection": "standardise"},
}
#: Batches of which the distances are the mean.
BATCHES = 4
#: Steps of the training that measures how long one takes.
TRIAL = 10


def halves(jets: Jets, seed: int = 3) -> tuple[Jets, Jets]:
    """Jets to learn from and to compare with, each class in equal parts."""
    order = np.random.default_rng(seed).permutation(len(jets))
    rank = np.empty(len(jets), np.int64)
    for label in np.unique(jets.labels):
        own = order[jets.labels[order] == label]
        rank[own] = np.arange(len(own))
    return jets[rank % 2 == 0], jets[rank % 2 == 1]


def context_of(jets: Jets, classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """A column for every class, then pT and η."""
    one_hot = jets.labels[:, None] == classes
    return np.column_stack([one_hot, jets.feature("pt"), jets.feature("eta")]).astype(np.float64)


def trained(name: str, train: Jets, classes: NDArray[np.int64], options: Any) -> tuple[Any, dict[str, Any]]:
    """A generator after so many CPU seconds of training, and what that was like."""
    x, c = train.clouds, context_of(train, classes)

    def spent_on(steps: int, rows: int | None) -> tuple[Any, float]:
        what = {"kind": "beyond_kinematics", "preset": options.preset, **SYSTEMS[name]}
        made = create({**what, "training": {"steps": steps, "epochs": None}})
        start = time.process_time()
        return made.fit(x[:rows], c[:rows], seed=options.seed), time.process_time() - start

    # What a process does once is not the price of a step.
    overhead = min(spent_on(1, 1_000)[1] for _ in range(2))
    longer = max(spent_on(1 + TRIAL, 1_000)[1] - overhead, 1e-3)
    steps = max(20, int(options.seconds * TRIAL / longer))
    fitted, spent = spent_on(steps, None)
    parameters = sum(parameter.numel() for parameter in fitted.networks_[0].parameters())
    return fitted, {"steps": steps, "training_s": spent, "parameters": parameters}


def rounded(clouds: Clouds) -> Clouds:
    """Charge and flags to the next whole number."""
    out = clouds.copy()
    out[..., IDENTITY] = np.rint(out[..., IDENTITY])
    return out


def distances(drawn: Clouds, truth: Clouds, columns: tuple[str, ...]) -> dict[str, Any]:
    """W1 of each feature over its spread, and that of one half of the truth from the other."""
    first, second = truth[::2], truth[1::2]
    sampling = Sampling(min(len(drawn), len(first)), BATCHES)
    value = w1_features(drawn, truth, sampling=sampling, seed=5)
    floor = w1_features(first, second, sampling=sampling, seed=5)
    present = truth[truth[..., 2] > 0]
    out = {}
    for k, name in enumerate(columns):
        low, high = np.quantile(present[:, k][present[:, k] != 0], [0.05, 0.95])
        unit = high - low if high > low else 1.0
        out[name] = {"w1": value[:, k].mean() / unit, "error": value[:, k].std() / unit}
        out[name]["floor"] = floor[:, k].mean() / unit
    return out


def dealt_anew(clouds: Clouds, seed: int) -> Clouds:
    """The same jets with impact parameters and errors dealt out anew among their tracks."""
    out, rng = clouds.copy(), np.random.default_rng(seed)
    for jet in out:
        track = np.flatnonzero(jet[:, IDENTITY.start] != 0)
        jet[track, DISPLACEMENT] = jet[rng.permutation(track), DISPLACEMENT]
    return out


def auc(one: Clouds, other: Clouds, seed: int) -> dict[str, float]:
    """Held-out AUC of trees on the numbers of jets."""
    samples = [jet_numbers(each).astype(np.float32) for each in (one, other)]
    found = held_out_auc(BoostedTrees(members=4, jobs=1), *samples, name="trees", folds=2, seeds=Seeds(seed))
    return {"auc": found.value, "error": found.error}


def compared(drawn: Clouds, test: Jets, seed: int) -> dict[str, Any]:
    """All numbers of what one system drew, by class."""
    out: dict[str, Any] = {}
    for label in np.unique(test.labels):
        own, true = drawn[test.labels == label], test.clouds[test.labels == label]
        present = own[..., 2] > 0
        out[test.classes[label]] = {
            "features": distances(own, true, test.columns),
            "impossible_types": float(impossible_types(own).sum() / present.sum()),
            "impossible_share": float(impossible(own).sum() / present.sum()),
            "empty_jets": int((~present.any(axis=1)).sum()),
            "trees": auc(true, own[present.any(axis=1)], seed),
        }
    return out


def tests_of_truth(test: Jets, seed: int) -> dict[str, Any]:
    """What the trees say of truth against truth, and of particles whose tracks are dealt out anew."""
    out = {}
    for label in np.unique(test.labels):
        x = test.clouds[test.labels == label]
        first, second = x[::2], x[1::2]
        out[test.classes[label]] = {
            "truth": auc(first, second, seed),
            "dealt_anew": auc(first, dealt_anew(second, seed), seed),
            "impossible_share": float(impossible(x).sum() / (x[..., 2] > 0).sum()),
        }
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="of JetClass, or in its layout")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--preset", default="small", choices=("small", "published"))
    parser.add_argument("--particles", type=int, default=128, help="the hardest of a jet")
    parser.add_argument("--seconds", type=float, default=300, help="CPU time of each training")
    parser.add_argument("--most", type=int, default=None, help="jets to learn from, and to compare with, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    train, test = (part[: options.most] for part in halves(shuffled(read(options))))
    classes = np.unique(train.labels)
    result: dict[str, Any] = {"conditions": conditions(), "learned_from": len(train), "compared_with": len(test)}
    result["truth"] = tests_of_truth(test, options.seed)
    if not options.json:
        print(json.dumps(result))
    for name in options.systems:
        fitted, row = trained(name, train, classes, options)
        start = time.process_time()
        drawn = fitted.sample(context_of(test, classes), seed=2).astype(np.float32)
        row["us_a_jet"] = 1e6 * (time.process_time() - start) / len(test)
        row["classes"] = compared(rounded(drawn) if name == "rounded" else drawn, test, options.seed)
        result.setdefault("systems", {})[name] = row
        if not options.json:
            print(name, table_of(row), sep="\n", flush=True)
    if options.json:
        print(json.dumps(result))


def read(options: Any) -> Jets:
    """All jets of the files."""
    return read_jetclass(options.files, particles=options.particles)


def shuffled(jets: Jets) -> Jets:
    """The same in an order that mixes the files, so that the first ones are of all classes."""
    return jets[np.random.default_rng(1).permutation(len(jets))]


def table_of(row: dict[str, Any]) -> str:
    """One system in Markdown."""
    kinds = row["classes"]
    lines = [f"{row['parameters']:,} parameters, {row['steps']:,} steps, {row['training_s']:.0f} CPU s"]
    lines += [f"| | {' | '.join(f'{kind}: W1 over floor' for kind in kinds)} |", "|---" * (1 + len(kinds)) + "|"]
    for name in next(iter(kinds.values()))["features"]:
        cells = [found["features"][name] for found in kinds.values()]
        shown = [f"{cell['w1']:.4f} / {cell['floor']:.4f}" for cell in cells]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    for label, key in (("impossible charge and type, %", "impossible_types"), ("impossible, %", "impossible_share")):
        lines.append(f"| {label} | {' | '.join(f'{100 * found[key]:.2g}' for found in kinds.values())} |")
    trees = [f"{found['trees']['auc']:.3f} ± {found['trees']['error']:.3f}" for found in kinds.values()]
    return "\n".join([*lines, f"| AUC of trees | {' | '.join(trees)} |"])


def conditions() -> dict[str, Any]:
    """What decides the numbers."""
    packages = {name: version(name) for name in ("torch", "numpy", "scikit-learn")}
    return {"python": platform.python_version(), **packages, "cores": os.cpu_count()}


if __name__ == "__main__":
    main()
