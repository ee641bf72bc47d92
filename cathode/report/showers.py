"""From an evaluation of showers to a page that needs nothing but itself, its figures, and its numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.atomic import write_text
from analysis.outputs import check_output_folder
from cathode.comparison.shower_classifiers import DEFECT
from cathode.comparison.showers import ShowerEvaluation
from cathode.report.template import Picture, pictured, rendered

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "showers.html"
NUMBERS = "showers.json"
FIGURES = "figures"

#: Layers of which histograms are drawn; the table has all.
_DRAWN = 5

_LABELS = {
    "response": "Visible over incident energy",
    "response by energy": "Visible over incident energy",
    "layer energy": "Energy of the layer",
    "layer share": "Share of the layer in the shower",
    "centre in η": "Centre of energy in η",
    "centre in φ": "Centre of energy in φ",
    "width in η": "Width in η",
    "width in φ": "Width in φ",
    "centre in r": "Centre of energy in r",
    "width in r": "Width in r",
    "sparsity": "Sparsity",
    "voxel energy": "Energy of voxels",
}


def write_shower_report(evaluation: ShowerEvaluation, folder: str | Path) -> Path:
    """Write `showers.html`, `showers.json` and `figures/*.png`; returns the path of the page.

    Raises
    ------
    OutputError
        If the folder can not be written.
    """
    folder = Path(folder)
    check_output_folder(folder)
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    pictures = [
        pictured(folder / FIGURES, name, section, caption, figure, wide=wide)
        for name, section, caption, wide, figure in _figures(evaluation)
    ]
    write_text(folder / NUMBERS, json.dumps(evaluation.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(folder / PAGE, _page(evaluation, pictures))
    return folder / PAGE


def _figures(evaluation: ShowerEvaluation) -> Iterator[tuple[str, str, str, bool, Figure]]:
    """Name, section, caption, whether it is wide, and figure."""
    from analysis.plots.showers import average_showers, layer_profile, shower_histogram

    geometry = evaluation.geometry
    ours, theirs = evaluation.generated, evaluation.reference
    places, names = np.arange(len(geometry.layers)), [str(layer.id) for layer in geometry.layers]
    caption = "Mean energy per area in units of the largest of the reference, layer by layer."
    yield "average", "average", caption, True, average_showers(geometry, *evaluation.averages)
    for name, label, attribute in (
        ("energy", "Mean energy of the layer [GeV]", "layers"),
        ("width", "Mean width in r [mm]", "radius_width"),
        ("sparsity", "Mean sparsity", "sparsity"),
    ):
        values = getattr(ours, attribute), getattr(theirs, attribute)
        figure = layer_profile(places, *values, label=label, names=names)
        yield f"profile_{name}", "profile", f"{label.partition(' [')[0]}, with the error of the mean.", False, figure
    drawn = {f"layer {geometry.layers[place].id}" for place in np.linspace(0, len(places) - 1, _DRAWN).astype(int)}
    for number, each in enumerate(evaluation.histograms):
        if each.name.startswith("layer ") and each.name not in drawn:
            continue
        label = _LABELS[each.group]
        figure = shower_histogram(each, label=label)
        yield f"{number:03d}", each.group, f"{label}, {each.name}.", False, figure


def _page(evaluation: ShowerEvaluation, pictures: list[Picture]) -> str:
    separations = [(name, *pair) for name, pair in evaluation.separations().items()]
    groups = dict.fromkeys(p.section for p in pictures if p.section not in ("average", "profile"))
    return rendered(
        "showers.html",
        e=evaluation,
        defect=f"{100 * (DEFECT - 1):g} %",
        headline=headline(evaluation),
        separations=separations,
        groups=[(name, [p for p in pictures if p.section == name]) for name in groups],
        average=[p for p in pictures if p.section == "average"],
        profiles=[p for p in pictures if p.section == "profile"],
    )


def headline(evaluation: ShowerEvaluation) -> str:
    """What the classifiers say, in one sentence."""
    if not evaluation.classifiers:
        return f"{len(evaluation.generated):,} generated showers against {len(evaluation.reference):,}"
    name, score = max(evaluation.classifiers.items(), key=lambda item: item[1].auc.value)
    apart = score.auc.value - 0.5
    what = "can not be told from" if apart < 2 * score.auc.error else "can be told from"
    return f"Generated showers {what} the reference: AUC {score.auc.value:.3f} ± {score.auc.error:.3f} ({name})"
