"""A features file of the LHC Olympics as a table of branches, so that all that is said of ntuples holds for it too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.expressions.column import Column
from analysis.io.pandas_hdf import open_frame

_FIELDS = ("px", "py", "pz", "m", "tau1", "tau2", "tau3")
_ROWS_AT_ONCE = 20_000
NUMBER = "event"
LABEL = "label"


class LhcoFeatures:
    """Columns pxj1, pyj1, pzj1, mj1, tau1j1 … of two jets as FatJet_{pt, eta, phi, mass, tau1, tau2, tau3} in GeV.

    Beside them all further columns, such as `label`, under their own names, and `event`, the row plus 1.

    Parameters
    ----------
    key : name of the data frame, needed only if the file has several.

    Raises
    ------
    InputFileError
        If the file is not a pandas data frame in HDF5.
    BranchNotFoundError
        If a column of a jet is missing.
    """

    uuid = ""
    # HDF5 files of the Olympics carry no checksums; that of the whole file can be listed.
    verified = False

    def __init__(self, path: str, key: str | None) -> None:
        self.path = path
        self._frame = open_frame(path, key)
        self._frame.read([_flat(field, jet) for jet in (1, 2) for field in _FIELDS], 0, 0)
        self.tree = self._frame.name
        self.entries = self._frame.rows
        flat = {_flat(field, jet) for jet in (1, 2) for field in _FIELDS}
        self._others = [name for name in self._frame.columns if name not in flat]
        jets = [f"FatJet_{name}" for name in ("pt", "eta", "phi", "mass", "tau1", "tau2", "tau3")]
        self.names: Sequence[str] = tuple(dict.fromkeys((*jets, *self._others, NUMBER)))

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """Every 20,000 rows."""
        return np.append(np.arange(0, max(self.entries, 1), _ROWS_AT_ONCE), self.entries).astype(np.int64)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Of the rows in double precision."""
        return 8.0 * 2 * (len(names) + len(_FIELDS))

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """The named columns for rows start to stop; the two jets in the order of the file, falling in pT."""
        jets = self._jets(start, stop) if any(name.startswith("FatJet_") for name in names) else {}
        others = [name for name in names if name in self._others]
        plain = dict(zip(others, self._frame.read(others, start, stop).T, strict=True)) if others else {}
        if NUMBER in names and NUMBER not in plain:
            plain[NUMBER] = np.arange(start + 1, stop + 1, dtype=np.uint64)
        return {name: jets[name] if name in jets else Column(plain[name]) for name in names}

    def close(self) -> None:
        """Release the file."""
        self._frame.close()

    def _jets(self, start: int, stop: int) -> dict[str, Column]:
        columns = [_flat(field, jet) for jet in (1, 2) for field in _FIELDS]
        flat = self._frame.read(columns, start, stop).reshape(-1, len(_FIELDS))
        px, py, pz, mass, *taus = flat.T
        pt = np.hypot(px, py)
        with np.errstate(divide="ignore", invalid="ignore"):
            fields = {"pt": pt, "eta": np.arcsinh(pz / pt), "phi": np.arctan2(py, px), "mass": mass}
        fields |= {f"tau{number}": tau for number, tau in enumerate(taus, start=1)}
        offsets = np.arange(0, 2 * (stop - start) + 1, 2, dtype=np.int64)
        return {f"FatJet_{name}": Column(np.ascontiguousarray(v), offsets=offsets) for name, v in fields.items()}


def _flat(field: str, jet: int) -> str:
    return f"{field}j{jet}"
