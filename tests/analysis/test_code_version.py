"""The version of the code is its content."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis import code_version as module
from analysis.code_version import code_version


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = tmp_path / "its_plug_in"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    sys.modules.pop("its_plug_in", None)


def anew(modules: list[str]) -> str:
    module._source_hash.cache_clear()
    return code_version(modules)


def test_one_changed_byte_of_a_package_is_another_version(plug_in: Path) -> None:
    before = anew(["its_plug_in.part"])
    assert anew(["its_plug_in"]) == before != anew([])
    (plug_in / "part.py").write_text("x = 2\n")
    changed = anew(["its_plug_in"])
    assert changed != before
    (plug_in / "part.py").write_text("x = 1\n")
    assert anew(["its_plug_in"]) == before


def test_a_file_under_another_name_is_another_version(plug_in: Path) -> None:
    before = anew(["its_plug_in"])
    (plug_in / "part.py").rename(plug_in / "other.py")
    assert anew(["its_plug_in"]) != before


def test_a_package_without_source_is_refused() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        code_version(["no_such_package.part"])
