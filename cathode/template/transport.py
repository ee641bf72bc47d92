"""Sideband events in the place of generated ones, where it counts.

A classifier finds what a generator of moderate size gets wrong, and cuts on it. Sideband events that are moved to the
masses of the target along the same generator carry that error in both directions, so it cancels; but there are fewer of
them than a generator can draw, and a resonance reaches into them. So the classifier is trained against draws, and the
events that pass its cut are predicted by what was moved. See `generators.tabular.event_transport`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.events import Events, FloatArray
from cathode.template.drawing import Sampler, Template, draw_at


def transport_along(generator: Any, sideband: Events, *, reach: float) -> Sampler | None:
    """What moves events of the sideband along a trained generator, or None.

    None where it can not be done: the generator is no flow that can be followed both ways, or events have negative
    weights, by which none can be chosen.
    """
    from generators.errors import HyperparameterError
    from generators.tabular.base import TabularGenerator
    from generators.tabular.event_transport import EventTransport

    if not isinstance(generator, TabularGenerator) or np.any(sideband.weights < 0):
        return None
    try:
        return EventTransport.along(generator, sideband.x, sideband.context, weights=sideband.weights, reach=reach)
    except HyperparameterError:
        return None


def moved_template(predictor: Sampler | None, mass: FloatArray, *, seed: int) -> Template | None:
    """Moved events at masses (T,), or None where there is nothing to move or a mass has no sideband on one side."""
    from generators.errors import ContextRangeError

    if predictor is None:
        return None
    try:
        return draw_at(predictor, mass, seed=seed)
    except ContextRangeError:
        return None
