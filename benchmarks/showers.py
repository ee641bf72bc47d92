"""Generators of showers: how far they are from held-out Geant4 showers, what they cost, and what they are worth.

    OMP_NUM_THREADS=1 python benchmarks/showers.py FOLDER
    OMP_NUM_THREADS=1 python benchmarks/showers.py FOLDER --systems layers coupling --seeds 1 2 --json
    OMP_NUM_THREADS=1 python benchmarks/showers.py FOLDER --dataset ds2 --systems sticks --no-voxels

FOLDER holds a file of a data set, by default of photons in the geometry of CaloChallenge 1, `ds1like_photons.h5`
(`shower_samples.py` knows the others; `--file` names another). Systems are those of `shower_systems.py`. Half of the
showers of every energy are learned from, the others compared with; the same for all systems and seeds. Beside
every number stands its floor, the two halves against each other, and what the same test makes of the learned half with
all energies 3 % too large or with shapes shuffled among showers of one energy: a test that does not see that says
nothing.

* auc_high, auc_low: boosted trees on observables and on voxels, each event by trees that have not seen it; the
  latter not with `--no-voxels`;
* separation_minus_floor: mean separation power of all observables less that of the halves;
* auc_resnet: convolutions over all voxels, with `--resnet`, where all layers have one binning;
* layer_means: mean energies of layers, generated and reference, with the error of their difference;
* response: mean of visible over incident energy, generated and reference, by energy, with the error of the mean;
* leave_one_energy_out_auc: AUC of observables at 4.096 GeV of a model that has not seen it, and of one that has;
* n_equivalent: true showers that are as far from the truth by chance, in the distributions of observables;
* ms_per_shower: CPU time on one thread with 1, 100 and 10,000 showers at once (`--batches`), at their energies;
  ms_by_energy: the same of 100 at once, where energies are single ones;
  geant4_ms: CPU time of the simulation, from the file, also by energy; train_cpu_s: CPU time of the training;
* parameters: those of all networks, of one state; masks and other buffers are none.

`--compared` takes fewer showers of the compared half, for what is slow to draw from; errors grow with it.

`--output` keeps what was measured by system and seed, and a later call goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from shower_samples import FILES, energy_groups, halves
from shower_systems import SYSTEMS

from analysis.atomic import write_text
from analysis.metrics.equivalent_size import equivalent_size
from analysis.metrics.shower_histograms import comparisons
from analysis.metrics.showers import Observables, high_level, low_level, observables
from analysis.showers import Geometry, Showers, geometry
from cathode.classifiers import BoostedTrees
from cathode.classifiers.two_sample import held_out_auc
from cathode.comparison.shower_classifiers import resnet_of
from cathode.runtime.seeds import Seeds
from generators import create
from generators.protocols import ConditionalGenerator

#: GeV; the energy that is left out where showers of just this energy are.
LEFT_OUT = 4.096
BATCHES = (1, 100, 10_000)
#: Voxels that are drawn at once while the time is taken.
MOST_TIMED = 5_000_000
#: Energies of a sample that are timed one by one, at most.
MOST_ENERGIES = 20
#: Columns that hardly any shower fills tell nothing, and no fold may be without any.
VARIES = 50


class Comparer:
    """Compares showers with the reference, by the tests of this benchmark."""

    def __init__(self, learned: Showers, reference: Showers, known: Geometry, members: int) -> None:
        self.learned, self.reference, self.geometry = learned, reference, known
        self.truth, self.due = (observables([sample], known) for sample in (learned, reference))
        self.trees = BoostedTrees(members=members)

    def auc(self, generated: NDArray[Any], reference: NDArray[Any], name: str) -> dict[str, float]:
        """AUC of held-out trees with its error."""
        pooled = np.concatenate([generated, reference])
        varies = (pooled != np.median(pooled, axis=0)).sum(axis=0) >= min(VARIES, len(pooled) // 8)
        found = held_out_auc(self.trees, reference[:, varies], generated[:, varies], name=name, folds=3, seeds=Seeds(1))
        return {"value": found.value, "error": found.error}

    def of_layers(self, energies: Observables) -> NDArray[np.float64]:
        """Inputs of trees on the energies of layers alone."""
        return np.column_stack([energies.incident, energies.layers / energies.incident[:, None]])

    def row(self, generated: Showers, *, voxels: bool = True, resnet: bool = False) -> dict[str, Any]:
        """All numbers of a sample of showers."""
        found = observables([generated], self.geometry)
        low = [low_level(sample, self.geometry) for sample in (generated, self.reference)] if voxels or resnet else []
        inputs = high_level(found), high_level(self.due)
        size = equivalent_size(inputs[0][:, 1:], high_level(self.truth)[:, 1:], inputs[1][:, 1:], seed=1)
        separations = [
            float(np.mean([each.separation for each in comparisons(sample, self.due, self.geometry)]))
            for sample in (found, self.truth)
        ]
        return {
            "auc_high": self.auc(*inputs, "high"),
            "auc_low": self.auc(*low, "low") if voxels else None,
            "auc_resnet": self.resnet(*low) if resnet else None,
            "auc_layers": self.auc(self.of_layers(found), self.of_layers(self.due), "layers"),
            "separation_minus_floor": separations[0] - separations[1],
            "n_equivalent": {"events": size.events, "at_least": size.at_least, "at_most": size.at_most},
            "layer_means": self.layer_means(found),
            "response": self.response(found),
        }

    def resnet(self, generated: NDArray[Any], reference: NDArray[Any]) -> dict[str, float]:
        """AUC of a network of convolutions, with its error."""
        network = resnet_of(self.geometry)
        found = held_out_auc(network, reference, generated, name="resnet", folds=3, seeds=Seeds(1))
        return {"value": found.value, "error": found.error}

    def layer_means(self, found: Observables) -> list[dict[str, float]]:
        """Mean energy of every layer of both samples in GeV, and the error of their difference."""
        both = found.layers, self.due.layers
        means, squares = ([part.mean(axis=0) for part in both], [part.var(axis=0) / len(part) for part in both])
        return [
            {"mean": float(mean), "reference": float(due), "error": float(error)}
            for mean, due, error in zip(*means, np.sqrt(sum(squares)), strict=True)
        ]

    def response(self, found: Observables) -> list[dict[str, float]]:
        """Mean and width of the response by energy, of both samples, with errors of the means."""
        out = []
        groups, found_groups = self.groups(found)
        for group in np.unique(groups):
            rows, own = groups == group, found_groups == group
            pair, energy = [found.response[own], self.due.response[rows]], self.due.incident[rows].mean()
            means, widths = ([float(getattr(part, what)()) for part in pair] for what in ("mean", "std"))
            error = float(np.sqrt(sum(part.var() / len(part) for part in pair)))
            out.append(
                {"energy": float(energy), "mean": means[0], "reference": means[1], "error": error}
                | {"width": widths[0], "reference_width": widths[1]}
            )
        return out

    def groups(self, found: Observables) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Groups of the energies of the reference, and those among them that other showers belong to."""
        groups = energy_groups(self.due.incident)
        if np.array_equal(found.incident, self.due.incident):
            return groups, groups
        # Between the largest energy of a group and the smallest of the next one.
        numbers = np.unique(groups)
        parts = [self.due.incident[groups == number] for number in numbers]
        edges = [(low.max() + high.min()) / 2 for low, high in pairwise(parts)]
        return groups, numbers[np.searchsorted(edges, found.incident)]

    def at(self, generated: Showers, energy: float) -> dict[str, float]:
        """AUC of observables of showers of one energy."""
        samples = [
            observables([Showers(s.incident[rows], s.energies[rows])], self.geometry)
            for s in (generated, self.reference)
            for rows in [np.isclose(s.incident, energy)]
        ]
        return self.auc(high_level(samples[0]), high_level(samples[1]), f"at {energy}")


