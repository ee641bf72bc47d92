"""No event twice: a duplicated event would be trained on in one fold and scored in another."""

from __future__ import annotations

import numpy as np

from analysis.errors import IdentifierError
from analysis.events import Events
from analysis.folds import hash_of


def refuse_duplicates(events: Events) -> None:
    """Check that every (run, lumi, event) occurs once.

    Raises
    ------
    IdentifierError
        Naming the first duplicate, both places and the number of such events.
    """
    run, lumi, event = events.ids.T
    later = (run[1:] == run[:-1]) & (lumi[1:] > lumi[:-1])
    later |= (run[1:] == run[:-1]) & (lumi[1:] == lumi[:-1]) & (event[1:] > event[:-1])
    if (later | (run[1:] > run[:-1])).all():
        # Files are usually written in this order, which costs no sort.
        return
    hashes = hash_of(events.ids)
    order = np.argsort(hashes, kind="stable")
    ids = events.ids[order]
    same = (ids[1:] == ids[:-1]).all(axis=1)
    if not same.any():
        return
    # Two events that differ but share a 64-bit hash, in between two that are equal, do not occur in practice.
    where = int(np.argmax(same))
    first, second = int(order[where]), int(order[where + 1])
    numbers = ", ".join(str(int(n)) for n in ids[where])
    raise IdentifierError(
        f"(run, lumi, event) = ({numbers}) occurs at {events.place_of(first)} and at {events.place_of(second)}; "
        f"{int(same.sum())} events in all are read twice or share their numbers. Remove the duplicates; if they are "
        "different events, as in a mixture of simulated samples, name identifiers that tell them apart or choose "
        "identifiers='entry'."
    )
