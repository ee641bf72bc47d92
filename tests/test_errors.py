"""One named error for one meaning: no name twice, and one base for each package."""

from __future__ import annotations

import inspect

import pytest

from analysis import errors as of_analysis
from cathode import errors as of_cathode
from generators import errors as of_generators

MODULES = (of_analysis, of_cathode, of_generators)
BASES = (of_analysis.AnalysisError, of_cathode.CathodeError, of_generators.GeneratorError)


def classes(module: object) -> dict[str, type[Exception]]:
    found = inspect.getmembers(module, lambda member: inspect.isclass(member) and issubclass(member, Exception))
    return {name: cls for name, cls in found if cls.__module__ == module.__name__}  # type: ignore[attr-defined]


def test_no_error_has_the_name_of_another() -> None:
    names = [name for module in MODULES for name in classes(module)]
    assert sorted({name for name in names if names.count(name) > 1}) == []
    assert len(names) > 40


@pytest.mark.parametrize(("module", "base"), [*zip(MODULES, BASES, strict=True)])
def test_one_except_catches_all_of_a_package(module: object, base: type[Exception]) -> None:
    assert all(issubclass(cls, base) for cls in classes(module).values())
