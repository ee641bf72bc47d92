"""A transformer over the constituents of every jet, and one over the jets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cathode.classifiers.constituents import JET, PARTICLE, quantities
from generators.jets.lengths import by_length
from generators.networks.transformer import Attention, attention_mask

#: Standardised quantities are cut here: an outlier must not drown all others.
_FARTHEST = 10.0
#: Events at once when mean and width are found.
_CHUNK = 4096


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
        mean, scale = _mean_and_scale(w.sum(), w @ v, w @ v.square())
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def forward(self, values: Tensor) -> Tensor:
        """(N, width)."""
        token: Tensor = self.embed(_standard(values, self.mean, self.scale))
        return token


class ParticleTransformer(nn.Module):
    """Events x (N, J, P, 3) = (pT, η, φ) to (N, outputs) (in the manner of Qu, Li & Qian, 2202.03772, and 2310.06897).

    A transformer over the constituents of each jet, the mean over those that are present, to which the quantities of
    the jet are added, a transformer over the jets, the mean over the jets, and a perceptron. The order of constituents
    and jets does not matter, nor do absent ones. `observables` of the event enter in front of the perceptron.

    Jets of different lengths pass in parts, see `by_length`, so little is computed for what is absent.
    """

    particle_mean: Tensor
    particle_scale: Tensor
    jet_mean: Tensor
    jet_scale: Tensor

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
        for name, size in (("particle", len(PARTICLE)), ("jet", len(JET))):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))

    def standardise(self, x: Tensor, weights: Tensor) -> None:
        """Set mean and width of all quantities from events x (N, J, P, 3) with weights (N,)."""
        sums = [torch.zeros(3, size, dtype=torch.float64) for size in (len(PARTICLE), len(JET))]
        for start in range(0, len(x), _CHUNK):
            part = quantities(x[start : start + _CHUNK])
            w = weights[start : start + _CHUNK].double()
            for total, values, there in (
                (sums[0], part.particles, part.present),
                (sums[1], part.jets, part.jet_present),
            ):
                each = (w.view(-1, *[1] * (there.ndim - 1)) * there).reshape(-1, 1)
                v = values.reshape(-1, values.shape[-1]).double()
                total += torch.stack(
                    [each.sum(dim=0).expand(v.shape[1]), (each * v).sum(dim=0), (each * v * v).sum(dim=0)]
                )
        for name, (number, first, second) in zip(("particle", "jet"), sums, strict=True):
            mean, scale = _mean_and_scale(number, first, second)
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_scale").copy_(scale)

    def forward(self, x: Tensor, observables: Tensor | None = None) -> Tensor:
        """Logits (N, outputs)."""
        events, jets, length, _ = x.shape
        inputs = quantities(x)
        particles = _standard(inputs.particles, self.particle_mean, self.particle_scale)
        pooled = self._jets(particles.view(events * jets, length, -1), inputs.present.view(events * jets, length))
        h = pooled.view(events, jets, -1) + self.embed_jets(_standard(inputs.jets, self.jet_mean, self.jet_scale))
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


def _mean_and_scale(number: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and width from the sums of weights, of weighted values and of weighted squares."""
    mean = first / number
    scale = (second / number - mean**2).clamp(min=0).sqrt()
    # A quantity that never changes, such as N of jets cut to the same length, stays zero.
    return mean, torch.where(scale > 1e-6 * (1 + mean.abs()), scale, 1.0)


def _standard(values: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return ((values - mean) / scale).clamp(-_FARTHEST, _FARTHEST)


def _mean(h: Tensor, present: Tensor) -> Tensor:
    """Mean of tokens (R, L, width) over those present (R, L); zero where there are none."""
    there = present[..., None].to(h.dtype)
    return (h * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
