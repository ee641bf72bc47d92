"""How far generators are from Geant4 against the number of channels of the calorimeter, from what was measured.

    python benchmarks/showers.py FOLDER --dataset ds1-photons --systems sticks --output measured/ds1-photons
    python benchmarks/showers.py FOLDER --dataset ds2 --systems sticks --output measured/ds2
    python benchmarks/shower_channels.py measured/ds1-photons measured/ds2 --figure channels.png

Every folder is the `--output` of `showers.py` for the data set of its name. Systems that were measured in two data sets
or more are drawn, the mean over their seeds with the range of them, beside the halves of the sample against each other
and what the same test makes of halves with a defect: where it does not see that, it says nothing of systems either.
`--test` is the classifier: of observables (`auc_high`), voxels (`auc_low`), or `auc_resnet`. How many
showers were learned from is another in every data set, and AUCs depend on that too.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.plots.style import CYCLE, REFERENCE, StyledFigure, styled
from analysis.showers import geometry

TESTS = ("auc_high", "auc_low", "auc_resnet")
#: What stands in `floors.json`: the floor, and defects that show the power of the test.
FLOORS = {
    "floor": "the halves against each other",
    "energies_3_percent": "a half with energies + 3 %",
    "shapes_shuffled": "a half with shapes shuffled",
}
#: System -> channels -> AUCs of its seeds.
Found = dict[str, dict[int, list[float]]]


def found(folders: Sequence[Path], test: str) -> Found:
    """What was measured by a test, of all systems."""
    out: Found = defaultdict(lambda: defaultdict(list))
    for folder in folders:
        channels = geometry(folder.name).voxels
        for path in sorted(folder.glob("*.json")):
            row = json.loads(path.read_text())
            rows = {FLOORS[key]: row[key] for key in FLOORS} if path.stem == "floors" else {row.get("system"): row}
            for name, each in rows.items():
                # What leaves out an energy is no row of a system.
                if name and each.get(test):
                    out[name][channels].append(each[test]["value"])
    return {name: dict(sorted(by_channels.items())) for name, by_channels in sorted(out.items())}


def table(values: Found) -> str:
    """A line for each system and number of channels."""
    lines = [f"{'system':32} {'channels':>8} {'seeds':>5} {'AUC':>6} {'from':>6} {'to':>6}"]
    for name, by_channels in values.items():
        for channels, aucs in by_channels.items():
            mean = sum(aucs) / len(aucs)
            lines.append(f"{name:32} {channels:8} {len(aucs):5} {mean:6.3f} {min(aucs):6.3f} {max(aucs):6.3f}")
    return "\n".join(lines)


@styled
def draw(values: Found, path: Path, label: str) -> None:
    """AUC against channels, of systems with two numbers of them."""
    figure = StyledFigure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    floors = [name for name in FLOORS.values() if name in values]
    drawn = [name for name, by_channels in values.items() if name not in floors and len(by_channels) > 1]
    for place, name in enumerate([*drawn, *floors]):
        channels, aucs = list(values[name]), list(values[name].values())
        means = [sum(each) / len(each) for each in aucs]
        ends = [[mean - min(each) for mean, each in zip(means, aucs, strict=True)]]
        ends.append([max(each) - mean for mean, each in zip(means, aucs, strict=True)])
        look: dict[str, Any] = {"color": CYCLE[place % len(CYCLE)], "linestyle": "-" if place < len(CYCLE) else "--"}
        if name in floors:
            look = {"color": REFERENCE, "linestyle": ":", "marker": "os^"[floors.index(name)]}
        axes.errorbar(channels, means, yerr=ends, label=name, **{"marker": "o", **look})
    axes.set_xscale("log")
    axes.set_ylim(0.48, 1.02)
    axes.set_xlabel("Channels")
    axes.set_ylabel(label)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="each named as the data set is")
    parser.add_argument("--test", choices=TESTS, default="auc_high")
    parser.add_argument("--figure", type=Path, help="draw here")
    options = parser.parse_args()
    values = found(options.folders, options.test)
    print(table(values))
    if options.figure is not None:
        names = {"auc_high": "AUC by observables", "auc_low": "AUC by voxels", "auc_resnet": "AUC by convolutions"}
        draw(values, options.figure, names[options.test])


if __name__ == "__main__":
    main()