def shuffled(showers: Showers, known: Geometry) -> Showers:
    """Shapes of layers of other showers of the same energy: a defect that no energy of a layer shows."""
    rng, out, groups = np.random.default_rng(5), showers.energies.copy(), energy_groups(showers.incident)
    for group in np.unique(groups):
        for part in known.slices:
            sums = showers.energies[:, part].sum(axis=1)
            rows = np.flatnonzero((groups == group) & (sums > 0))
            other = rng.permutation(rows)
            out[rows, part] = showers.energies[other, part] * (sums[rows] / sums[other])[:, None]
    return Showers(showers.incident, out)


def timed(generator: Any, incident: NDArray[np.float64], voxels: int, batches: Sequence[int]) -> dict[str, float]:
    """CPU milliseconds per shower at every number at once, after one call that is not counted."""
    rng, out = np.random.default_rng(3), {}
    for batch in batches:
        if batch > 100 and batch * voxels > MOST_TIMED:
            continue
        c = rng.choice(incident, batch)[:, None]
        generator.sample(c[:1], seed=0)
        repeats = max(1, min(20, 100 // batch))
        start = time.process_time()
        for number in range(repeats):
            generator.sample(c, seed=number)
        out[str(batch)] = 1e3 * (time.process_time() - start) / repeats / batch
    return out


def timed_by_energy(generator: Any, incident: NDArray[np.float64]) -> dict[str, float]:
    """CPU milliseconds per shower of 100 at once, by energy, where energies are single ones."""
    energies = np.unique(incident)
    return {
        f"{e:g}": timed(generator, np.full(1, e), 1, (100,))["100"] for e in energies if len(energies) <= MOST_ENERGIES
    }


def fitted(what: dict[str, Any], learned: Showers, seed: int) -> tuple[Any, float]:
    """A trained generator and the CPU seconds of its training."""
    start = time.process_time()
    made = create(what).fit(learned.energies, learned.incident[:, None], seed=seed)
    return made, time.process_time() - start


def measured(system: str, seed: int, comparer: Comparer, options: argparse.Namespace) -> dict[str, Any]:
    """One row of the table."""
    shapes = [list(layer.shape) for layer in comparer.geometry.layers]
    learned, reference = comparer.learned, comparer.reference
    what = SYSTEMS[system](options.dataset, shapes)
    if options.steps:
        what = with_steps(what, options.steps)
    if system == "layers":
        return layers_alone(what, seed, comparer, options.batches)
    made, seconds = fitted(what, learned, seed)
    losses = list(getattr(made, "validation_losses_", []))
    row = {"system": system, "seed": seed, "train_cpu_s": seconds, "specification": what}
    row["parameters"] = parameters(made)
    row["validation_falls"] = bool(len(losses) > 4 and np.mean(losses[-2:]) < np.mean(losses[-4:-2]))
    drawn = Showers(reference.incident, made.sample(reference.incident[:, None], seed=seed + 100).astype(np.float64))
    row |= comparer.row(drawn, voxels=options.voxels, resnet=options.resnet)
    row["ms_per_shower"] = timed(made, reference.incident, reference.voxels, options.batches)
    row["ms_by_energy"] = timed_by_energy(made, reference.incident)
    if np.isclose(reference.incident, LEFT_OUT).any():
        row["auc_at_left_out_energy"] = comparer.at(drawn, LEFT_OUT)
    return row


def parameters(made: Any) -> int:
    """Parameters of the first of every kept network in a fitted generator and in those inside of it; no buffers."""
    networks = getattr(made, "networks_", [])
    own = sum(parameter.numel() for parameter in networks[0].parameters()) if networks else 0
    inner = [each for value in vars(made).values() for each in (value if isinstance(value, list | tuple) else [value])]
    return own + sum(parameters(each) for each in inner if isinstance(each, ConditionalGenerator))


def left_out(system: str, seed: int, comparer: Comparer, options: argparse.Namespace) -> dict[str, float]:
    """AUC of observables at one energy, of a training of the same length that has not seen it."""
    learned, reference = comparer.learned, comparer.reference
    what = SYSTEMS[system](options.dataset, [list(layer.shape) for layer in comparer.geometry.layers])
    rows = ~np.isclose(learned.incident, LEFT_OUT)
    what = with_steps(what, options.steps) if options.steps else what
    made, _ = fitted(what, Showers(learned.incident[rows], learned.energies[rows]), seed)
    at = reference.incident[np.isclose(reference.incident, LEFT_OUT)]
    drawn = made.sample(at[:, None], seed=seed + 200).astype(np.float64)
    return comparer.at(Showers(at, drawn), LEFT_OUT)


def layers_alone(what: dict[str, Any], seed: int, comparer: Comparer, batches: Sequence[int]) -> dict[str, Any]:
    """The first part of a chain by itself."""
    learned, due = comparer.learned, comparer.due
    chain, c = create(what), due.incident[:, None]
    coordinates = chain.coordinates(learned.energies, learned.incident[:, None], np.ones(len(learned)))
    ratios, start = coordinates.first(learned.energies, learned.incident[:, None]), time.process_time()
    made = create(chain.energies).fit(ratios, learned.incident[:, None], seed=seed)
    seconds = time.process_time() - start
    context = coordinates.request(made.sample(c, seed=seed + 100), c, torch.Generator()).context
    drawn = np.column_stack([due.incident, context[:, 1:] / due.incident[:, None]])
    auc = comparer.auc(drawn, comparer.of_layers(due), "layers")
    row = {"system": "layers", "seed": seed, "train_cpu_s": seconds, "specification": what, "auc_layers": auc}
    return {**row, "ms_per_shower": timed(made, due.incident, len(ratios[0]), batches)}


def with_steps(what: dict[str, Any], steps: int) -> dict[str, Any]:
    """The same, with all that it says by default, and with so many steps in every training."""
    return _every({"kind": what["kind"], **create(what).hyperparameters()}, steps)


def _every(what: dict[str, Any], steps: int) -> dict[str, Any]:
    out = {
        key: _every(value, steps) if isinstance(value, dict) and "kind" in value else value
        for key, value in what.items()
    }
    if "training" in out:
        out["training"] = {**out["training"], "epochs": None, "steps": steps}
    return out


def floors(comparer: Comparer, voxels: bool, resnet: bool) -> dict[str, Any]:
    """The halves against each other, and two halves with defects."""
    learned = comparer.learned
    scaled = Showers(learned.incident, 1.03 * learned.energies)
    return {
        "floor": comparer.row(learned, voxels=voxels, resnet=resnet),
        "energies_3_percent": comparer.row(scaled, voxels=False, resnet=resnet),
        "shapes_shuffled": comparer.row(shuffled(learned, comparer.geometry), voxels=voxels, resnet=resnet),
    }


def described(name: str, row: dict[str, Any]) -> str:
    """A row in one line."""
    parts = []
    for key in ("auc_high", "auc_low", "auc_resnet", "auc_layers"):
        if row.get(key):
            parts.append(f"{key.removeprefix('auc_')} {row[key]['value']:.3f} ± {row[key]['error']:.3f}")
    if "n_equivalent" in row:
        size = row["n_equivalent"]
        sign = "≥ " if size["at_least"] else "≤ " if size["at_most"] else ""
        parts.append(f"separation − floor {1e3 * row['separation_minus_floor']:.2f}×10⁻³")
        parts.append(f"worth {sign}{size['events']:.0f}")
    if "ms_per_shower" in row:
        parts.append(" / ".join(f"{value:.2f}" for value in row["ms_per_shower"].values()) + " ms")
        parts.append(f"{row['train_cpu_s']:.0f} CPU s")
    if "leave_one_energy_out_auc" in row:
        pair = row["leave_one_energy_out_auc"], row["auc_at_left_out_energy"]
        parts.append(f"{LEFT_OUT} GeV left out {pair[0]['value']:.3f}, seen {pair[1]['value']:.3f}")
    return f"{name:24} " + ", ".join(parts)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of files of showers")
    parser.add_argument("--dataset", default="ds1-photons", choices=FILES, help="what is in the file")
    parser.add_argument("--file", help="its name, unless that of the data set")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--leave-out", nargs="*", default=[], choices=SYSTEMS, help="also trained without one energy")
    parser.add_argument("--members", type=int, default=4, help="trees whose mean is a classifier")
    parser.add_argument("--steps", type=int, default=0, help="steps of every training instead of those of the presets")
    parser.add_argument("--compared", type=int, help="showers that are drawn and compared, at most; else all")
    parser.add_argument("--output", type=Path, help="folder that keeps what was measured")
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, help="showers at once that are timed")
    parser.add_argument("--no-voxels", dest="voxels", action="store_false", help="no trees on voxels: many are slow")
    parser.add_argument("--resnet", action="store_true", help="convolutions too; minutes for each sample")
    parser.add_argument("--quick", action="store_true", help="few showers and steps: does it work?")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = geometry(options.dataset)
    learned, reference, simulated = halves(options.folder / (options.file or FILES[options.dataset]), known)
    if options.quick:
        options.steps, options.voxels = options.steps or 20, False
        learned, reference = (Showers(s.incident[::6], s.energies[::6]) for s in (learned, reference))
    if options.compared is not None:
        # Files are in the order of the energies or in none: every one of these stays.
        step = max(1, -(-len(reference) // options.compared))
        reference = Showers(reference.incident[::step], reference.energies[::step])
    comparer = Comparer(learned, reference, known, options.members)
    out: dict[str, Any] = {"conditions": conditions(), "learned": len(learned), "reference": len(reference)}

    def say(text: str) -> None:
        print(text, file=sys.stderr if options.json else sys.stdout, flush=True)

    if simulated is not None:
        out["geant4_ms"] = {"mean": float(simulated.mean())}
        if len(simulated) == len(reference):
            groups = energy_groups(reference.incident)
            of_group = {f"{reference.incident[groups == g].mean():g}": groups == g for g in np.unique(groups)}
            out["geant4_ms"]["by_energy"] = {e: float(simulated[rows].mean()) for e, rows in of_group.items()}
        say(f"Geant4: {simulated.mean():.1f} ms a shower")
    out["floors"] = _kept(options, "floors", lambda: floors(comparer, options.voxels, options.resnet))
    for name, row in out["floors"].items():
        say(described(name, row))
    out["rows"] = []
    for seed in options.seeds:
        for system in options.systems:
            arguments = (system, seed, comparer, options)
            row = _kept(options, f"{system}-{seed}", partial(measured, *arguments))
            if system in options.leave_out:
                without = _kept(options, f"left_out-{system}-{seed}", partial(left_out, *arguments))
                row["leave_one_energy_out_auc"] = without
            out["rows"].append(row)
            say(described(f"{system}, seed {seed}", row))
    if options.json:
        print(json.dumps(out))


def _kept(options: argparse.Namespace, name: str, measure: Any) -> Any:
    """What was measured before, or is now."""
    if options.output is None:
        return measure()
    path = options.output / f"{name}.json"
    if not path.exists():
        options.output.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(measure(), indent=1) + "\n")
    return json.loads(path.read_text())


def conditions() -> dict[str, Any]:
    """What decides the numbers."""
    packages = {name: version(name) for name in ("torch", "numpy")}
    threads = {"threads": torch.get_num_threads(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    return {"python": platform.python_version(), **packages, **threads}


if __name__ == "__main__":
    main()
