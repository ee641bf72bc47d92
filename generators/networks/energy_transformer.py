"""A transformer that reads numbers one after another, and a network that moves the next one (CaloDREAM, 2405.09629)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class NumberReader(nn.Module):
    """What is known of every number of z (N, D): the context (N, C) and the numbers before it, as (N, D, W).

    Context and numbers are tokens: the value, and one of as many columns as there are places. So `width` is at least
    the number of features plus two.
    """

    mask: Tensor

    def __init__(self, features: int, context: int, *, width: int, heads: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.width, self.tokens = width, max(1, context)
        self.transformer = nn.Transformer(
            width, heads, layers, layers, hidden, dropout=0.0, batch_first=True, norm_first=False
        )
        mask = torch.full((features, features), -math.inf).triu(diagonal=1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, before: Tensor, c: Tensor) -> Tensor:
        """Of the first n numbers, given the n − 1 of them before the last, (N, n − 1): (N, n, W)."""
        known = c if c.shape[1] else before.new_zeros(len(before), 1)
        count = before.shape[1] + 1
        target = self._tokens(functional.pad(before, (1, 0)), self.mask.shape[0])
        source = self._tokens(known, self.tokens)
        mask = self.mask[:count, :count].to(before.dtype)
        # Said, because looking whether it is causal would wait for the device.
        out: Tensor = self.transformer(source, target, tgt_mask=mask, tgt_is_causal=True)
        return out

    def _tokens(self, values: Tensor, places: int) -> Tensor:
        one = torch.eye(places, dtype=values.dtype, device=values.device)[: values.shape[1]]
        tokens = torch.cat([values[..., None], one.expand(len(values), -1, -1)], dim=2)
        return functional.pad(tokens, (0, self.width - tokens.shape[2]))


class NumberVelocity(nn.Module):
    """Velocity of one number x (M, 1) at times t (M,) or () in [0, 1], given what is known of it, h (M, W)."""

    frequencies: Tensor

    def __init__(self, width: int, *, times: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2 * math.pi * torch.randn(times // 2))
        self.time = nn.Linear(times, times)
        parts: list[nn.Module] = [nn.Linear(1 + times + width, hidden), nn.SiLU()]
        for _ in range(layers - 2):
            parts += [nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.SiLU()]
        self.layers = nn.Sequential(*parts)
        self.leave = nn.Linear(hidden, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, t: Tensor, h: Tensor) -> Tensor:
        """(M, 1)."""
        angle = t.expand(len(x)).to(x.dtype)[:, None] * self.frequencies.to(x.dtype)
        time = self.time(torch.cat([angle.sin(), angle.cos()], dim=1))
        out: Tensor = self.leave(self.layers(torch.cat([x, time, h], dim=1)))
        return out
