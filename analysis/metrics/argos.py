"""ARGOS: how good a score is at finding an excess, without labels (Hein et al., 2511.14832)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError

#: Template events that pass at least; below, their share has an error of more than 20 %.
SMALLEST = 25.0


def argos(
    data: NDArray[Any],
    template: NDArray[Any],
    data_weights: NDArray[Any] | None = None,
    template_weights: NDArray[Any] | None = None,
    *,
    smallest: float = SMALLEST,
) -> float:
    """The largest e_data/√e_template − √e_template over all thresholds, from scores of data (N,) and template (T,).

    e are the shares that pass. With a signal of share f it is f times the significance improvement and a constant that
    no cut changes, so the score with the largest one is the best; without a signal it is 0 but for fluctuations. Those
    grow where hardly any template passes, so thresholds are used where (Σw)²/Σw² of the template that passes is at
    least `smallest`; the published code has no such floor. Where no threshold has it, the value is 0.

    Raises
    ------
    AnalysisError
        If there are no scores of one kind, or they are NaN.
    """
    values = [np.asarray(each, np.float64) for each in (data, template)]
    for name, each in zip(("data", "template"), values, strict=True):
        if len(each) == 0 or np.isnan(each).any():
            what = "no scores" if len(each) == 0 else f"{int(np.isnan(each).sum())} scores that are NaN"
            raise AnalysisError(f"ARGOS: {what} of the {name}.")
    given = (data_weights, template_weights)
    weights = [np.ones(len(v)) if w is None else np.asarray(w, np.float64) for v, w in zip(values, given, strict=True)]
    order = np.argsort(-values[1], kind="stable")
    thresholds, w = values[1][order], weights[1][order]
    passing, squares = np.cumsum(w), np.cumsum(w**2)
    # Of equal scores all pass together.
    last = np.append(thresholds[1:] != thresholds[:-1], True)
    enough = last & (passing > 0) & (passing**2 >= smallest * squares)
    if not enough.any():
        return 0.0
    by_score = np.argsort(-values[0], kind="stable")
    above = np.concatenate([[0.0], np.cumsum(weights[0][by_score])])
    count = np.searchsorted(-values[0][by_score], -thresholds[enough], side="right")
    share, of_template = above[count] / weights[0].sum(), passing[enough] / weights[1].sum()
    return float(np.max(share / np.sqrt(of_template) - np.sqrt(of_template)))
