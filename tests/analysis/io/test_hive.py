"""What the names of folders say about the rows of the files in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.errors import ExpressionError
from analysis.io.hive import Key, files_below, keys_of


def test_the_nearest_folder_counts_and_escapes_are_undone(tmp_path: Path) -> None:
    keys = keys_of(str(tmp_path / "year=2016" / "a%20b=1" / "year=2018" / "x.parquet"))
    assert {name: keys[name].text for name in ("year", "a b")} == {"year": "2018", "a b": "1"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("2018", 2018), ("-3", -3), ("2.5", 2.5), ("True", True), ("false", False), (str(2**70), 2.0**70)],
)
def test_values_are_numbers_or_truth_values(text: str, value: object) -> None:
    column = Key("k", text).column(2)
    assert column.values.tolist() == [value, value]
    assert column.missing is None


def test_the_default_partition_is_missing_and_text_is_refused() -> None:
    missing = Key("k", "__HIVE_DEFAULT_PARTITION__").column(2).missing
    assert missing is not None
    assert missing.all()
    with pytest.raises(ExpressionError, match="era=B"):
        Key("era", "B").column(1)


def test_hidden_and_marked_files_are_left_out(tmp_path: Path) -> None:
    kept = ["a.parquet", "in/b.PQ"]
    for name in (*kept, ".c.parquet", "_d.parquet", "_temporary/e.parquet", ".git/f.parquet", "g.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(files_below(str(tmp_path))) == sorted(str(tmp_path / name) for name in kept)
