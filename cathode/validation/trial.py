"""A method asked about a validation region: its data and its reference with their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from cathode.methods.protocol import Learned, Method, Reference, Task
from cathode.runtime.stages import Stages


@dataclass(frozen=True, eq=False)
class Trial:
    """One repetition of the closure test: data with their held-out scores (N,), and the reference with its own."""

    data: Events
    scores: FloatArray
    fold: NDArray[np.int64]
    reference: Reference


def trial(method: Method, task: Task, learned: Learned, stages: Stages) -> Trial:
    """Fit a method to a validation task, and score the events of the task."""
    fitted = method.fit(task, learned, stages)
    seen = task.target.observables
    return Trial(seen, fitted.score(task.target), fold_of(seen.ids, task.folds), fitted.reference)
