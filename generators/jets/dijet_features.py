"""Two jets as a feature vector that does not scale with the mass of the pair, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from generators.base import under
from generators.jets.four_momenta import FourMomenta, pair_mass, summed, width, wrapped
from generators.jets.mass_quantiles import MassQuantiles

#: Features of two jets, in this order.
NAMES = (
    "ln(pT2/pT1)",
    "ln(m1/pT1)",
    "ln(m2/pT2)",
    "(y1+y2) sign(y1-y2)",
    "|y1-y2|",
    "phi2-phi1-pi",
    "ln(m12/mjj)",
    "n1",
    "n2",
)

#: Places of the numbers of constituents among them.
COUNTS = (7, 8)

#: Place of the difference of rapidities.
_DIFFERENCE = 4

#: A feature that varies less than this, relative to its size, is a constant.
_CONSTANT = 1e-6


@dataclass(frozen=True, eq=False)
class DijetFeatures:
    """Which of `NAMES` vary, the values of those that do not, and how the difference of rapidities moves with the mass.

    All four-momenta scale with the mass, so the pair is known from ratios, angles and the ratio of its mass m12 to the
    m_jj of the ntuple, which is 1 unless constituents are missing. That fixes the pT of both: no event can disagree
    with its mass. This takes beams and detector to be the same from both sides and all around: the azimuth of the pair
    and the direction along the beam in which it looks are drawn.

    A threshold on pT ends the difference of rapidities where the mass says; it goes in as its normal score at its mass,
    see `MassQuantiles`.
    """

    varying: Tensor
    constant: Tensor
    difference: MassQuantiles

    @classmethod
    def of(cls, jets: FourMomenta, counts: Tensor, mass: Tensor, weights: Tensor) -> Self:
        """From training jets (N, 2), numbers of constituents (N, 2), masses (N,) and weights (N,)."""
        every = _every(jets, counts, mass)
        low, high = every.amin(dim=0), every.amax(dim=0)
        varying = (high - low) > _CONSTANT * torch.maximum(low.abs(), high.abs()).clamp_min(1)
        return cls(varying, (low + high) / 2, MassQuantiles.of(every[:, _DIFFERENCE], mass, weights))

    def columns(self, jets: FourMomenta, counts: Tensor, mass: Tensor) -> Tensor:
        """The features that vary, (N, D)."""
        every = _every(jets, counts, mass)
        if self.varying[_DIFFERENCE]:
            every[:, _DIFFERENCE] = self.difference.scores(every[:, _DIFFERENCE], mass)
        return every[:, self.varying]

    def jets(self, columns: Tensor, mass: Tensor, laid: Tensor, points: int) -> tuple[FourMomenta, Tensor]:
        """Jets (N, 2) and numbers of constituents (N, 2) of at most `points`, at masses (N,).

        `laid` (N, 2) in [0, 1) is the azimuth of the first jet over 2π, and whether the second jet has the larger
        rapidity: where it is 1/2 or more.
        """
        every = self.constant.repeat(len(columns), 1)
        every[:, self.varying] = columns
        if self.varying[_DIFFERENCE]:
            # A little below zero is the mirror image of a little above it.
            every[:, _DIFFERENCE] = self.difference.values(every[:, _DIFFERENCE], mass)
        every[:, _DIFFERENCE - 1 : _DIFFERENCE + 1] *= torch.where(laid[:, 1:] < 0.5, 1, -1)
        ratio, light1, light2, total, difference, opening, missing, *_ = every.unbind(1)
        phi = wrapped(2 * torch.pi * laid[:, 0])
        pt = torch.stack([torch.ones_like(ratio), ratio.exp()], dim=1)
        jets = FourMomenta(
            pt,
            torch.stack([total + difference, total - difference], dim=1) / 2,
            torch.stack([phi, wrapped(phi + opening + torch.pi)], dim=1),
            pt * torch.stack([light1, light2], dim=1).exp(),
        )
        scale = (mass * missing.exp() / pair_mass(*_pair(jets)))[:, None]
        counts = every[:, list(COUNTS)].round().long().clamp(1, points)
        return FourMomenta(jets.pt * scale, jets.y, jets.phi, jets.mass * scale), counts

    def state(self) -> dict[str, Tensor]:
        """As named tensors."""
        moving = {f"difference.{key}": value for key, value in self.difference.state().items()}
        return {"varying": self.varying, "constant": self.constant, **moving}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> Self:
        """What `state` gave."""
        return cls(state["varying"], state["constant"], MassQuantiles(**under("difference.", state)))


def jets_of(events: Tensor) -> tuple[FourMomenta, Tensor]:
    """Jets (N, 2) and numbers of constituents (N, 2) of events (N, 2, P, F) of (pT, η, φ, …)."""
    pt, eta, phi = events[..., 0], events[..., 1], events[..., 2]
    return summed(pt, eta, phi), (pt > 0).sum(dim=2)


def constituents_context(jets: FourMomenta, counts: Tensor, mass: Tensor) -> Tensor:
    """What the constituents of either jet may depend on, (N, 2, 8): itself, its number, the other jet and the mass."""
    light = width(jets)
    n = counts.to(light.dtype)
    other = [jets.pt.flip(1) / jets.pt, light.flip(1), n.flip(1)]
    parts = [jets.pt, light, n, *other, jets.y, mass[:, None].expand_as(n)]
    return torch.stack(parts, dim=2)


def _every(jets: FourMomenta, counts: Tensor, mass: Tensor) -> Tensor:
    light = width(jets).log()
    n = counts.to(light.dtype)
    difference = jets.y[:, 0] - jets.y[:, 1]
    parts = [
        (jets.pt[:, 1] / jets.pt[:, 0]).log(),
        light[:, 0],
        light[:, 1],
        jets.y.sum(dim=1) * torch.where(difference < 0, -1, 1),
        difference.abs(),
        wrapped(jets.phi[:, 1] - jets.phi[:, 0] - torch.pi),
        (pair_mass(*_pair(jets)) / mass).log(),
        n[:, 0],
        n[:, 1],
    ]
    return torch.stack(parts, dim=1)


def _pair(jets: FourMomenta) -> tuple[FourMomenta, FourMomenta]:
    first, second = (
        FourMomenta(*(values[:, index] for values in (jets.pt, jets.y, jets.phi, jets.mass))) for index in (0, 1)
    )
    return first, second
