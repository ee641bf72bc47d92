"""Rational-quadratic splines in one pass over their parameters, compiled for the CPU by numba.

As a chain of torch operations a spline reads and writes tensors of the size of its parameters some twenty times, and
that is what the training of a small flow spends its time on. Here a block of elements stays in the cache from the
parameters to the result, and the backward pass recomputes what it needs instead of reading it back. Loops over a block
are written such that the compiler vectorises them: rows are taken before they are cut, because only so does it know
that they are contiguous. The formulae are those of `generators.flows.rational_quadratic`, the reference of the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

from generators.flows.elementary import exp, log

_F = TypeVar("_F", bound=Callable[..., Any])

#: Elements that are worked on at once: their scratch space stays in a second-level cache.
_BLOCK = 1024


def compiled(function: _F, liberties: frozenset[str] = frozenset({"contract"})) -> _F:
    """`function` compiled at its first call, from a cache on disk if there is a place for one."""
    # Contraction is the one liberty that keeps NaN and infinities what they are.
    # Without the lock, threads of Python work side by side.
    options: dict[str, Any] = {"error_model": "numpy", "fastmath": set(liberties), "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no writable folder
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


def is_kept(function: Any) -> bool:
    """Whether what `compiled` makes of a function lies on disk, from where all processes of an installation take it."""
    folder = Path(function.stats.cache_path or "")
    return any(folder.glob(f"*.{function.py_func.__qualname__}-*.nbi"))


@compiled
def forward(x: Any, p: Any, bound: float, minimum: float, y: Any, log_slope: Any) -> None:
    """Fill y (M,) and log dy/dx (M,) for x (M,) and parameters p (3K − 1, M); `minimum` as in `RationalQuadratic`."""
    bins = (len(p) + 1) // 3
    e, ends, scale, at, s, index = _scratch(bins, p)
    for start in range(0, len(x), _BLOCK):
        n = min(_BLOCK, len(x) - start)
        _locate(x, p, start, n, bound, minimum, 0, e, ends, scale, at, s, index)
        _values(at, s, x[start : start + n], y[start : start + n], log_slope[start : start + n])


@compiled
def inverse(y: Any, p: Any, bound: float, minimum: float, x: Any, log_slope: Any) -> None:
    """Fill x (M,) and log dx/dy (M,) for y (M,) and parameters p (3K − 1, M)."""
    bins = (len(p) + 1) // 3
    e, ends, scale, at, s, index = _scratch(bins, p)
    for start in range(0, len(y), _BLOCK):
        n = min(_BLOCK, len(y) - start)
        _locate(y, p, start, n, bound, minimum, 1, e, ends, scale, at, s, index)
        _roots(at, s, y[start : start + n], x[start : start + n], log_slope[start : start + n])


@compiled
def backward(x: Any, p: Any, bound: float, minimum: float, g_y: Any, g_log: Any, g_x: Any, g_p: Any) -> None:
    """Fill the gradients g_x (M,) and g_p (3K − 1, M) of `forward` from those of its results, g_y and g_log (M,)."""
    bins = (len(p) + 1) // 3
    e, ends, scale, at, s, index = _scratch(bins, p)
    g = np.empty((6, _BLOCK), p.dtype)
    whole = p.dtype.type(2 * bound * (1 - minimum * bins))
    for start in range(0, len(x), _BLOCK):
        n = min(_BLOCK, len(x) - start)
        stop = start + n
        _locate(x, p, start, n, bound, minimum, 0, e, ends, scale, at, s, index)
        _derivatives(at, s, x[start:stop], g_y[start:stop], g_log[start:stop], g, g_x[start:stop])
        for axis in range(2):
            # g: for bins left of the one hit, for the one hit, and the mean that softmax takes off all of them.
            _softmax_means(at, g, axis, bound, minimum, index[:n], s[0][:n])
            for k in range(bins):
                row = axis * bins + k
                _softmax_backward(
                    g_p[row][start:stop], e[row], scale[axis], g[axis], g[axis + 2], s[0], index, k, whole
                )
        for k in range(bins - 1):
            _slope_backward(g_p[2 * bins + k][start:stop], g[4], g[5], index, k)


@compiled
def _scratch(bins: int, p: Any) -> Any:
    """Space for one block: e, ends (2K), scale (2), at (7), s (2) and the number of the bin."""
    e, ends = np.empty((2 * bins, _BLOCK), p.dtype), np.empty((2 * bins, _BLOCK), p.dtype)
    scale, at, s = np.empty((2, _BLOCK), p.dtype), np.empty((7, _BLOCK), p.dtype), np.empty((2, _BLOCK), p.dtype)
    return e, ends, scale, at, s, np.empty(_BLOCK, np.int32)


@compiled
def _locate(
    x: Any, p: Any, start: int, n: int, bound: float, minimum: float, axis: int,
    e: Any, ends: Any, scale: Any, at: Any, s: Any, index: Any,
) -> None:  # fmt: skip
    """Find the bins that hold x on an axis: number, slopes s (2, n), and at (7, n).

    `at` holds both left ends, width, height, both raw slopes and x clamped to the interval.
    """
    bins, stop = len(e) // 2, start + n
    real = p.dtype.type
    step, whole, unit = (
        real(2 * bound * minimum),
        real(2 * bound * (1 - minimum * bins)),
        real(math.log(math.expm1(1 - minimum))),
    )
    for side in range(2):
        first, top, total = side * bins, scale[side][:n], s[0][:n]
        top[:] = p[first][start:stop]
        for k in range(1, bins):
            _raise_to(top, p[first + k][start:stop])
        total[:] = 0
        for k in range(bins):
            _exponentials(e[first + k], total, p[first + k][start:stop], top)
        for i in range(n):
            top[i] = whole / total[i]
        ends[first][:n] = -bound
        for k in range(1, bins):
            _next_end(ends[first + k][:n], ends[first + k - 1], e[first + k - 1], top, step)
    _clamp(at[6][:n], x[start:stop], bound)
    index[:n] = 0
    for k in range(1, bins):
        _count(index[:n], at[6], ends[axis * bins + k])
    for i in range(n):
        # Unsigned, because the compiler need not look whether they count from the end.
        number, column, last = np.uint64(index[i]), np.uint64(i), np.uint64(bins - 1)
        high, raw = np.uint64(bins) + number, np.uint64(2 * bins) + number
        at[0, column], at[1, column] = ends[number, column], ends[high, column]
        at[2, column] = step + e[number, column] * scale[0, column]
        at[3, column] = step + e[high, column] * scale[1, column]
        at[4, column] = p[raw - np.uint64(1), np.uint64(start + i)] if number > np.uint64(0) else unit
        at[5, column] = p[raw, np.uint64(start + i)] if number < last else unit
    _slopes(s[0][:n], at[4], minimum)
    _slopes(s[1][:n], at[5], minimum)


@compiled
def _raise_to(top: Any, row: Any) -> None:
    for i in range(len(top)):
        top[i] = row[i] if row[i] > top[i] else top[i]


@compiled
def _exponentials(out: Any, total: Any, row: Any, top: Any) -> None:
    for i in range(len(total)):
        out[i] = exp(row[i] - top[i])
        total[i] += out[i]


@compiled
def _next_end(out: Any, before: Any, e: Any, scale: Any, step: Any) -> None:
    for i in range(len(out)):
        out[i] = before[i] + (step + e[i] * scale[i])


@compiled
def _clamp(out: Any, x: Any, bound: float) -> None:
    high = out.dtype.type(bound)
    for i in range(len(out)):
        v = -high if x[i] < -high else x[i]
        out[i] = high if v > high else v


@compiled
def _count(index: Any, value: Any, end: Any) -> None:
    for i in range(len(index)):
        index[i] += np.int32(value[i] >= end[i])


@compiled
def _slopes(out: Any, raw: Any, minimum: float) -> None:
    """Smallest slope + softplus."""
    zero, one, least = out.dtype.type(0), out.dtype.type(1), out.dtype.type(minimum)
    for i in range(len(out)):
        t = exp(-abs(raw[i]))
        u = one + t
        # log(1 + t) with all digits of a small t (Kahan).
        rest = u - one
        out[i] = least + (raw[i] if raw[i] > zero else zero) + (log(u) * t / rest if rest > zero else t)


@compiled
def _values(at: Any, s: Any, x: Any, y: Any, log_slope: Any) -> None:
    zero, one, two = y.dtype.type(0), y.dtype.type(1), y.dtype.type(2)
    left_x, left_y, width, height, v, s0, s1 = at[0], at[1], at[2], at[3], at[6], s[0], s[1]
    for i in range(len(x)):
        mean = height[i] / width[i]
        theta = (v[i] - left_x[i]) / width[i]
        theta = one if theta > one else theta
        bend = theta * (one - theta)
        below = mean + (s0[i] + s1[i] - two * mean) * bend
        rise = s1[i] * theta * theta + two * mean * bend + s0[i] * (one - theta) * (one - theta)
        inside = x[i] == v[i]
        y[i] = left_y[i] + height[i] * (mean * theta * theta + s0[i] * bend) / below if inside else x[i]
        log_slope[i] = two * log(mean / below) + log(rise) if inside else zero


@compiled
def _roots(at: Any, s: Any, y: Any, x: Any, log_slope: Any) -> None:
    zero, one, two, four = y.dtype.type(0), y.dtype.type(1), y.dtype.type(2), y.dtype.type(4)
    left_x, left_y, width, height, v, s0, s1 = at[0], at[1], at[2], at[3], at[6], s[0], s[1]
    for i in range(len(y)):
        mean = height[i] / width[i]
        curvature = s0[i] + s1[i] - two * mean
        eta = (v[i] - left_y[i]) / height[i]
        eta = one if eta > one else eta
        b = s0[i] - eta * curvature
        c = mean * eta
        square = b * b + four * (mean - b) * c
        theta = two * c / (b + math.sqrt(square if square > zero else zero))
        theta = one if theta > one else theta
        bend = theta * (one - theta)
        below = mean + curvature * bend
        rise = s1[i] * theta * theta + two * mean * bend + s0[i] * (one - theta) * (one - theta)
        inside = y[i] == v[i]
        x[i] = left_x[i] + width[i] * theta if inside else y[i]
        log_slope[i] = -(two * log(mean / below) + log(rise)) if inside else zero


@compiled
def _derivatives(at: Any, s: Any, x: Any, g_y: Any, g_log: Any, g: Any, g_x: Any) -> None:
    """Gradients g (6, n) for both left ends, width, height and both raw slopes, and g_x (n,)."""
    zero, one, two = g_x.dtype.type(0), g_x.dtype.type(1), g_x.dtype.type(2)
    left_x, width, height, raw0, raw1, v, s0, s1 = at[0], at[2], at[3], at[4], at[5], at[6], s[0], s[1]
    g0, g1, g2, g3, g4, g5 = g[0], g[1], g[2], g[3], g[4], g[5]
    for i in range(len(x)):
        inside = x[i] == v[i]
        a = g_y[i] if inside else zero
        b = g_log[i] if inside else zero
        mean = height[i] / width[i]
        theta = (v[i] - left_x[i]) / width[i]
        theta = one if theta > one else theta
        rest, tilt = one - theta, one - two * theta
        bend = theta * rest
        curvature = s0[i] + s1[i] - two * mean
        above, below = mean * theta * theta + s0[i] * bend, mean + curvature * bend
        rise = s1[i] * theta * theta + two * mean * bend + s0[i] * rest * rest
        # y = left_y + height above / below, log slope = 2 log mean − 2 log below + log rise.
        part = a * height[i] / below
        share = (part * above + two * b) / below
        b_rise = b / rise
        d_theta = (
            part * (two * mean * theta + s0[i] * tilt)
            - share * curvature * tilt
            + b_rise * two * (s1[i] * theta + mean * tilt - s0[i] * rest)
        )
        d_mean = part * theta * theta - share * (one - two * bend) + two * b / mean + b_rise * two * bend
        g0[i] = -d_theta / width[i]
        g1[i] = a
        g2[i] = -(d_mean * mean + d_theta * theta) / width[i]
        g3[i] = a * above / below + d_mean / width[i]
        # The derivative of softplus; the clamp of exp at very negative values is of no account here.
        t0, t1 = exp(-abs(raw0[i])), exp(-abs(raw1[i]))
        g4[i] = (part * bend - share * bend + b_rise * rest * rest) * (one if raw0[i] > zero else t0) / (one + t0)
        g5[i] = (b_rise * theta * theta - share * bend) * (one if raw1[i] > zero else t1) / (one + t1)
        g_x[i] = d_theta / width[i] if inside else g_y[i]


@compiled
def _softmax_means(at: Any, g: Any, axis: int, bound: float, minimum: float, index: Any, out: Any) -> None:
    """Σ share · gradient over the bins of an axis, by which all gradients before the softmax are lowered."""
    real = out.dtype.type
    step = real(2 * bound * minimum)
    left, size, g_left, g_size = at[axis], at[axis + 2], g[axis], g[axis + 2]
    for i in range(len(out)):
        out[i] = g_left[i] * (left[i] + real(bound) - step * real(index[i])) + g_size[i] * (size[i] - step)


@compiled
def _softmax_backward(
    out: Any, e: Any, scale: Any, g_left: Any, g_size: Any, mean: Any, index: Any, k: int, whole: Any
) -> None:
    number, zero = np.int32(k), out.dtype.type(0)
    for i in range(len(out)):
        own = g_left[i] if number < index[i] else (g_size[i] if number == index[i] else zero)
        # share · (whole · own − mean), as e · scale = whole · share
        out[i] = e[i] * scale[i] * (own - mean[i] / whole)


@compiled
def _slope_backward(out: Any, g_first: Any, g_second: Any, index: Any, k: int) -> None:
    """Inner slope k is the first of bin k + 1 and the second of bin k."""
    number, zero = np.int32(k), out.dtype.type(0)
    for i in range(len(out)):
        out[i] = g_second[i] if index[i] == number else (g_first[i] if index[i] == number + np.int32(1) else zero)
