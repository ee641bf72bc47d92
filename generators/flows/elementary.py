"""Exponential and logarithm that a compiler can vectorise; a call into the mathematical library it can not.

For use inside of functions compiled by numba. Both work in the precision of their argument, to one or two units in the
last place. Where a float holds an integer in its lowest bits, adding 1.5 · 2^(mantissa bits) converts between the two
without an instruction that only the newest processors have.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload


def exp(x: Any) -> Any:
    """e^x for x ≤ 0; at least the smallest normal number."""
    return math.exp(x)


def log(x: Any) -> Any:
    """Natural logarithm of a positive, normal x."""
    return math.log(x)


#: 1/n! for the exponential, and 2/(2n + 1) for log m = 2 artanh((m − 1)/(m + 1)).
_EXP = tuple(1 / math.factorial(n) for n in range(14))
_LOG = tuple(2 / (2 * n + 1) for n in range(12))
_ROOT_HALF = math.sqrt(0.5)


# Annotations are missing because numba compares the signature of an overload with that of what it returns.
@overload(exp)
def _exp(x):  # type: ignore[no-untyped-def]
    return _single_exp if x == numba.float32 else _double_exp


@overload(log)
def _log(x):  # type: ignore[no-untyped-def]
    return _single_log if x == numba.float32 else _double_log


def _single_exp(x):  # type: ignore[no-untyped-def]
    magic = np.float32(12582912.0)
    v = np.float32(-87.0) if x < np.float32(-87.0) else x
    shifted = v * np.float32(1 / math.log(2)) + magic
    n = shifted - magic
    # ln 2 in two parts, the first with so few digits that its product with n is exact.
    r = (v - n * np.float32(0.693359375)) - n * np.float32(math.log(2) - 0.693359375)
    s = np.float32(_EXP[7])
    for k in range(7 - 1, -1, -1):
        s = np.float32(_EXP[k]) + r * s
    return s * np.int32((np.float32(shifted).view(np.int32) + np.int32(127)) << np.int32(23)).view(np.float32)


def _double_exp(x):  # type: ignore[no-untyped-def]
    magic = np.float64(6755399441055744.0)
    v = np.float64(-708.0) if x < np.float64(-708.0) else x
    shifted = v * np.float64(1 / math.log(2)) + magic
    n = shifted - magic
    # ln 2 in two parts, the first with so few digits that its product with n is exact.
    r = (v - n * np.float64(0.693145751953125)) - n * np.float64(math.log(2) - 0.693145751953125)
    s = np.float64(_EXP[13])
    for k in range(13 - 1, -1, -1):
        s = np.float64(_EXP[k]) + r * s
    return s * np.int64((np.float64(shifted).view(np.int64) + np.int64(1023)) << np.int64(52)).view(np.float64)


def _single_log(x):  # type: ignore[no-untyped-def]
    magic = np.float32(12582912.0)
    bits = np.float32(x).view(np.int32)
    k = (bits - np.float32(_ROOT_HALF).view(np.int32)) >> np.int32(23)
    m = np.int32(bits - (k << np.int32(23))).view(np.float32)
    z = (m - np.float32(1)) / (m + np.float32(1))
    q = z * z
    s = np.float32(_LOG[5])
    for n in range(5 - 1, -1, -1):
        s = np.float32(_LOG[n]) + q * s
    return z * s + (np.int32(k + np.float32(magic).view(np.int32)).view(np.float32) - magic) * np.float32(math.log(2))


def _double_log(x):  # type: ignore[no-untyped-def]
    magic = np.float64(6755399441055744.0)
    bits = np.float64(x).view(np.int64)
    k = (bits - np.float64(_ROOT_HALF).view(np.int64)) >> np.int64(52)
    m = np.int64(bits - (k << np.int64(52))).view(np.float64)
    z = (m - np.float64(1)) / (m + np.float64(1))
    q = z * z
    s = np.float64(_LOG[11])
    for n in range(11 - 1, -1, -1):
        s = np.float64(_LOG[n]) + q * s
    return z * s + (np.int64(k + np.float64(magic).view(np.int64)).view(np.float64) - magic) * np.float64(math.log(2))
