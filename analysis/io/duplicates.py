"""No event twice: a duplicated event would be trained on in one fold and scored in another."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from analysis.errors import IdentifierError, InputFileError
from analysis.events import Events, SourceFile
from analysis.folds import hash_of
from analysis.io.checksums import sha256_of
from analysis.io.numbers import BY_ENTRY
from analysis.io.paths import is_remote

#: Events whose numbers are hashed at once, which takes several arrays of them.
_AT_ONCE = 1 << 16


def refuse_copies(sources: Iterable[SourceFile]) -> None:
    """Check that no file was read under two names: a copy is found by the identifier or the hash of its content.

    Raises
    ------
    InputFileError
        Naming both. Files without entries may be alike.
    """
    seen: dict[str, str] = {}
    for source in sources:
        for known in filter(None, (source.sha256, source.uuid)) if source.entries else ():
            first = seen.setdefault(known, source.path)
            if first != source.path and (known == source.sha256 or _alike(first, source.path)):
                raise InputFileError(
                    f"'{source.path}' is a copy of '{first}', so its events would be read twice. Name one of them."
                )


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
    hashes = np.concatenate([hash_of(part) for part in np.array_split(events.ids, 1 + len(events) // _AT_ONCE)])
    alone = np.sort(hashes)
    if not (alone[1:] == alone[:-1]).any():
        return
    del alone
    order = np.argsort(hashes, kind="stable")
    ids = events.ids[order]
    same = (ids[1:] == ids[:-1]).all(axis=1)
    if not same.any():
        return
    # Two events that differ but share a 64-bit hash, in between two that are equal, do not occur in practice.
    where = int(np.argmax(same))
    first, second = int(order[where]), int(order[where + 1])
    numbers = ", ".join(str(int(n)) for n in ids[where])
    by_position = any(source.identifiers == BY_ENTRY for source in events.sources)
    remedy = (
        "The same file is there twice, or one is a changed copy of the other; name one of them, or identifiers."
        if by_position
        else "Remove the duplicates; if they are different events, as in a mixture of simulated samples, name "
        "identifiers that tell them apart or choose identifiers='entry'."
    )
    raise IdentifierError(
        f"(run, lumi, event) = ({numbers}) occurs at {events.place_of(first)} and at {events.place_of(second)}; "
        f"{int(same.sum())} events in all are read twice or share their numbers. {remedy}"
    )


def _alike(a: str, b: str) -> bool:
    """Whether two files of one identifier are copies: a file that was written on after it was copied is another."""
    return is_remote(a) or is_remote(b) or sha256_of(a) == sha256_of(b)
