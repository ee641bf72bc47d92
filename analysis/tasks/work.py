"""One piece of work by its content: which function, with which arguments, of which code."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar

from analysis.code_version import code_version
from analysis.errors import TasksError

_MARK = "__is_task__"


class Work(Protocol):
    """What a task calls; everything random in it is seeded by its arguments, nothing by the worker."""

    def __call__(self, place: Path, **arguments: Any) -> Any:
        """Compute a result in JSON types; files go into `place`, an empty folder that becomes part of it."""
        ...


_W = TypeVar("_W", bound=Callable[..., Any])


def task(function: _W) -> _W:
    """Mark a function as the work of tasks; no other one is ever called by the name in a folder."""
    setattr(function, _MARK, True)
    return function


@dataclass(frozen=True)
class Task:
    """A function, "module:name", and its arguments in JSON types; equal ones are the same task.

    >>> Task("benchmarks:measure", {"seed": 1}, "c0de").key[:12]
    '5600681ddb90'
    """

    function: str
    arguments: Mapping[str, Any]
    code: str

    @classmethod
    def of(cls, function: Callable[..., Any], /, **arguments: Any) -> Task:
        """The task of calling a function that is marked by `task`.

        Raises
        ------
        TasksError
            If another process could not call it, or an argument is nothing that JSON holds exactly.
        """
        if not getattr(function, _MARK, False):
            raise TasksError(f"{function!r} is not marked as the work of tasks; put @task before it.")
        signature = inspect.signature(function)
        try:
            signature.bind(Path(), **arguments)
        except TypeError as error:
            raise TasksError(f"{function.__name__}{signature}: {error}.") from error
        name = f"{_importable(function)}:{function.__qualname__}"
        if "<" in name:
            raise TasksError(f"{name} exists in this process alone. Put the function at the top of a module.")
        try:
            plain = {key: exact(value) for key, value in arguments.items()}
        except ValueError as error:
            raise TasksError(f"{name}: {error}") from error
        return cls(name, plain, code_of(name))

    @cached_property
    def key(self) -> str:
        """Hash of all three, 32 hexadecimal digits."""
        text = json.dumps([self.function, self.arguments, self.code], sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def work(self) -> Work:
        """The function.

        Raises
        ------
        TasksError
            If it can not be imported, is not marked by `task`, or its code has changed.
        """
        module, _, name = self.function.partition(":")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise TasksError(f"{self.function} can not be imported ({error}).") from error
        if not getattr(found, _MARK, False):
            raise TasksError(f"{self.function} is not marked as the work of tasks; put @task before it.")
        if code_of(self.function) != self.code:
            raise TasksError(
                f"{self.function} was planned with other code than is here now. Plan again; what is unchanged is kept."
            )
        work: Work = found
        return work


def code_of(function: str) -> str:
    """Version of the code behind "module:name"."""
    try:
        return code_version([function.partition(":")[0]])
    except ModuleNotFoundError as error:
        raise TasksError(f"{function}: {error} Its tasks could not be told from those of other code.") from error


def exact(value: Any) -> Any:
    """A value in JSON types that comes back the same; numpy numbers become plain ones, tuples lists.

    Raises
    ------
    ValueError
        If JSON does not hold it exactly; says what.
    """
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, tuple | list):
        return [exact(each) for each in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: exact(each) for key, each in value.items()}
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"{value!r} is nothing that JSON holds exactly; use numbers, text, lists and mappings of text.")


def _importable(function: Callable[..., Any]) -> str:
    """Name of the module of a function for another process; a script has that of its file."""
    if function.__module__ != "__main__":
        return function.__module__
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    if file is None:
        raise TasksError(f"{function.__name__} exists in this session alone. Put it in a module or a script.")
    return Path(file).stem
