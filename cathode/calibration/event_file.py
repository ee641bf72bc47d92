"""Events that all workers of a study read: once read from ntuples, kept as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.atomic import atomic_path
from analysis.events import Events
from cathode.errors import CalibrationError


def store_events(path: Path, events: Events) -> None:
    """Keep what a search needs of events; truth is nobody's business who searches in them."""
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            x=events.x,
            mass=events.mass,
            weights=events.weights,
            ids=events.ids,
            columns=np.array(events.columns),
        )


def stored_events(path: Path) -> Events:
    """What `store_events` kept.

    Raises
    ------
    CalibrationError
        If it can not be read.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            columns = tuple(stored["columns"].tolist())
            return Events(stored["x"], stored["mass"], columns, weights=stored["weights"], ids=stored["ids"])
    except (OSError, ValueError, KeyError) as error:
        raise CalibrationError(f"{path}: can not be read ({error}). Prepare it again by the same command.") from error
