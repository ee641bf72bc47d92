"""A transformer over the constituents of every jet, and one over the jets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cathode.classifiers.constituents import JET, PARTICLE, quantities
from cathode.classifiers.standardised import StandardisedQuantities, mean_and_scale, standard
from generators.jets.lengths import by_length
from generators.networks.transformer import Attention, attention_mask


class Block(nn.Module):
    """Attention and perceptron, each with its norm before it and a way around it (Xiong et al., 2002.04745)."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """Tokens h (R, L, width) that look at those where mask (R, L) is True."""
        own = self.before_attention(h)
        h = h + self.dropout(self.attention(own, own, attention_mask(mask)))
        grown: Tensor = h + self.dropout(self.mlp(self.before_mlp(h)))
        return grown


class HighLevel(nn.Module):
    """Observables of an event (N, K) as a token (N, width), which is added to that of its constituents."""

    mean: Tensor
    scale: Tensor

    def __init__(self, observables: int, width: int) -> None:
        super().__init__()
        self.embed = _embedding(observables, width)
        self.register_buffer("mean", torch.zeros(observables))
        self.register_buffer("scale", torch.ones(observables))

    def standardise(self, values: Tensor, weights: Tensor) -> None:
        """Set mean and width from values (N, K) with weights (N,)."""
        v, w = values.double(), weights.double()
        mean, scale = mean_and_scale(w.sum(), w @ v, w @ v.square())
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def forward(self, values: Tensor) -> Tensor:
        """(N, width)."""
        token: Tensor = self.embed(standard(values, self.mean, self.scale))
        return token


class ParticleTransformer(StandardisedQuantities):
    """Events x (N, J, P, 3) = (pT, η, φ) to (N, outputs) (in the manner of Qu, Li & Qian, 2202.03772, and 2310.06897).

    A transformer over the constituents of each jet, the mean over those that are present, to which the quantities of
    the jet are added, a transformer over the jets, the mean over the jets, and a perceptron. The order of constituents
    and jets does not matter, nor do absent ones. `observables` of the event enter in front of the perceptron.

    Jets of different lengths pass in parts, see `by_length`, so little is computed for what is absent.
    """

    def __init__(
        self,
        *,
        width: int,
        blocks: int,
        jet_blocks: int,
        heads: int,
        expansion: int,
        dropout: float,
        outputs: int = 1,
        observables: int = 0,
    ) -> None:
        super().__init__()
        self.embed_particles, self.embed_jets = _embedding(len(PARTICLE), width), _embedding(len(JET), width)
        of: dict[str, Any] = {"heads": heads, "expansion": expansion, "dropout": dropout}
        self.blocks = nn.ModuleList(Block(width, **of) for _ in range(blocks))
        self.jet_blocks = nn.ModuleList(Block(width, **of) for _ in range(jet_blocks))
        self.norm_particles, self.norm_jets = nn.LayerNorm(width), nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, outputs))
        self.high_level = HighLevel(observables, width) if observables else None

    def forward(self, x: Tensor, observables: Tensor | None = None) -> Tensor:
        """Logits (N, outputs)."""
        events, jets, length, _ = x.shape
        inputs = quantities(x)
        particles = self.standard_particles(inputs.particles)
        pooled = self._jets(particles.view(events * jets, length, -1), inputs.present.view(events * jets, length))
        h = pooled.view(events, jets, -1) + self.embed_jets(self.standard_jets(inputs.jets))
        for block in self.jet_blocks:
            h = block(h, inputs.jet_present)
        event = _mean(self.norm_jets(h), inputs.jet_present)
        if self.high_level is not None:
            event = event + self.high_level(observables)
        logits: Tensor = self.head(event)
        return logits

    def _jets(self, particles: Tensor, present: Tensor) -> Tensor:
        """One token of every jet: particles (R, P, 5) and present (R, P) to (R, width)."""
        most = present.shape[1]
        lengths = (present * torch.arange(1, most + 1, device=present.device)).amax(dim=1)

        def part(_: Tensor, particles: Tensor, present: Tensor) -> Tensor:
            return self._of_particles(particles, present[:, : particles.shape[1]])

        return by_length(part, lengths, particles, present)

    def _of_particles(self, particles: Tensor, present: Tensor) -> Tensor:
        h = self.embed_particles(particles)
        for block in self.blocks:
            h = block(h, present)
        return _mean(self.norm_particles(h), present)


def _embedding(features: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, width))


def _mean(h: Tensor, present: Tensor) -> Tensor:
    """Mean of tokens (R, L, width) over those present (R, L); zero where there are none."""
    there = present[..., None].to(h.dtype)
    return (h * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
