"""What a finished search leaves in its folder, beside the result itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.atomic import write_text
from analysis.events import Events
from analysis.io.scores import write_scores
from cathode.diagnostics import Diagnostics
from cathode.methods.protocol import Reference
from cathode.observables import Observables, drawable
from cathode.runtime.run_folder import MASS_MODEL, SCORES
from cathode.scoring import Scorer, Scores, columns
from cathode.template.mass_models import MassModel
from cathode.validation.performance import Ranking
from cathode.validation.sculpting import Shape

if TYPE_CHECKING:
    from analysis.events import FloatArray

DIAGNOSTICS = "diagnostics.npz"

_CURVE_POINTS = 400


def write_products(
    folder: Path,
    selected: Events,
    scores: Scores,
    scorer: Scorer,
    reference: Reference,
    mass_model: MassModel,
    shape: Shape,
    ranking: Ranking,
) -> None:
    """Write the friend tree of scores, the mass model and the arrays behind the figures, each atomically."""
    write_scores(folder / SCORES, selected, columns(selected, scores, scorer.region, scorer.cuts))
    write_text(folder / MASS_MODEL, json.dumps(mass_model.to_dict(), indent=2))
    mass, density, error = _curve(mass_model, selected)
    shown = drawable(selected.x)
    Diagnostics(
        columns=() if shown is None else shown.names(selected.columns),
        mass=selected.mass,
        weights=selected.weights,
        x=None if shown is None else _where(scorer.region.signal(selected.mass), selected.x, shown),
        scores=scores.score,
        fold=scores.fold,
        truth=selected.truth,
        efficiencies=np.array([cut.background_efficiency for cut in scorer.cuts]),
        passes=scores.passes,
        template_x=None if shown is None else shown.compute(reference.x),
        template_mass=reference.mass,
        template_scores=reference.scores,
        template_fold=reference.fold,
        template_weights=reference.weights,
        curve_mass=mass,
        curve_density=density,
        curve_error=error,
        sculpting=shape.curves,
        ranking=ranking.curve,
        idealised=ranking.idealised_curve,
    ).save(folder / DIAGNOSTICS)


def _where(chosen: NDArray[np.bool_], x: FloatArray, shown: Observables) -> FloatArray:
    """Observables of the chosen events, (N, D), NaN for the others: nothing is drawn of them, and they are many."""
    computed = shown.compute(x[chosen])
    every = np.full((len(x), computed.shape[1]), np.nan, computed.dtype)
    every[chosen] = computed
    return every


def _curve(model: MassModel, events: Events) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mass, density and error of the mass model over the range that it describes."""
    low, high = getattr(model, "fit_range_", (float(events.mass.min()), float(events.mass.max())))
    grid = np.linspace(low, high, _CURVE_POINTS)
    down, up = model.band(grid)
    return grid, np.asarray(model.density(grid)), 0.5 * (np.asarray(up) - np.asarray(down))
