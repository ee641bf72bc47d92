"""What a piece of an energy is: nothing, all that is left, or a part of it whose size is a mixture of logistics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from generators.showers.energy_tree import MISS, PART, REST

#: Range of the logarithm of the width of a logistic.
NARROWEST, WIDEST = -4.0, 2.0

#: Distance in units of the threshold within which a part is taken to be at an end of its range.
_AT_THE_END = 1e-6

#: Logarithm of the weight of what can not be.
_NEVER = -1e30


@dataclass(frozen=True)
class PieceDistribution:
    """The distribution of a piece e of what is left, r; energies are in units of the threshold.

    It is nothing, e = r, or for r ≥ 2 a part of it with 1 ≤ e ≤ r − 1, where y = log((e − 1) / (r − 1 − e)) is
    distributed as a mixture of `components` logistics. So neither the piece nor what is left after it is between zero
    and the threshold. Parameters are three logits of the choice, then weights, places and logarithms of the widths.
    """

    components: int = 3

    @property
    def parameters(self) -> int:
        """Numbers that one distribution needs."""
        return 3 + 3 * self.components

    def initial(self) -> Tensor:
        """Parameters to begin with: components from small parts to halves."""
        out = torch.zeros(self.parameters)
        out[3 + self.components : 3 + 2 * self.components] = torch.linspace(-4, 0, self.components)
        return out

    def log_prob(self, parameters: Tensor, energy: Tensor, before: Tensor, choice: Tensor) -> Tensor:
        """Log of probability times density per unit of energy, (…), given parameters (…, P); all else (…)."""
        divisible = before >= 2
        logits = parameters[..., :3].clone()
        logits[..., PART] = torch.where(divisible, logits[..., PART], torch.full_like(before, _NEVER))
        choices = logits.log_softmax(dim=-1).gather(-1, choice[..., None])[..., 0]
        weights, places, widths = _by_kind(parameters[..., 3:])
        low = (energy - 1).clamp_min(_AT_THE_END)
        high = (before - 1 - energy).clamp_min(_AT_THE_END)
        density = log_mixture(low.log() - high.log(), weights, places, widths.clamp(NARROWEST, WIDEST))
        inside = density + (1 / low + 1 / high).log()
        return choices + torch.where(choice == PART, inside, torch.zeros_like(inside))

    def cumulative(self, parameters: Tensor, energy: Tensor, before: Tensor, choice: Tensor, uniform: Tensor) -> Tensor:
        """Probability (…) of a smaller piece, and of a part `uniform` (…) of those that are equal.

        It is uniform in [0, 1) where the distribution is right and `uniform` is.
        """
        logits = parameters[..., :3].clone()
        logits[..., PART] = torch.where(before >= 2, logits[..., PART], torch.full_like(before, _NEVER))
        chances = logits.softmax(dim=-1)
        weights, places, widths = _by_kind(parameters[..., 3:])
        low = (energy - 1).clamp_min(_AT_THE_END)
        high = (before - 1 - energy).clamp_min(_AT_THE_END)
        below = ((low / high).log()[..., None] - places) * torch.exp(-widths.clamp(NARROWEST, WIDEST))
        inside = (weights.softmax(dim=-1) * below.sigmoid()).sum(dim=-1)
        miss, part, rest = chances[..., MISS], chances[..., PART], chances[..., REST]
        of_part = torch.where(choice == PART, miss + part * inside, miss + part + rest * uniform)
        return torch.where(choice == MISS, miss * uniform, of_part)


def _by_kind(parameters: Tensor) -> tuple[Tensor, ...]:
    """Weights, places and logarithms of the widths (…, K) of numbers (…, 3 K)."""
    return parameters.reshape(*parameters.shape[:-1], 3, parameters.shape[-1] // 3).unbind(-2)


def log_mixture(y: Tensor, weights: Tensor, places: Tensor, widths: Tensor) -> Tensor:
    """Log-density (…) of y (…) under logistics with log-weights up to a constant, places and log-widths (…, K)."""
    z = (y[..., None] - places) * torch.exp(-widths)
    each = weights.log_softmax(dim=-1) - z - widths - 2 * functional.softplus(-z)
    return each.logsumexp(dim=-1)


@dataclass(frozen=True)
class TotalDistribution:
    """The distribution of the energy e of a shower: nothing, or log((e − 1) / E) is a mixture of logistics.

    E is the incident energy, and both are in units of the threshold. Parameters are the logit of nothing, then weights,
    places and logarithms of the widths of `components`. The visible energy may well be larger than the incident one.
    """

    components: int = 4
    narrowest: float = -7.0

    @property
    def parameters(self) -> int:
        """Numbers that one distribution needs."""
        return 1 + 3 * self.components

    def log_prob(self, parameters: Tensor, energy: Tensor, log_incident: Tensor) -> Tensor:
        """Log of probability, or of probability times density per unit of energy, (N,)."""
        weights, places, widths = self._mixture(parameters)
        excess = (energy - 1).clamp_min(_AT_THE_END)
        density = log_mixture(excess.log() - log_incident, weights, places, widths) - excess.log()
        nothing = parameters[:, 0]
        return torch.where(energy > 0, functional.logsigmoid(-nothing) + density, functional.logsigmoid(nothing))

    def draw(self, parameters: Tensor, log_incident: Tensor, generator: torch.Generator) -> Tensor:
        """Energies (N,) in double precision."""
        weights, places, widths = (part.double() for part in self._mixture(parameters))
        u = torch.rand(3, len(parameters), dtype=torch.float64, generator=generator).clamp(1e-12, 1 - 1e-12)
        component = (weights.softmax(dim=1).cumsum(dim=1)[:, :-1] < u[0][:, None]).sum(dim=1, keepdim=True)
        place, width = places.gather(1, component)[:, 0], widths.gather(1, component)[:, 0]
        y = place + width.exp() * torch.logit(u[1])
        empty = u[2] < parameters[:, 0].double().sigmoid()
        return torch.where(empty, torch.zeros_like(y), 1 + (y + log_incident.double()).exp())

    def initial(self) -> Tensor:
        """Parameters to begin with: showers that are rarely empty, with energies near the incident one."""
        out = torch.zeros(self.parameters)
        out[0] = -5
        out[1 + self.components : 1 + 2 * self.components] = torch.linspace(-0.3, 0.1, self.components)
        out[1 + 2 * self.components :] = math.log(0.05)
        return out

    def _mixture(self, parameters: Tensor) -> tuple[Tensor, ...]:
        weights, places, widths = _by_kind(parameters[:, 1:])
        return weights, places, widths.clamp(self.narrowest, WIDEST)
