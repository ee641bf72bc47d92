"""Signal among data, as strong as it is to be in the window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.events import Events
from cathode.errors import InjectionError
from cathode.injection.mixture import injected
from cathode.region import Region


@dataclass(frozen=True, eq=False)
class Mixture:
    """Data with `injected` signal events, of which `inside` lie in the window."""

    events: Events
    injected: int
    inside: int


def mixed(data: Events, pool: Events, region: Region, strength: float, *, inside_only: bool, seed: int) -> Mixture:
    """Data with so much of the signal `pool` that S/√B is `strength` in the window, up to a whole number of events.

    B is the number of data events there. With `inside_only` no signal event lies outside of it.

    Raises
    ------
    InjectionError
        If the data hold events that are labelled as signal, or the pool has too few.
    """
    if data.truth is not None and data.truth.any():
        raise InjectionError(
            f"{int(data.truth.sum())} of {len(data)} events of the data are labelled as signal. A benchmark puts its "
            "own among them: take these out by data.selection."
        )
    window = region.signal(data.mass)
    share = region.signal(pool.mass)
    if inside_only:
        pool, share = pool[share], np.ones(int(share.sum()), dtype=bool)
    if strength > 0 and not share.any():
        raise InjectionError(
            f"None of {len(pool)} signal events lies in the window {region.low:g}–{region.high:g} GeV."
        )
    number = round(strength * float(window.sum()) ** 0.5 / share.mean()) if strength > 0 else 0
    events = injected(data, pool, number, seed=seed)
    assert events.truth is not None
    return Mixture(events, number, int((region.signal(events.mass) & events.truth).sum()))
