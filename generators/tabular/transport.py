"""Events moved from one context to another along a fitted flow."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.bijections.base import uniform
from generators.conditional_network import device_of
from generators.errors import ShapeError, TransportError
from generators.protocols import Array
from generators.tabular.base import CHUNK, TabularGenerator


def encoded(generator: TabularGenerator[Any], x: Array, context: Array) -> NDArray[np.float64]:
    """The standard normal noise that the best state of a flow ascribes to events x (N, D) at context (N, C): (N, D).

    Raises
    ------
    TransportError, ShapeError, NonFiniteInputError
        As `transport`.
    """
    rows, (raw, c) = _asked(generator, x, context), generator._context(context)
    spread = uniform(rows) if generator.bijection_.discrete_columns else None
    network = generator.networks_[0]
    out = torch.empty_like(rows)
    with torch.no_grad():
        for at in torch.split(torch.arange(len(rows)), CHUNK):
            z, _ = generator.bijection_.forward(rows[at], raw[at], None if spread is None else spread[at])
            out[at] = network.noise(z.to(device_of(network)), c[at].to(device_of(network))).double().cpu()
    noise: NDArray[np.float64] = out.numpy()
    return noise


def decoded(generator: TabularGenerator[Any], noise: Array, context: Array) -> NDArray[np.float32]:
    """The events that the best state of a flow makes of noise (N, D) at context (N, C), (N, D): undoes `encoded`."""
    rows, (raw, c) = _asked(generator, noise, context), generator._context(context)
    network = generator.networks_[0]
    out = torch.empty_like(rows)
    with torch.no_grad():
        for at in torch.split(torch.arange(len(rows)), CHUNK):
            z = network.transport(rows[at].to(device_of(network)), c[at].to(device_of(network))).cpu()
            out[at] = generator.bijection_.inverse(z.double(), raw[at])
    events: NDArray[np.float32] = out.float().numpy()
    return events


def _asked(generator: TabularGenerator[Any], x: Array, *contexts: Array) -> Tensor:
    """Rows (N, D) of a flow that can be followed both ways, with as many rows of every context; named errors."""
    generator._require_fit()
    if not all(isinstance(network, Invertible) for network in generator.networks_):
        raise TransportError(cannot(generator))
    rows = torch.as_tensor(np.asarray(x, np.float64))
    if rows.ndim != 2 or rows.shape[1] != generator.features_ or any(len(c) != len(rows) for c in contexts):
        raise ShapeError(
            f"x has shape {tuple(rows.shape)}, for contexts of {' and '.join(str(len(c)) for c in contexts)} rows; "
            f"this generator was fitted with {generator.features_} features."
        )
    return rows


@runtime_checkable
class Invertible(Protocol):
    """A network that knows which noise an event comes from, as well as which event the noise becomes."""

    def noise(self, z: Tensor, c: Tensor) -> Tensor:
        """Standard normal noise (N, D), in double precision, that becomes z (N, D) at c (N, C)."""
        ...

    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        """What becomes of noise (N, D) at c (N, C): z (N, D)."""
        ...


def cannot(generator: TabularGenerator[Any]) -> str:
    """What to say of a generator that can not be followed both ways."""
    return (
        f"'{generator.kind}' can not move events from one context to another: it "
        "does not know which noise an event comes from. Use a flow, such as autoregressive_spline."
    )


def transport(generator: TabularGenerator[Any], x: Array, start: Array, end: Array) -> NDArray[np.float32]:
    """Move events x (N, D) from their context, `start` (N, C), to another one, `end` (N, C): (N, D).

    An event keeps the noise that the flow ascribes to it. Where the flow is right, the moved events are distributed as
    those of the other context; where it is wrong in the same way at both ends, they are too, because the error is made
    on the way in and undone on the way out. Nothing moves where both contexts are equal, and the way back leads to
    where it started. Kept states share the rows by their place.

    Raises
    ------
    TransportError
        If the generator can not be followed both ways.
    ShapeError, NonFiniteInputError
        If x or a context does not fit to the generator.
    """
    rows = _asked(generator, x, start, end)
    (raw_start, c_start), (raw_end, c_end) = generator._context(start), generator._context(end)
    spread = uniform(rows) if generator.bijection_.discrete_columns else None
    out = torch.empty_like(rows)
    with torch.no_grad():
        shares = torch.tensor_split(torch.arange(len(rows)), len(generator.networks_))
        for mine, network in zip(shares, generator.networks_, strict=True):
            device = device_of(network)
            for at in torch.split(mine, CHUNK):
                z, _ = generator.bijection_.forward(rows[at], raw_start[at], None if spread is None else spread[at])
                noise = network.noise(z.to(device), c_start[at].to(device))
                moved = network.transport(noise, c_end[at].to(device)).cpu()
                out[at] = generator.bijection_.inverse(moved.double(), raw_end[at])
    moved_rows: NDArray[np.float32] = out.float().numpy()
    return moved_rows
