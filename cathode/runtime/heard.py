"""What other layers warn of while something runs, for whoever reads its result and not its log."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from typing_extensions import override

_COLUMN = re.compile(r"^x, column (\d+):")


class _Listener(logging.Handler):
    """Keeps the words of warnings of the thread that it was made in."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        # What is said of the machine would make the result of a first run another one than that of the second.
        if record.thread == self._thread and not getattr(record, "of_machine", False):
            self.said.append(record.getMessage())


@contextmanager
def heard(name: str) -> Iterator[list[str]]:
    """Warnings of the loggers of this name and below it, in this thread of this process; they are logged as ever."""
    listener, log = _Listener(), logging.getLogger(name)
    log.addHandler(listener)
    try:
        yield listener.said
    finally:
        log.removeHandler(listener)


def in_words_of(features: Sequence[str], said: Sequence[str], known: Sequence[str] = ()) -> tuple[str, ...]:
    """Warnings, each once, with features by their names; those of a feature that is `known` already are left out.

    >>> in_words_of(["mass", "tau"], ["x, column 1: odd.", "x, column 1: odd.", "Slow."])
    ("The feature 'tau': odd.", 'Slow.')
    """
    found = []
    for words in dict.fromkeys(said):
        column = _COLUMN.match(words)
        if column is None or int(column[1]) >= len(features):
            found.append(words)
            continue
        name = f"The feature '{features[int(column[1])]}'"
        if not any(each.startswith(name) for each in known):
            found.append(f"{name}:{words[column.end() :]}")
    return tuple(found)
