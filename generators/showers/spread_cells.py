"""Cells that share an energy, as numbers on the line, one for each: with noise where there is nothing to say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from generators.errors import HyperparameterError

#: Mean and width of the numbers of empty cells before −softplus, which is small next to zero, where full ones begin.
_EMPTY = (2.0, 1.0)
#: Mean and width of the numbers of cells that have nothing to share.
_NOTHING = (-2.0, 1.0)
#: Width of the common shift of the full cells.
_SHIFT = 0.3
#: An excess over the threshold is at least that part of it; what comes back lies above it by as much.
_LEAST = 1e-6


@dataclass(frozen=True)
class SpreadCells:
    """Cells x (N, V) that are empty or have at least `threshold` GeV and share a known energy, as y (N, V) on the line.

    A cell with energy has y = ln(1 + eᵃ (x / threshold − 1)) > 0, which is ln(x / threshold) up to a shift a that is
    the same for all of them; an empty one has noise y < 0. The shift, normal around 0, is the number that y has more
    than the surface of cells with that energy. So a density q of all y is one of the cells: by dequantisation
    (Theis et al., 1511.01844),

        p(x | energy) = ⟨ q(y) · |∂y/∂(x, a)| / r(noise) ⟩

    over the noise, whose density is r: the probability that just these cells have energy, times their density in 1/GeV
    on the surface. The mean over some draws is right in the mean, and its logarithm too small in the mean, by less the
    better the density is. A density with longer tails than the noise makes it scatter: one draw far out there can be
    most of the mean, so that densities of badly trained flows want hundreds of draws.

    On the way back the energy is exact and nothing lies below the threshold. Where y asks for more cells than the
    energy allows, those with the largest y are kept; without any, the largest has it all. No noise makes such y, so
    a density loses what probability it gives to them.
    """

    threshold: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise HyperparameterError(f"threshold = {self.threshold} of cells must be positive, in GeV.")

    def cut(self, x: Tensor) -> Tensor:
        """Cells (N, V) with nothing below the threshold."""
        return torch.where(x >= self.threshold, x, torch.zeros_like(x))

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Y (N, V) of cut cells x (N, V), and the logarithm of what multiplies q(y) in the mean above, (N,).

        `noise` (N or 1, V + 1) is standard normal; the last column is that of the shift.
        """
        noise = noise.expand(len(x), -1)
        full, own = x > 0, noise[:, :-1]
        count = full.sum(dim=1)
        something = count > 0
        excess = torch.where(full, (x - self.threshold).clamp_min(_LEAST * self.threshold), self.threshold)
        g = (excess / self.threshold).log() + _SHIFT * noise[:, -1:]
        low = _EMPTY[0] + _EMPTY[1] * own
        empty = torch.where(something[:, None], -functional.softplus(low), _NOTHING[0] + _NOTHING[1] * own)
        shared = torch.where(full, excess, torch.zeros_like(excess)).sum(dim=1).clamp_min(_LEAST * self.threshold)
        of_full = functional.logsigmoid(g) - excess.log()
        slope = torch.where(something[:, None], functional.logsigmoid(low) + math.log(_EMPTY[1]), math.log(_NOTHING[1]))
        log_weight = torch.where(full, of_full, slope - _log_normal(own)).sum(dim=1)
        shift = shared.log() + math.log(_SHIFT) - _log_normal(noise[:, -1])
        return torch.where(full, functional.softplus(g), empty), log_weight + torch.where(something, shift, 0.0)

    def inverse(self, y: Tensor, energy: Tensor) -> Tensor:
        """Cells x (N, V) of y (N, V) with energies (N,), all in GeV; nothing where these are below the threshold."""
        least = self.threshold * (1 + _LEAST)
        most = (energy / least).floor().clamp_min(1)
        place = y.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        full = ((y > 0) & (place < most[:, None])) | (place == 0)
        positive = y.clamp_min(torch.finfo(y.dtype).tiny)
        g = positive + (-torch.expm1(-positive)).log()
        share = torch.where(full, g, -torch.inf).softmax(dim=1)
        rest = (energy - least * full.sum(dim=1)).clamp_min(0)
        x = torch.where(full, least + rest[:, None] * share, 0.0)
        # One cell has everything, even if that is hardly above the threshold.
        x = torch.where((full.sum(dim=1) == 1)[:, None] & full, energy[:, None], x)
        return torch.where((energy >= self.threshold)[:, None], x, 0.0)


def _log_normal(e: Tensor) -> Tensor:
    return -0.5 * (e.square() + math.log(2 * math.pi))
