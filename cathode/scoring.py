"""Scores of events by a finished search, for the run itself and for other ntuples later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from analysis.outputs import refuse_links_out
from cathode.cut_and_count import Cut
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.protocol import Method, Scoring
from cathode.observables import Observables, Observed, create
from cathode.region import Region
from cathode.registry import METHODS
from cathode.result import SearchResult
from cathode.runtime.run_folder import CLASSIFIERS, RESULT


@dataclass(frozen=True, eq=False)
class Scores:
    """Held-out score (N,), fold (N,) and whether each cut is passed (E, N)."""

    score: FloatArray
    fold: NDArray[np.int64]
    passes: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scorer:
    """The models and cuts of a search. An event is scored by models that were trained without its fold."""

    region: Region
    columns: tuple[str, ...]
    observables: Observables
    scoring: Scoring
    folds: int
    cuts: tuple[Cut, ...]

    def __call__(self, events: Events) -> Scores:
        """Score events with the columns of the search."""
        if events.columns != self.columns:
            raise RunFolderError(
                f"The events have the features {', '.join(events.columns)}; the search was trained on "
                f"{', '.join(self.columns)}, in this order."
            )
        return self.score_observed(self.observables.observed(events))

    def score_observed(self, events: Observed) -> Scores:
        """Score events whose observables are computed already."""
        fold = fold_of(events.events.ids, self.folds)
        score = np.asarray(self.scoring.score(events), np.float64)
        passes = [cut.passes(score, fold) for cut in self.cuts]
        return Scores(score, fold, np.array(passes, dtype=bool).reshape(len(self.cuts), len(events)))

    @classmethod
    def load(cls, folder: Path | str) -> Scorer:
        """The scorer of a finished run folder.

        Raises
        ------
        RunFolderError, ResultError, ClassifierFolderError
            If the folder holds no finished run, thresholds and classifiers of other numbers of folds, or a part of it
            can not be read.
        """
        place = Path(folder)
        if not (place / RESULT).exists():
            raise RunFolderError(f"{place}: no {RESULT}; this is not a finished run. Run the search to its end first.")
        refuse_links_out(place)
        result = SearchResult.read(place / RESULT)
        folds = _folds(place, result)
        try:
            method: type[Method] = METHODS.resolve(result.method.get("kind"))
        except ConfigError as error:
            raise RunFolderError(f"{place / RESULT}: {error}") from error
        return cls(
            Region(**asdict(result.region)),
            result.columns,
            create(result.observables),
            method.load(place, folds=folds),
            folds,
            tuple(Cut(c.background_efficiency, np.array(c.thresholds)) for c in result.cuts),
        )


def _folds(folder: Path, result: SearchResult) -> int:
    """Number of folds, on which thresholds, classifiers and settings of a run have to agree."""
    found = {f"thresholds of the cut at {c.background_efficiency:g}": len(c.thresholds) for c in result.cuts}
    # A file of a file browser beside them is none of ours.
    if (folder / CLASSIFIERS).is_dir():
        found["classifiers"] = sum(1 for place in (folder / CLASSIFIERS).glob("fold_*") if place.is_dir())
    if result.config is not None and "folds" in result.config:
        found["folds of the settings"] = result.config["folds"]
    if len(set(found.values())) > 1 or not result.cuts or min(found.values()) < 2:
        counts = ", ".join(f"{count} {what}" for what, count in found.items())
        raise RunFolderError(
            f"{folder}: the parts do not belong together ({counts}), so no event would get the right threshold. Run "
            "the search again in a new folder."
        )
    return len(result.cuts[0].thresholds)


def score(folder: Path | str, events: Events) -> dict[str, NDArray[Any]]:
    """Columns for a friend tree, one row per event: score, fold, region and one flag per cut.

    `region` is 1 in the signal region, 0 in a sideband, −1 in neither, as in a veto.

    Raises
    ------
    RunFolderError
        If the folder holds no finished run, or events of the run would get another fold than they had in it.
    """
    from cathode.rescoring import refuse_other_folds

    scorer = Scorer.load(folder)
    scores = scorer(events)
    refuse_other_folds(Path(folder), events, scores.fold)
    return columns(events, scores, scorer.region, scorer.cuts)


def columns(events: Events, scores: Scores, region: Region, cuts: tuple[Cut, ...]) -> dict[str, NDArray[Any]]:
    """What goes into the friend tree."""
    place = np.where(region.signal(events.mass), 1, np.where(region.sideband(events.mass), 0, -1)).astype(np.int32)
    out: dict[str, NDArray[Any]] = {
        "score": scores.score.astype(np.float32),
        "fold": scores.fold.astype(np.int32),
        "region": place,
        "mass": events.mass,
    }
    return out | dict(zip(_names(cuts), scores.passes, strict=True))


def _names(cuts: tuple[Cut, ...]) -> list[str]:
    """Name of the flag of every cut, with as many digits as tell them apart."""
    for digits in ("g", ".9g", ".17g"):
        names = [f"passes_{cut.background_efficiency:{digits}}" for cut in cuts]
        if len(set(names)) == len(names):
            break
    return [name.replace(".", "p").replace("-", "m") for name in names]
