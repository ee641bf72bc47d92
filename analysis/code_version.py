"""What the code is that computes something: two results of other code are not the same result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

#: What every computation of this project may go through.
OURS = ("analysis", "generators", "cathode")


def code_version(modules: Iterable[str] = ()) -> str:
    """SHA-256 over the sources of this project and of the packages that `modules` belong to.

    A version number would not do: it stays the same while a package is worked on.

    Raises
    ------
    ModuleNotFoundError
        If one of them has no source that could be read.
    """
    packages = {*OURS, *(module.partition(".")[0] for module in modules)}
    return hashlib.sha256("".join(_source_hash(name) for name in sorted(packages)).encode()).hexdigest()


@cache
def _source_hash(name: str) -> str:
    """Over all Python files of a package, or the one of a module."""
    spec = find_spec(name)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ModuleNotFoundError(f"{name} has no source that could be read.", name=name)
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(origin.parent).as_posix()};{file.stat().st_size};".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
