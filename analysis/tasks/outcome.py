"""How the execution of a task ended, and what is kept of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Reason = Literal["error", "died", "timeout"]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task has no result: its own error, the death of its worker, or the end of its time.

    `message` is the last line of a traceback, or how the worker ended; `kind` the class of the error.
    """

    reason: Reason
    message: str
    kind: str = ""
    traceback: str = ""
    seconds: float = 0.0
    attempts: int = 1

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Failure:
        """Inverse of `to_dict`; names that are not known are left out."""
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})


@dataclass(frozen=True)
class Outcome:
    """A task by its key, and its failure if it has one."""

    key: str
    failure: Failure | None = None
