"""Whatever a decoder raises has a name and a place."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from analysis.errors import AnalysisError, ExpressionError, InputFileError, NtupleReadError, UnitsError
from analysis.expressions.column import Column
from analysis.io.decoding import checked, decoding


@pytest.mark.parametrize(
    ("raised", "named", "said"),
    [
        (KeyError("x"), NtupleReadError, "branch 'pt', entries 3 to 7"),
        (RecursionError("deep"), NtupleReadError, "truncated, corrupted"),
        (OSError(errno.EACCES, "no"), InputFileError, "can not be read"),
        (OSError(errno.ENXIO, "truncated"), NtupleReadError, "corrupted"),
        (OSError("file is already open for write"), InputFileError, "being written"),
        (UnitsError("as it was"), UnitsError, "^as it was$"),
        (ExpressionError("of what"), ExpressionError, "'a.root': of what"),
    ],
)
def test_one_named_error(raised: Exception, named: type[AnalysisError], said: str) -> None:
    with pytest.raises(named, match=said), decoding("a.root", "pt", (3, 7)):
        raise raised


def test_a_reason_of_many_lines_becomes_a_short_one() -> None:
    with pytest.raises(NtupleReadError) as caught, decoding("a.root"):
        raise ValueError("very\n   long " * 200)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("offsets", [[0, 5], [1, 3], [0, 2, 1, 3], [], [0, -(2**63), 3]])
def test_damaged_offsets_are_found(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="list lengths"):
        checked(Column(np.zeros(3), None, np.array(offsets, dtype=np.int64)))


def test_sound_columns_pass() -> None:
    for column in (Column(np.zeros(3)), Column(np.zeros(3), None, np.array([0, 0, 3]))):
        assert checked(column) is column
