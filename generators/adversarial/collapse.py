"""Signs that a generator or its critic has collapsed: then more training makes nothing better."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

_LOG = logging.getLogger(__name__)

#: Generated events that lie closer to each other than this, in units of the distance of true ones, are all alike.
CLOSE = 0.1
#: A critic whose scores differ by less, in units of one and of their size, gives the generator no direction.
FLAT = 1e-3
#: A critic that orders so many pairs of a true and a generated event right has left the generator behind.
CERTAIN = 0.999
#: Evaluations in a row that have to show a sign, half of a training: in the beginning all events are alike.
PERSISTENT = 20
#: Events whose distances are looked at.
_EVENTS = 500


@dataclass(frozen=True)
class Signs:
    """What one evaluation shows.

    `closeness` is the median distance of generated events to their nearest neighbours in units of that of as many true
    ones, `flatness` the width of the scores of all events in units of one and of their mean size, and `certainty` the
    share of pairs of a true and a generated event in which the true one has the larger score.
    """

    closeness: float
    flatness: float
    certainty: float

    @property
    def of_generator(self) -> bool:
        """Whether all that is generated is alike."""
        return self.closeness < CLOSE

    @property
    def of_critic(self) -> bool:
        """Whether the critic says the same of all events, or is never wrong."""
        return self.flatness < FLAT or self.certainty > CERTAIN


def signs(true: Tensor, made: Tensor, scores_true: Tensor, scores_made: Tensor) -> Signs:
    """Signs in features (N, D) of true and generated events, in comparable units, and in their scores (N,)."""
    some = min(len(true), len(made), _EVENTS)
    distances = [float(_nearest(part[:some].double()).median()) for part in (made, true)]
    both = torch.cat([scores_true, scores_made]).double()
    size = max(1.0, float(both.abs().mean()))
    order = torch.cat([scores_made, scores_true]).double().sort().values
    below = torch.searchsorted(scores_made.double().sort().values, scores_true.double())
    upto = torch.searchsorted(scores_made.double().sort().values, scores_true.double(), right=True)
    certainty = float((below + upto).double().mean()) / (2 * max(1, len(scores_made)))
    width = float(order[-1] - order[0]) if len(order) else 0.0
    return Signs(distances[0] / max(distances[1], 1e-12), width / size, certainty)


class Watch:
    """Says by one warning when a sign has been there in `PERSISTENT` evaluations one after the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen = {"generator": 0, "critic": 0}

    def look(self, now: Signs) -> None:
        """Take notice of an evaluation."""
        for part, there in (("generator", now.of_generator), ("critic", now.of_critic)):
            self.seen[part] = self.seen[part] + 1 if there else 0
            if self.seen[part] == PERSISTENT:
                _LOG.warning("%s", _words(self.name, part, now))


def _words(name: str, part: str, now: Signs) -> str:
    if part == "generator":
        return (
            f"{name}: the generator has collapsed. In {PERSISTENT} evaluations one after the other its events were "
            f"nearly all the same: their nearest neighbours are {now.closeness:.2g} times as far as those of true "
            "events. Bound the critic (penalty, spectral norm), or lower the learning rate of the generator."
        )
    state = (
        f"its scores of all events differ by {now.flatness:.2g} only"
        if now.flatness < FLAT
        else f"it is right about {100 * now.certainty:.2f} % of all pairs"
    )
    return (
        f"{name}: the critic has collapsed. In {PERSISTENT} evaluations one after the other it gave the generator "
        f"nothing to learn from: {state}. Lower its learning rate, or bound it (penalty, spectral norm)."
    )


def _nearest(x: Tensor) -> Tensor:
    """Distance of every row of x (N, D) to the nearest other one, (N,)."""
    distances = torch.cdist(x, x)
    distances.fill_diagonal_(torch.inf)
    return distances.min(dim=1).values
