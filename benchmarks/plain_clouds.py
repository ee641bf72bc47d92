"""The networks of point clouds as their papers have them, padded and plain: what `point_clouds.py` compares with.

Every linear layer sees a concatenation of what a point and what its cloud know, weight norm is that of torch, attention
is `nn.MultiheadAttention` with a padding mask, and every cloud is as long as the longest that is allowed. Activations
and normalisations are those of our networks, whose weights are taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, silu
from torch.nn.utils.parametrizations import weight_norm


class PlainFlow(nn.Module):
    """The loss and the solver around a padded network, on the path and with the weights of `ours`."""

    def __init__(self, network: nn.Module, ours: Any) -> None:
        super().__init__()
        self.network, self.time_embedding, self.time_sampling = network, ours.time_embedding, ours.time_sampling
        self.schedule = ours.schedule

    def loss(self, z: Tensor, mask: Tensor, c: Tensor) -> Tensor:
        """Of flow matching: the sum of masked squares over the number of points."""
        m = mask[..., None].to(z.dtype)
        noise = torch.randn_like(z) * m
        angle, weight = self.time_sampling(torch.rand(len(z), device=z.device).clamp(1e-6, 1 - 1e-6))
        sin, cos = torch.sin(angle)[:, None, None], torch.cos(angle)[:, None, None]
        out = self.network(sin * z + cos * noise, self.time_embedding(angle), c, mask)
        squares = (out - (cos * z - sin * noise)).square() * m
        return (weight[:, None, None] * squares).sum() / (z.shape[2] * m.sum())

    def draw(self, noise: Tensor, mask: Tensor, c: Tensor, steps: int) -> Tensor:
        """What Euler steps along the schedule make of noise."""
        first, last = self.schedule.ends
        x, h = first * noise, 1 / steps
        for i in range(steps):
            time = torch.tensor(i * h, dtype=torch.float64)
            stretch, turn = (float(rate) for rate in self.schedule.turns(time))
            scale, angle = float(self.schedule.scale(time)), self.schedule.angle(time).float()
            t = self.time_embedding(angle).to(x.device).expand(len(x))
            x = x + h * (stretch * x + scale * turn * self.network(x / scale, t, c, mask))
        return x / last


class Parts(nn.Module):
    """Modules by name."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


def linear(ours: Any) -> nn.Module:
    """A plain layer of the concatenation with the weights of a `SplitLinear`."""
    made = nn.Linear(sum(ours.parts), len(ours.bias))
    made.weight.data.copy_(ours.direction.data)
    made.bias.data.copy_(ours.bias.data)
    if ours.scale is None:
        return made
    made = weight_norm(made)
    made.parametrizations.weight.original0.data.copy_(ours.scale.data)
    return made


def everywhere(x: Tensor, points: int) -> Tensor:
    """What a cloud knows (N, ·) at every point, (N, P, ·)."""
    return x[:, None].expand(-1, points, -1)


class PlainEpic(nn.Module):
    """EPiC-FM (2310.00049)."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.time = ours.time
        self.enter, self.again, self.leave = linear(ours.enter), linear(ours.again), linear(ours.leave)
        self.collect, self.update = linear(ours.collect), linear(ours.update)
        names = ("collect", "update", "spread", "mix")
        self.layers = nn.ModuleList(
            Parts(**{name: linear(getattr(layer, name)) for name in names}) for layer in ours.layers
        )

    def forward(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F)."""
        m, points = mask[..., None].to(x.dtype), x.shape[1]
        count = m.sum(dim=1).clamp_min(1)

        def pooled(h: Tensor) -> Tensor:
            total = (h * m).sum(dim=1)
            return torch.cat([total / count, 1e-2 * total], dim=1)

        cloud = torch.cat([self.time(t), c], dim=1)
        local = everywhere(cloud, points)
        h = silu(self.enter(torch.cat([x, local], dim=2)))
        h = silu(self.again(torch.cat([h, local], dim=2)) + h)
        g = silu(self.collect(torch.cat([pooled(h), cloud], dim=1)))
        g = silu(self.update(torch.cat([g, cloud], dim=1)))
        for layer in self.layers:
            own = silu(layer.collect(torch.cat([pooled(h), g, cloud], dim=1)))
            g = silu(layer.update(torch.cat([own, cloud], dim=1)) + g)
            new = silu(layer.spread(torch.cat([h, everywhere(g, points), local], dim=2)))
            h = silu(layer.mix(torch.cat([new, local], dim=2)) + h)
        return self.leave(torch.cat([h, local], dim=2)) * m


