"""Columns of numbers as a file that others read: ROOT, parquet or HDF5, told by the suffix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.atomic import atomic_path
from cathode.errors import ConfigError

TREE = "Events"


def write_table(path: Path | str, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of equal length, atomically.

    Raises
    ------
    ConfigError
        If the suffix is not .root, .parquet, .h5 or .hdf5.
    """
    path = Path(path)
    check_format(path)
    _WRITERS[path.suffix](path, {name: np.asarray(values) for name, values in columns.items()})


def check_format(path: Path | str) -> None:
    """Refuse a file whose suffix says no format that is written, by a `ConfigError`."""
    suffix = Path(path).suffix
    if suffix not in _WRITERS:
        raise ConfigError(f"{path}: unknown format '{suffix}'; use {', '.join(_WRITERS)}.")


def _root(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    import uproot

    with atomic_path(path) as temporary, uproot.recreate(temporary) as file:
        # Assignment would write an RNTuple, which older ROOT can not read.
        file.mktree(TREE, {name: values.dtype for name, values in columns.items()}).extend(dict(columns))


def _parquet(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    with atomic_path(path) as temporary:
        parquet.write_table(pyarrow.table(dict(columns)), temporary)


def _hdf5(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    from analysis.io.hdf5 import write_columns

    write_columns(path, columns, tree=TREE)


_WRITERS = {".root": _root, ".parquet": _parquet, ".h5": _hdf5, ".hdf5": _hdf5}
