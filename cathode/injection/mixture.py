"""Data with simulated signal among them."""

from __future__ import annotations

import numpy as np

from analysis.events import Events
from cathode.errors import InjectionError


def injected(data: Events, signal: Events, number: int, *, seed: int) -> Events:
    """The data and `number` events of a signal, drawn without replacement; truth is True for these alone.

    They get a run number that the data have not, and the mean weight of the data.

    Raises
    ------
    InjectionError
        If the signal has fewer events, or other features.
    """
    if signal.columns != data.columns or signal.x.shape[1:] != data.x.shape[1:]:
        raise InjectionError(f"The signal has the features {signal.columns}, the data have {data.columns}.")
    if not 0 <= number <= len(signal):
        raise InjectionError(
            f"{number} signal events asked for, of {len(signal)} that pass the selection. Ask for fewer, or simulate "
            "more."
        )
    rows = np.sort(np.random.default_rng(seed).permutation(len(signal))[:number])
    ids = np.ones((number, 3), dtype=np.uint64)
    ids[:, 0] = data.ids[:, 0].max(initial=0) + 1
    ids[:, 2] = rows
    return Events(
        np.concatenate([data.x, signal.x[rows]]),
        np.concatenate([data.mass, signal.mass[rows]]),
        data.columns,
        weights=np.concatenate([data.weights, np.full(number, data.weights.mean())]),
        ids=np.concatenate([data.ids, ids]),
        truth=np.arange(len(data) + number) >= len(data),
    ).in_order()
