"""What a contract is: named checks of one part, each of which raises an AssertionError with words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_PREFIX = "check_"


@dataclass(frozen=True)
class Check:
    """One promise of a part; calling it raises an AssertionError if the promise is not kept."""

    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """Try it."""
        self.run()

    def __str__(self) -> str:
        return self.name


class Contract:
    """The checks of a part: its methods `check_…`, in the order in which they are written."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all checks, without the prefix."""
        found = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base) if name.startswith(_PREFIX))
        return tuple(name.removeprefix(_PREFIX) for name in found)

    def checks(self) -> list[Check]:
        """Every check of this part."""
        return [Check(name, getattr(self, _PREFIX + name)) for name in self.names()]


def run_all(checks: Iterable[Check]) -> None:
    """Run every check; the error at the end names all that failed.

    Raises
    ------
    AssertionError
        If one failed, with what it said.
    """
    failed: list[tuple[str, Exception]] = []
    total = 0
    for check in checks:
        total += 1
        try:
            check()
        except Exception as error:
            failed.append((check.name, error))
    if failed:
        lines = [f"{name}: {type(error).__name__}: {error}" for name, error in failed]
        raise AssertionError("\n".join([f"{len(failed)} of {total} checks failed.", *lines])) from failed[0][1]


def expect(kept: object, words: str) -> None:
    """Say `words` if a promise is not kept; unlike a statement `assert` also under `python -O`."""
    if not kept:
        raise AssertionError(words)


@contextmanager
def refused(error: type[Exception], what: str, words: str = "") -> Iterator[None]:
    """The block must raise `error` whose text matches the pattern `words`; `what` says what is wrong with the input."""
    try:
        yield
    except error as raised:
        expect(re.search(words, str(raised)), f"{what}: the error must match {words!r}; it says: {raised}")
    except Exception as raised:
        raise AssertionError(
            f"{what} must raise {error.__name__}; it raised {type(raised).__name__}: {raised}"
        ) from raised
    else:
        raise AssertionError(f"{what} must raise {error.__name__}; it was accepted.")
