"""A transformer over the constituents of every jet, and one over the jets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from cathode.classifiers.constituents import JET, PARTICLE, quantities

#: Standardised quantities are cut here: an outlier must not drown all others.
_FARTHEST = 10.0
#: Events at once when mean and width are found.
_CHUNK = 4096
#: Jets pass in groups of at least so many constituents, and in at most so many groups: each has a cost of its own.
_GROUP, _GROUPS = 4096, 4


class Block(nn.Module):
    """Attention and perceptron, each with its norm before it and a way around it (Xiong et al., 2002.04745)."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """Tokens h (R, L, width) that look at those where mask (R, L) is True."""
        rows, length, width = h.shape
        qkv = self.query_key_value(self.before_attention(h)).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        seen = scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        h = h + self.dropout(self.out(seen.transpose(1, 2).reshape(rows, length, width)))
        grown: Tensor = h + self.dropout(self.mlp(self.before_mlp(h)))
        return grown


class ParticleTransformer(nn.Module):
    """Events x (N, J, P, 3) = (pT, η, φ) to (N, outputs) (in the manner of Qu, Li & Qian, 2202.03772, and 2310.06897).

    A transformer over the constituents of each jet, the mean over those that are present, to which the quantities of
    the jet are added, a transformer over the jets, the mean over the jets, and a perceptron. The order of constituents
    and jets does not matter, nor do absent ones.

    Jets are sorted by length and pass in groups, each cut to its longest jet, so little is computed for what is absent.
    This costs the one look at numbers on the device that a batch needs.
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
    ) -> None:
        super().__init__()
        self.embed_particles, self.embed_jets = _embedding(len(PARTICLE), width), _embedding(len(JET), width)
        of: dict[str, Any] = {"heads": heads, "expansion": expansion, "dropout": dropout}
        self.blocks = nn.ModuleList(Block(width, **of) for _ in range(blocks))
        self.jet_blocks = nn.ModuleList(Block(width, **of) for _ in range(jet_blocks))
        self.norm_particles, self.norm_jets = nn.LayerNorm(width), nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, outputs))
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
            mean = first / number
            scale = (second / number - mean**2).clamp(min=0).sqrt()
            # A quantity that never changes, such as N of jets cut to the same length, stays zero.
            scale = torch.where(scale > 1e-6 * (1 + mean.abs()), scale, 1.0)
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_scale").copy_(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, outputs)."""
        events, jets, length, _ = x.shape
        seen = quantities(x)
        particles = _standard(seen.particles, self.particle_mean, self.particle_scale)
        pooled = self._jets(particles.view(events * jets, length, -1), seen.present.view(events * jets, length))
        h = pooled.view(events, jets, -1) + self.embed_jets(_standard(seen.jets, self.jet_mean, self.jet_scale))
        for block in self.jet_blocks:
            h = block(h, _attended(seen.jet_present))
        logits: Tensor = self.head(_mean(self.norm_jets(h), seen.jet_present))
        return logits

    def _jets(self, particles: Tensor, present: Tensor) -> Tensor:
        """One token of every jet: particles (R, P, 5) and present (R, P) to (R, width)."""
        rows, most = present.shape
        lengths = (present * torch.arange(1, most + 1, device=present.device)).amax(dim=1)
        order = lengths.argsort(stable=True)
        groups = min(max(rows * most // _GROUP, 1), _GROUPS)
        ends = [round(rows * part / groups) for part in range(1, groups + 1)]
        longest = lengths[order[[end - 1 for end in ends]]].tolist()
        tokens = []
        for start, end, length in zip([0, *ends[:-1]], ends, longest, strict=True):
            mine = order[start:end]
            cut = max(length, 1)
            tokens.append(self._of_particles(particles[:, :cut][mine], present[:, :cut][mine]))
        return torch.cat(tokens)[order.argsort()]

    def _of_particles(self, particles: Tensor, present: Tensor) -> Tensor:
        h, mask = self.embed_particles(particles), _attended(present)
        for block in self.blocks:
            h = block(h, mask)
        return _mean(self.norm_particles(h), present)


def _embedding(features: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, width))


def _standard(values: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return ((values - mean) / scale).clamp(-_FARTHEST, _FARTHEST)


def _attended(present: Tensor) -> Tensor:
    """Where attention may look: at what is present; where nothing is, anywhere: some kernels answer nothing by NaN."""
    return present | ~present.any(dim=-1, keepdim=True)


def _mean(h: Tensor, present: Tensor) -> Tensor:
    """Mean of tokens (R, L, width) over those present (R, L); zero where there are none."""
    there = present[..., None].to(h.dtype)
    return (h * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
