"""What other layers warn of while something runs, for whoever reads its result and not its log."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from typing_extensions import override

_COLUMN = re.compile(r"^x, column (\d+):")


@dataclass(frozen=True)
class Said:
    """A warning, for another process; `aside` of a thread other than the one that does the work."""

    logger: str
    level: int
    words: str
    of_machine: bool
    aside: bool


class _Recorder(logging.Handler):
    """Keeps warnings for another process."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[Said] = []
        self._thread = threading.get_ident()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        of_machine, aside = bool(getattr(record, "of_machine", False)), record.thread != self._thread
        self.said.append(Said(record.name, record.levelno, record.getMessage(), of_machine, aside))


@contextmanager
def recorded() -> Iterator[list[Said]]:
    """Warnings of all loggers of this process, which `repeat` says in another one."""
    recorder, log = _Recorder(), logging.getLogger()
    log.addHandler(recorder)
    try:
        yield recorder.said
    finally:
        log.removeHandler(recorder)


def repeat(said: Sequence[Said]) -> None:
    """Say in this process what was `recorded` in another, in its order, as if it had come from this thread."""
    for each in said:
        log = logging.getLogger(each.logger)
        if log.isEnabledFor(each.level):
            record = log.makeRecord(each.logger, each.level, "", 0, each.words, (), None)
            record.of_machine = each.of_machine
            if each.aside:
                record.thread = None
            log.handle(record)


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
