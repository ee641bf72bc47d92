"""Abstract or final: a class of this project implements abstract methods of its bases and overrides no concrete one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

PACKAGES = ("generators", "cathode", "analysis")


def modules(package: str) -> Iterator[str]:
    found = importlib.import_module(package)
    for entry in pkgutil.walk_packages(found.__path__, f"{package}."):
        if not entry.name.endswith("__main__"):
            yield entry.name


def function_of(member: Any) -> Any:
    """The function behind what stands in the dictionary of a class, None if there is none."""
    if isinstance(member, property):
        return member.fget
    if isinstance(member, classmethod | staticmethod):
        return member.__func__
    return member if inspect.isfunction(member) else None


def overridden(cls: type[Any], packages: tuple[str, ...]) -> list[str]:
    """Concrete methods of one class of ours that another one of ours stands before in the order of resolution."""
    seen: dict[str, type[Any]] = {}
    found = []
    for base in cls.__mro__:
        if base.__module__.split(".")[0] not in packages or getattr(base, "_is_protocol", False):
            continue
        for name, member in vars(base).items():
            function = function_of(member)
            if function is None or (name.startswith("__") and name.endswith("__")):
                continue
            if getattr(function, "__isabstractmethod__", False):
                continue
            # Pydantic writes one into every class of a line with private attributes.
            if function.__module__.startswith("pydantic."):
                continue
            if name in seen:
                found.append(f"{seen[name].__qualname__}.{name} overrides {base.__qualname__}.{name}")
            seen.setdefault(name, base)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_concrete_method_is_overridden(package: str) -> None:
    found = set()
    for name in modules(package):
        for _, cls in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if cls.__module__ == name:
                found.update(overridden(cls, PACKAGES))
    assert sorted(found) == []


class Base(ABC):
    def finished(self) -> int:
        return 1

    @property
    def size(self) -> int:
        return 1

    @abstractmethod
    def missing(self) -> int: ...


class Shape(Protocol):
    def missing(self) -> int: ...


class Fills(Base):
    def missing(self) -> int:
        return 2


class Overrides(Base):
    def finished(self) -> int:
        return 2


class OverridesProperty(Base):
    @property
    def size(self) -> int:
        return 2


class Grandchild(Fills):
    def missing(self) -> int:
        return 3


class Mixed:
    def missing(self) -> int:
        return 4


class Both(Mixed, Fills):
    """Two finished methods meet that know nothing of each other."""


class Beside(Mixed, Base, Shape):
    """An abstract method that a mix-in fills."""


@dataclass
class Record(Fills):
    value: int = 0

    def __post_init__(self) -> None:
        self.value += 1


@pytest.mark.parametrize("cls", [Base, Fills, Beside, Record])
def test_filling_is_allowed(cls: type[Any]) -> None:
    assert overridden(cls, (cls.__module__.split(".")[0],)) == []


@pytest.mark.parametrize("cls", [Overrides, OverridesProperty, Grandchild, Both])
def test_overriding_is_found(cls: type[Any]) -> None:
    assert overridden(cls, (cls.__module__.split(".")[0],))
