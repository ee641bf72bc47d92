"""Observables that a network of constituents gets beside them, or asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cathode.classifiers.rows import refuse_non_finite


def specified(observables: str | Mapping[str, Any]) -> dict[str, Any]:
    """Their specification, which is checked; the kind alone is enough.

    Raises
    ------
    ConfigError
        If the kind, or a hyperparameter of it, is unknown or out of range.
    """
    from cathode.observables import create

    found = {"kind": observables} if isinstance(observables, str) else dict(observables)
    create(found)
    return found


def computed(specification: Mapping[str, Any], x: NDArray[np.float32], *, of: str) -> NDArray[np.float64]:
    """Observables (N, K) of events x (N, J, P, 3); `of` says in errors what they are for.

    Raises
    ------
    NonFiniteError
        If one is NaN or infinite.
    """
    from cathode.observables import create

    observables = create(specification)
    values = np.asarray(observables.compute(x), np.float64).reshape(len(x), -1)
    for name, column in zip(observables.names(()), values.T, strict=True):
        refuse_non_finite(f"{of}, {name}", column)
    return values
