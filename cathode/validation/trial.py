"""A method asked about validation regions: their data and their reference with their scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from cathode.classifiers.cross_fitting import held_out_scores
from cathode.methods.contrast import HeldOutClassifiers
from cathode.methods.protocol import Learned, Method, Reference, Task
from cathode.runtime.stages import Stages
from cathode.validation.held_out import HeldOut


@dataclass(frozen=True, eq=False)
class Trial:
    """One repetition of the closure test: data with their held-out scores (N,), and the reference with its own.

    `rows` (N,) and the origins of the reference number events of the sideband, where `rows` is given: an event that is
    data of one region may be moved into another.
    """

    data: Events
    scores: FloatArray
    fold: NDArray[np.int64]
    reference: Reference
    rows: NDArray[np.int64] | None = None


def trial(method: Method, task: Task, learned: Learned, stages: Stages) -> Trial:
    """Fit a method to a validation task, and score the events of the task."""
    fitted = method.fit(task, learned, stages)
    seen = task.target.observables
    return Trial(seen, fitted.score(task.target), fold_of(seen.ids, task.folds), fitted.reference)


def rescored(found: Trial, asked: HeldOut, window: HeldOutClassifiers) -> Trial:
    """The same data and reference with scores by the classifiers of the window, which saw none of them."""
    reference = found.reference
    scores = held_out_scores(window.classifiers, reference.x, reference.fold)
    return dataclasses.replace(
        found, scores=window.score(asked.task.target), reference=dataclasses.replace(reference, scores=scores)
    )


def joined(trials: Sequence[Trial], held: Sequence[HeldOut], *, of_sideband: bool = True) -> Trial:
    """Trials of several generators as one, with the rows of the sideband instead of those of each background.

    Origins are rows of the background unless not `of_sideband`: then each generator has numbers of its own.
    """
    moved = [each.reference.origin is not None for each in trials]
    parts = [each.reference for each in trials]
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("x", "mass", "scores", "fold", "weights")
    }
    origin = None
    if any(moved):
        # Draws are copies of nothing: each has a number of its own, beyond all rows.
        beyond = 1 + max(int(each.learned_from.max(initial=0)) for each in held)
        found = []
        for each, part in zip(held, parts, strict=True):
            own = np.arange(len(part)) if part.origin is None else part.origin
            if part.origin is not None and of_sideband:
                found.append(each.learned_from[own])
            else:
                found.append(beyond + own)
                beyond += 1 + int(own.max(initial=0))
        origin = np.concatenate(found)
    reference = Reference(**arrays, predicts=all(part.predicts for part in parts), origin=origin)
    return Trial(
        Events.concatenate([each.data for each in trials]),
        np.concatenate([each.scores for each in trials]),
        np.concatenate([each.fold for each in trials]),
        reference,
        np.concatenate([each.asked for each in held]),
    )
