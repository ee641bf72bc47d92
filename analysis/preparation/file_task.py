"""One file of a preparation: the task that reads it, on whichever machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from analysis.events import Events
from analysis.io.accounts import Account
from analysis.io.feature_part import write_part
from analysis.io.feature_store import reading_of
from analysis.io.ntuples import content_of
from analysis.io.reader import FileReader, Request
from analysis.tasks import task

#: The file of a part, in the folder of its task.
PART = "events.parquet"


@task
def prepare_file(
    place: Path,
    *,
    file: str,
    version: str,
    definition: Mapping[str, Any],
    memory: int,
    checksums: bool | Mapping[str, str],
) -> dict[str, Any]:
    """Write the selected events of a file, and say what was in it before.

    `version` tells one content of the file from another, so that a file that has changed is another task.

    Raises
    ------
    AnalysisError
        As `read_events`.
    """
    reading = reading_of(definition, file, memory=memory, checksums=checksums)
    account = Account()
    written = write_part(place / PART, _chunks(file, Request.of(reading, content_of(reading)), account))
    return {
        "source": asdict(replace(written.source, path=file)),
        "truth": written.truth,
        "sum_of_weights": written.sum_of_weights,
        "sum_of_squared_weights": written.sum_of_squared_weights,
        "sum_of_weights_read": None if math.isnan(account.sum_of_weights) else account.sum_of_weights,
        "blocks": account.blocks,
    }


def _chunks(file: str, request: Request, account: Account) -> Iterator[Events]:
    with FileReader.of_file(file, request, account) as reader:
        for start, stop in reader.ranges():
            yield reader.events(start, stop)
