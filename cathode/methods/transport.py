"""Background of the window by moving events into it: the contract of the maps, and what is moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from analysis.events import Events, FloatArray
from cathode.errors import WeightsError
from cathode.template.drawing import Template

#: Where the map of a method lies in a run folder.
TRANSPORT = "transport"


@runtime_checkable
class Transport(Protocol):
    """Moves events x (N, D) from their masses, start (N,) in GeV, to others, end (N,): (N, D).

    A map in the mass alone leaves events where start and end are equal. One from simulation to data takes simulated
    events to data. In either case the way back leads to where it started.
    """

    def transport(self, x: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """Events x (N, D) at `start` (N,), moved to `end` (N,)."""
        ...

    def back(self, x: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """What `transport` from `end` to `start` made x of, (N, D)."""
        ...


@dataclass(frozen=True, eq=False)
class AlongFlow:
    """Along a flow p(x | m) that can be followed both ways: an event keeps the noise that the flow ascribes to it."""

    flow: Any

    def transport(self, x: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """Events x (N, D) at `start` (N,), with the noise they have, at `end` (N,)."""
        from generators.tabular.transport import transport

        return transport(self.flow, x, np.asarray(start)[:, None], np.asarray(end)[:, None])

    def back(self, x: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """Events x (N, D) at `start` (N,), with the noise they have, at `end` (N,)."""
        return self.transport(x, start, end)


def moved_events(transport: Transport, sideband: Events, mass: FloatArray, *, reach: float, seed: int) -> Template:
    """Sideband events from both sides of the masses (T,), each moved to one of them.

    They are chosen as by `generators.tabular.bracketing`: within the factor `reach` in mass from the edge of the gap.
    """
    from generators.tabular.event_mixing import EventMixing

    context = np.asarray(mass)[:, None]
    near = EventMixing(reach=reach).fit(sideband.x, sideband.context, weights=sideband.weights, seed=seed)
    chosen = near.origins(context, seed=seed)
    x = transport.transport(near.events_[chosen], near.bracketing_.mass[chosen], np.asarray(mass, np.float64))
    finite = np.isfinite(x).all(axis=1)
    return Template(np.asarray(x[finite], np.float32), np.asarray(mass)[finite], origin=chosen[finite])


def refuse_negative(events: Events, kind: str) -> None:
    """Refuse weights by which no event can be chosen."""
    negative = int((events.weights < 0).sum())
    if negative:
        raise WeightsError(
            f"method {kind}: {negative} of {len(events)} sideband events have negative weights; an event is moved with "
            "a probability, which can not be negative. Use method cathode."
        )
