"""Raw events of the LHC Olympics by ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.datasets.lhco import UNKNOWN_TRUTH, iterate_lhco_raw, read_lhco_features
from analysis.errors import InputFileError

pd = pytest.importorskip("pandas")
pytest.importorskip("tables")


def write(path: Path, table: np.ndarray) -> Path:
    pd.DataFrame(table).to_hdf(path, key="df")
    return path


@pytest.mark.parametrize("labelled", [True, False])
def test_ranges_join_to_the_file(tmp_path: Path, labelled: bool) -> None:
    table = np.random.default_rng(0).random((5, 2101 if labelled else 2100))
    if labelled:
        table[:, -1] = [0, 1, 1, 0, 1]
    parts = list(iterate_lhco_raw(write(tmp_path / "raw.h5", table), chunk=2))
    assert [(part.first, part.total, len(part.truth)) for part in parts] == [(0, 5, 2), (2, 5, 2), (4, 5, 1)]
    np.testing.assert_array_equal(np.concatenate([p.particles for p in parts]), table[:, :2100].reshape(5, 700, 3))
    truth = np.concatenate([part.truth for part in parts]).tolist()
    assert truth == ([0, 1, 1, 0, 1] if labelled else [UNKNOWN_TRUTH] * 5)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="30 columns"):
        list(iterate_lhco_raw(write(tmp_path / "few.h5", np.zeros((2, 30)))))
    with pytest.raises(InputFileError, match="does not exist"):
        read_lhco_features(tmp_path / "none.h5")
