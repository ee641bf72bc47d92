"""Checksums of pages, as the writer was told."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.io.parquet_pages import has_checksum


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("written", [True, False])
def test_the_first_page_says_whether_there_are_checksums(
    tmp_path: Path, written: bool, dictionary: bool, version: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"x": list(range(1000)), "y": [0.5] * 1000}),
        path,
        write_page_checksum=written,
        use_dictionary=dictionary,
        data_page_version=version,
    )
    group = pq.ParquetFile(path).metadata.row_group(0)
    assert [has_checksum(str(path), group.column(i)) for i in (0, 1)] == [written, written]
