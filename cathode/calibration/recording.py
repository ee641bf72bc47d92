"""What is kept of a background-only experiment, so that other statistics of it need no other training."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from analysis.atomic import atomic_path
from cathode.errors import CalibrationError
from cathode.result import SearchResult
from cathode.runtime.progress import silent
from cathode.runtime.run_folder import RESULT

if TYPE_CHECKING:
    from analysis.events import Events
    from cathode.search import Search

#: Names in the place of an experiment.
SEARCH, SCORES = "search.json", "scores.npz"


@dataclass(frozen=True, eq=False)
class WindowScores:
    """Held-out scores and folds of the data in the window, (N,), and of the reference, (T,)."""

    scores: NDArray[np.floating]
    fold: NDArray[np.integer]
    reference_scores: NDArray[np.floating]
    reference_fold: NDArray[np.integer]

    def save(self, path: Path) -> None:
        """Write a compressed .npz file, atomically; scores in single precision."""
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                scores=self.scores.astype(np.float32),
                fold=self.fold.astype(np.int16),
                reference_scores=self.reference_scores.astype(np.float32),
                reference_fold=self.reference_fold.astype(np.int16),
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Inverse of `save`.

        Raises
        ------
        CalibrationError
            If there is no such file, or it is none of these.
        """
        names = ("scores", "fold", "reference_scores", "reference_fold")
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                return cls(**{name: stored[name] for name in names})
        except (OSError, ValueError, KeyError) as error:
            raise CalibrationError(f"{path}: no scores of an experiment ({error}). Make it again.") from error


def recorded(
    search: Search, events: Events, place: Path, *, auxiliary: Mapping[str, Events] | None = None
) -> SearchResult:
    """Search, and leave the result and the scores of the window in `place`; not the models, which are many."""
    from cathode.diagnostics import Diagnostics
    from cathode.products import DIAGNOSTICS

    run = place / "run"
    found = search.run(events, output=run, auxiliary=auxiliary, progress=silent)
    drawn = Diagnostics.load(run / DIAGNOSTICS)
    assert drawn.mass is not None
    assert drawn.scores is not None
    assert drawn.fold is not None
    assert drawn.template_scores is not None
    assert drawn.template_fold is not None
    inside = search.region.signal(drawn.mass)
    WindowScores(drawn.scores[inside], drawn.fold[inside], drawn.template_scores, drawn.template_fold).save(
        place / SCORES
    )
    (run / RESULT).replace(place / SEARCH)
    shutil.rmtree(run)
    return found
