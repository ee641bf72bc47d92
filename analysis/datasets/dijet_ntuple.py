"""The NanoAOD-like layout of two large jets per event that every dijet file of this package has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from analysis.atomic import atomic_path

TREE = "Events"
JET_FIELDS = {
    "pt": "float32",
    "eta": "float32",
    "phi": "float32",
    "mass": "float32",
    "tau1": "float32",
    "tau2": "float32",
    "tau3": "float32",
    "nConstituents": "int32",
}
CONSTITUENT_FIELDS = {"pt": "float32", "eta": "float32", "phi": "float32", "jetIdx": "int8"}
PRECISION_BITS = 12


def shorten_mantissa(values: NDArray[np.floating[Any]], bits: int = PRECISION_BITS) -> NDArray[np.float32]:
    """Round float32 values to `bits` bits of mantissa (relative error ≤ 2^-(bits+1)), as NanoAOD does to save space.

    >>> shorten_mantissa(np.array([1234.567, 0.0, -0.1]), 12).tolist()
    [1234.5, 0.0, -0.100006103515625]
    """
    dropped = 23 - bits
    raw = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = (raw + np.uint32(1 << (dropped - 1))) & np.uint32(0xFFFFFFFF ^ ((1 << dropped) - 1))
    return rounded.view(np.float32)


def shorten_records(records: ak.Array) -> ak.Array:
    """Jagged records (N, var) with their floating-point fields shortened."""
    counts = ak.num(records)
    columns = {name: ak.to_numpy(ak.flatten(records[name])) for name in records.fields}
    for name, column in columns.items():
        if np.issubdtype(column.dtype, np.floating):
            columns[name] = shorten_mantissa(column)
    return ak.unflatten(ak.zip(columns), counts)


@contextmanager
def dijet_ntuple(
    path: str | os.PathLike[str],
    *,
    title: str = "",
    constituents: bool = False,
    compression: str = "ZSTD",
) -> Iterator[Callable[[ak.Array], None]]:
    """Open a dijet ntuple for writing; yields `extend(events)`, and the file appears under its name only when complete.

    Each array handed to `extend` becomes one basket per branch. It has the fields run, luminosityBlock, event,
    isSignal, FatJet (N, var) with JET_FIELDS and, if `constituents`, PFCands (N, var) with CONSTITUENT_FIELDS;
    energies in GeV. `title` becomes the title of the tree.
    """
    branches: dict[str, Any] = {"run": "uint32", "luminosityBlock": "uint32", "event": "uint64", "isSignal": "int8"}
    branches["FatJet"] = _jagged(JET_FIELDS)
    if constituents:
        branches["PFCands"] = _jagged(CONSTITUENT_FIELDS)
    codec = getattr(uproot, compression)(9)
    with atomic_path(path) as temporary, uproot.recreate(temporary, compression=codec) as file:
        tree = file.mktree(TREE, branches, title=title)

        def extend(events: ak.Array) -> None:
            rows = {name: events[name] for name in branches if name not in ("FatJet", "PFCands")}
            rows["FatJet"] = _cast(events["FatJet"], JET_FIELDS)
            if constituents:
                rows["PFCands"] = _cast(events["PFCands"], CONSTITUENT_FIELDS)
            tree.extend(rows)

        yield extend


def _jagged(fields: dict[str, str]) -> ak.types.Type:
    record = ", ".join(f'"{name}": {kind}' for name, kind in fields.items())
    return ak.types.from_datashape(f"var * {{{record}}}", highlevel=False)


def _cast(records: ak.Array, fields: dict[str, str]) -> ak.Array:
    """Records with exactly `fields`, as one jagged record array."""
    return ak.zip({name: ak.values_astype(records[name], kind) for name, kind in fields.items()})
