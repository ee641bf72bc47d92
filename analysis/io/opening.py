"""Which format a file has, and the table of it: the one place that knows all formats."""

from __future__ import annotations

import os

from analysis.errors import InputFileError
from analysis.io.decoding import decoding
from analysis.io.layouts import CALOCHALLENGE, LHCO
from analysis.io.paths import is_remote
from analysis.io.tables import Table

_ROOT, _HDF5, _PARQUET, _NUMPY = "ROOT", "HDF5", "parquet", "numpy"
_SUFFIXES = {
    ".root": _ROOT,
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".hdf": _HDF5,
    ".parquet": _PARQUET,
    ".pq": _PARQUET,
    ".npy": _NUMPY,
    ".npz": _NUMPY,
}
_MAGIC = {b"root": _ROOT, b"\x89HDF": _HDF5, b"PAR1": _PARQUET, b"\x93NUM": _NUMPY, b"PK\x03\x04": _NUMPY}


def open_table(path: str, tree: str | None, *, cache_bytes: int, layout: str = "auto") -> Table:
    """Open a file by its suffix, or by its first bytes if the suffix says nothing.

    `cache_bytes` bounds what the table may keep between two reads; of a features file of the LHC Olympics, which the
    layout says, `tree` is the name of the data frame, and of showers that of the geometry.

    Raises
    ------
    InputFileError
        If it is missing or of another format.
    NtupleReadError
        If its structure can not be read.
    TreeNotFoundError
        If it has no table of that name, or several and none was named.
    """
    if layout == LHCO:
        from analysis.datasets.lhco_features import LhcoFeatures

        return LhcoFeatures(path, tree)
    if layout == CALOCHALLENGE:
        from analysis.datasets.shower_table import ShowerTable

        return ShowerTable(path, tree)
    kind = _kind(path)
    if is_remote(path) and kind != _ROOT:
        raise InputFileError(f"'{path}': only ROOT files are read over the network; copy this {kind} file first.")
    if kind == _HDF5:
        from analysis.io.hdf5 import Hdf5Table

        return Hdf5Table(path, tree)
    if kind == _PARQUET:
        from analysis.io.parquet import ParquetTable

        return ParquetTable(path, tree)
    if kind == _NUMPY:
        from analysis.io.numpy_files import NumpyTable

        return NumpyTable(path, tree)
    from analysis.io.root import open_root

    return open_root(path, tree, cache_bytes=cache_bytes)


def _kind(path: str) -> str:
    declared = _SUFFIXES.get(os.path.splitext(path)[1].lower())
    if is_remote(path):
        return declared or _ROOT
    if not os.path.isfile(path):
        raise InputFileError(f"There is no file '{path}'.")
    with decoding(path), open(path, "rb") as file:
        first = file.read(4)
    found = _MAGIC.get(first)
    if found is None:
        what = f"starts with the bytes {first!r}" if first else "is empty"
        raise InputFileError(f"'{path}' is not a {declared or 'ROOT, HDF5, parquet or numpy'} file: it {what}.")
    if declared is not None and declared != found:
        raise InputFileError(f"'{path}' is named like a {declared} file but its content is {found}; rename it.")
    return found
