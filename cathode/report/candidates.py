"""The events of the window that the classifier thinks least like background, for whoever wants to look at them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.errors import AnalysisError
from cathode.result import SearchResult
from cathode.runtime.run_folder import SCORES

#: Candidates that a page shows.
SHOWN = 10


@dataclass(frozen=True)
class Candidate:
    """One event: its numbers, its mass in GeV, its score and the fold that it was held out with."""

    run: int
    luminosity_block: int
    event: int
    mass: float
    score: float
    fold: int


def top_candidates(folder: Path, result: SearchResult, shown: int = SHOWN) -> tuple[Candidate, ...]:
    """Events of the window by falling score; none where no significance is claimed or the scores can not be read.

    Scores of different folds are of different classifiers, so the order is one within folds, roughly.
    """
    from analysis.io.scores import read_scores

    if not result.validated or not (folder / SCORES).is_file():
        return ()
    try:
        stored = read_scores(folder / SCORES)
    except AnalysisError:
        return ()
    inside = np.flatnonzero(stored.selected & (stored.columns["region"] == 1))
    score = stored.columns["score"]
    best = inside[np.argsort(-score[inside], kind="stable")][:shown]
    return tuple(
        Candidate(
            run=int(stored.ids[row, 0]),
            luminosity_block=int(stored.ids[row, 1]),
            event=int(stored.ids[row, 2]),
            mass=float(stored.columns["mass"][row]),
            score=float(score[row]),
            fold=int(stored.columns["fold"][row]),
        )
        for row in best
    )