class Feed(nn.Module):
    """A hidden layer on the concatenation of points and context."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.first, self.norm, self.second = linear(ours.first), ours.norm, ours.second

    def forward(self, x: Tensor, cloud: Tensor) -> Tensor:
        """(N, P, out)."""
        joined = torch.cat([x, everywhere(cloud, x.shape[1])], dim=2)
        return self.second(self.norm(leaky_relu(self.first(joined), 0.1)))


def attention(ours: Any) -> nn.MultiheadAttention:
    """Torch's own, with the weights of ours."""
    made = nn.MultiheadAttention(ours.ask.in_features, ours.heads, batch_first=True)
    made.in_proj_weight.data.copy_(torch.cat([ours.ask.weight.data, ours.offer.weight.data]))
    made.in_proj_bias.data.copy_(torch.cat([ours.ask.bias.data, ours.offer.bias.data]))
    made.out_proj.weight.data.copy_(ours.leave.weight.data)
    made.out_proj.bias.data.copy_(ours.leave.bias.data)
    return made


class PlainTransformer(nn.Module):
    """PC-JeDi (2303.05376)."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.time, self.context, self.norm = ours.time, ours.context, ours.norm
        self.enter, self.leave = Feed(ours.enter), Feed(ours.leave)
        self.blocks = nn.ModuleList(
            Parts(
                before=block.before,
                attention=attention(block.attention),
                after=block.after,
                norm=block.norm,
                feed=Feed(block.feed),
            )
            for block in ours.blocks
        )

    def forward(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F)."""
        cloud = self.context(torch.cat([self.time(t), c], dim=1))
        h = self.enter(x, cloud)
        for block in self.blocks:
            own = block.before(h)
            mixed, _ = block.attention(own, own, own, key_padding_mask=~mask, need_weights=False)
            h = h + block.after(mixed)
            h = h + block.feed(block.norm(h), cloud)
        return self.leave(self.norm(h), cloud) * mask[..., None]


class PlainMeanField(nn.Module):
    """The mean field of MDMA (2305.15254) as a velocity."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.time, self.tokens = ours.time, ours.tokens
        self.enter, self.begin, self.norm, self.leave = linear(ours.enter), linear(ours.begin), ours.norm, ours.leave
        self.layers = nn.ModuleList(
            Parts(
                before=layer.before,
                norm=layer.norm,
                attention=attention(layer.attention),
                think=linear(layer.think),
                spread=linear(layer.spread),
                mix=layer.mix,
            )
            for layer in ours.layers
        )

    def forward(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F)."""
        m, points = mask[..., None].to(x.dtype), x.shape[1]
        cloud = torch.cat([self.time(t), c], dim=1)
        local = everywhere(cloud, points)
        h = silu(self.enter(torch.cat([x, local], dim=2)))
        total = (h * m).sum(dim=1)
        pooled = torch.cat([total / m.sum(dim=1).clamp_min(1), 1e-2 * total, cloud], dim=1)
        g = self.begin(pooled).unflatten(1, (self.tokens, -1))
        for layer in self.layers:
            keys = layer.before(h)
            mixed, _ = layer.attention(g, keys, keys, key_padding_mask=~mask, need_weights=False)
            g = g + mixed
            g = g + layer.think(torch.cat([silu(g.flatten(1)), cloud], dim=1)).view_as(g)
            seen = everywhere(silu(g.flatten(1)), points)
            new = silu(layer.spread(torch.cat([layer.norm(h), seen, local], dim=2)))
            h = h + layer.mix(new)
        return self.leave(silu(self.norm(h))) * m


PLAIN: dict[str, Callable[[Any], nn.Module]] = {
    "epic_fm": PlainEpic,
    "pc_jedi": PlainTransformer,
    "mdma_fm": PlainMeanField,
}
