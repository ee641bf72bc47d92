"""Normalizing flows: invertible transforms one after another between the data and a standard normal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.conditional_network import WithStatistics
from generators.flows.epoch_norm import EpochNorm
from generators.tabular.base import CHUNK, LikelihoodDensity, NoiseSampler
from generators.tabular.precision import settled_precision


class ComposedFlow(NoiseSampler, LikelihoodDensity, WithStatistics):
    """The density of z whose image under all `transforms` is standard normal.

    A transform maps (N, D) and a context (N, C) or None to (N, D) and log|det| (N,), and has an `inverse` of the same
    form, as those of nflows do. Training runs in single precision; once a flow draws or is asked for its density it
    computes in double precision for good, because single precision loses half of its digits on the way back through
    many layers.
    """

    def __init__(self, features: int, transforms: Iterable[nn.Module]) -> None:
        super().__init__()
        self.features = features
        self.transforms = nn.ModuleList(transforms)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        """In double precision, see `settled_precision`."""
        precision = settled_precision(self)
        z, context = noise.to(precision), _context(c.to(precision))
        for transform in reversed(self.transforms):
            inverse: Any = transform.inverse
            z, _ = inverse(z, context)
        return z

    def noise(self, z: Tensor, c: Tensor) -> Tensor:
        """The noise that `transport` makes z (N, D) of at c, (N, D); as precise."""
        precision = settled_precision(self)
        z, context = z.to(precision), _context(c.to(precision))
        for transform in self.transforms:
            z, _ = transform(z, context)
        return z

    def after_epoch(self, z: Tensor, c: Tensor) -> None:
        """Pass the whole sample through once, so that every `EpochNorm` knows the moments of what reaches it."""
        norms = [index for index, transform in enumerate(self.transforms) if isinstance(transform, EpochNorm)]
        with torch.no_grad():
            for index, transform in enumerate(self.transforms):
                if not norms or index > norms[-1]:
                    return
                if isinstance(transform, EpochNorm):
                    transform.observe(z)
                parts = zip(torch.split(z, CHUNK), torch.split(c, CHUNK), strict=True)
                z = torch.cat([transform(rows, _context(context))[0] for rows, context in parts])

    @override
    def log_likelihood(self, z: Tensor, c: Tensor) -> Tensor:
        context = _context(c)
        total = z.new_zeros(z.shape[0])
        for transform in self.transforms:
            z, log_det = transform(z, context)
            total = total + log_det
        return total - 0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1)


def _context(c: Tensor) -> Tensor | None:
    """None where there is no context, as nflows wants it."""
    return c if c.shape[1] else None
