"""Drawing from a tree of energies in one pass, compiled for the CPU by numba.

Every hidden unit is computed once, as soon as the pieces that it sees are known, and pieces of nothing cost nothing but
that. Showers are drawn one by one: the weights of a piece stay in the cache, and a shower of low energy, which is
almost empty, takes less time than one of high energy.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from generators.flows.kernels import compiled

#: A sum in any order can be vectorised.
summing = partial(compiled, liberties=frozenset({"contract", "reassoc"}))


@compiled
def draw(
    random: np.random.Generator,
    energies: Any,
    columns: Any,
    beside: Any,
    weights: Any,
    tree: Any,
    log_unit: float,
    widths: tuple[float, float],
) -> None:
    """Fill energies (N, slots) of nodes given those of the roots, in units of the threshold.

    `columns` (N, C) is what all pieces are told, `beside` (2, N, H) what the two masked layers make of it; `weights`
    are the fields of `Weights`, and `tree` is (neighbours, parent, first, last).
    """
    w1, w2, w3, bias, inner, inner_bias, outer, direct, known = weights
    neighbours, parent, first, last = tree
    nodes, near = neighbours.shape
    hidden, numbers, features = w2.shape[0], bias.shape[1], inner.shape[2]
    channels = np.zeros(3 * energies.shape[1], np.float32)
    h1, h2 = np.zeros(hidden, np.float32), np.zeros(hidden, np.float32)
    f, g = np.zeros(features, np.float32), np.zeros(inner.shape[1], np.float32)
    p = np.zeros(numbers, np.float32)
    for shower in range(energies.shape[0]):
        channels[:] = 0
        for root in range(nodes, energies.shape[1] - 1):
            _tell(channels, root, energies[shower, root], 0.0, log_unit)
        done, left = 0, 0.0
        for node in range(nodes):
            for unit in range(done, known[node]):
                h1[unit] = _silu(beside[0, shower, unit] + _dot(w1[unit], channels, 3 * node))
            for unit in range(done, known[node]):
                h2[unit] = _silu(beside[1, shower, unit] + _dot(w2[unit], h1, known[node]))
            done = max(done, known[node])
            whole = energies[shower, parent[node]]
            if first[node]:
                left = whole
            if left <= 0:
                energies[shower, node] = 0
                _tell(channels, node, 0.0, 0.0, log_unit)
                continue
            piece = left
            if not last[node]:
                for place in range(near):
                    for channel in range(3):
                        f[3 * place + channel] = channels[3 * neighbours[node, place] + channel]
                _own_features(f, 3 * near, columns[shower], left, whole, log_unit)
                for unit in range(len(g)):
                    g[unit] = _silu(inner_bias[node, unit] + _dot(inner[node, unit], f, features))
                for j in range(numbers):
                    p[j] = (
                        bias[node, j]
                        + _dot(w3[node, j], h2, known[node])
                        + _dot(outer[node, j], g, len(g))
                        + _dot(direct[node, j], f, features)
                    )
                piece = _piece(p, left, widths, random)
            left = max(left - piece, 0.0) if piece < left else 0.0
            energies[shower, node] = piece
            _tell(channels, node, piece, left, log_unit)


@compiled
def _piece(p: Any, left: float, widths: tuple[float, float], random: Any) -> float:
    """A piece of what is left, from parameters as in `PieceDistribution`."""
    top = max(p[0], p[1], p[2])
    nothing, rest = np.exp(p[0] - top), np.exp(p[2] - top)
    part = np.exp(p[1] - top) if left >= 2 else 0.0
    u = random.random() * (nothing + part + rest)
    if u < nothing:
        return 0.0
    if u >= nothing + part:
        return left
    count = (len(p) - 3) // 3
    top, total = p[3], 0.0
    for k in range(1, count):
        top = max(top, p[3 + k])
    for k in range(count):
        total += np.exp(p[3 + k] - top)
    u, k = random.random() * total, 0
    below = np.exp(p[3] - top)
    while k < count - 1 and u > below:
        k += 1
        below += np.exp(p[3 + k] - top)
    v = min(max(random.random(), 1e-12), 1 - 1e-12)
    y = p[3 + count + k] + np.exp(min(max(p[3 + 2 * count + k], widths[0]), widths[1])) * np.log(v / (1 - v))
    return min(1 + (left - 2) / (1 + np.exp(-y)), left - 1)  # type: ignore[no-any-return]


@compiled
def _own_features(f: Any, start: int, columns: Any, left: float, whole: float, log_unit: float) -> None:
    """What a piece is told beside its neighbours."""
    for column in range(len(columns)):
        f[start + column] = columns[column]
    rest = np.log1p(left) / log_unit
    end = start + len(columns)
    f[end], f[end + 1], f[end + 2] = rest, rest * rest, np.log1p(whole) / log_unit


@compiled
def _tell(channels: Any, slot: int, energy: float, left: float, log_unit: float) -> None:
    channels[3 * slot] = 1.0 if energy > 0 else 0.0
    channels[3 * slot + 1] = np.log1p(energy) / log_unit
    channels[3 * slot + 2] = np.log1p(left) / log_unit


@compiled
def _silu(x: float) -> float:
    return x / (1 + np.exp(-x))  # type: ignore[no-any-return]


@summing
def _dot(a: Any, b: Any, n: int) -> Any:
    """Sum of products of the first n numbers, in any order."""
    total = np.float32(0)
    for i in range(n):
        total += a[i] * b[i]
    return total
