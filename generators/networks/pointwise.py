"""Points each by itself, given what is known of the cloud: the network of CaloClouds (Buhmann et al., 2305.04847)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConcatSquash(nn.Module):
    """(W x + b) · sigmoid(G k + g) + H k for points x (N, P, ·) and what is known of the cloud, k (N, ·)."""

    def __init__(self, inputs: int, outputs: int, known: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)
        self.gate, self.shift = nn.Linear(known, outputs), nn.Linear(known, outputs, bias=False)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """(N, P, outputs)."""
        gate, shift = torch.sigmoid(self.gate(known)), self.shift(known)
        out: Tensor = torch.addcmul(shift[:, None], self.layer(x), gate[:, None])
        return out


class PointWise(nn.Module):
    """Layers of `ConcatSquash` of these widths from F features back to F; no point knows another one."""

    def __init__(self, features: int, known: int, *, widths: Sequence[int]) -> None:
        super().__init__()
        sizes = [features, *widths, features]
        self.layers = nn.ModuleList(ConcatSquash(inner, outer, known) for inner, outer in pairwise(sizes))

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """(N, P, F) of points (N, P, F) and what is known of their cloud, (N, K)."""
        for number, layer in enumerate(self.layers):
            x = layer(functional.leaky_relu(x) if number else x, known)
        return x


class PlainlyTimedPointWise(nn.Module):
    """Velocity of points one by one, which sees t, sin t and cos t: as of CaloClouds I."""

    def __init__(self, features: int, context: int, *, widths: Sequence[int]) -> None:
        super().__init__()
        self.points = PointWise(features, context + 3, widths=widths)

    def forward(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F) of points x (N, P, F) at times t (N,) or () given c (N, C); 0 where the mask (N, P) is."""
        # A whole turn over all times: in a third of a radian sine and time are the same.
        turn = 2 * math.pi * t[..., None]
        of_time = torch.cat([t[..., None], turn.sin(), turn.cos()], dim=-1)
        out: Tensor = self.points(x, torch.cat([c, of_time.expand(x.shape[0], -1)], dim=1)) * mask[..., None]
        return out


class TimedPointWise(nn.Module):
    """Velocity of points one by one, with `frequencies` of the time; 504,920 parameters with 64 and two columns."""

    frequencies: Tensor

    def __init__(self, features: int, context: int, *, widths: Sequence[int], frequencies: int) -> None:
        super().__init__()
        half = max(1, frequencies // 2)
        # From one turn over all times to what tells neighbouring levels apart.
        self.register_buffer("frequencies", 2 * math.pi * torch.logspace(0, math.log10(16), half))
        self.time = nn.Linear(2 * half, 2 * half)
        self.points = PointWise(features, context + 2 * half, widths=widths)

    def forward(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F) of points x (N, P, F) at times t (N,) or () given c (N, C); 0 where the mask (N, P) is."""
        phase = t[..., None] * self.frequencies.to(t.dtype)
        of_time = functional.leaky_relu(self.time(torch.cat([phase.sin(), phase.cos()], dim=-1)))
        known = torch.cat([c, of_time.expand(x.shape[0], -1)], dim=1)
        out: Tensor = self.points(x, known) * mask[..., None]
        return out
