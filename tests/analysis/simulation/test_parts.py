"""A file in parts: the folder of its parts goes when all is well or wrong, and parts come in order."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.errors import SimulationError
from analysis.simulation.parts import folder_beside, in_order
from analysis.tasks import Serial, Task

WORK = """
from analysis.tasks import task

@task
def write_number(place, *, number):
    if number < 0:
        raise ValueError(f"{number} is negative")
    (place / "number").write_text(str(number))
"""


@pytest.fixture
def write_number(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Work that can be imported by its name, as tasks have to be."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "numbers_in_parts.py").write_text(WORK)
    monkeypatch.syspath_prepend(folder)
    found: Callable[..., None] = importlib.import_module("numbers_in_parts").write_number
    return found


def read(place: Path) -> int:
    return int((place / "number").read_text())


def test_parts_come_in_their_order_and_the_folder_goes(tmp_path: Path, write_number: Callable[..., None]) -> None:
    chunks = [Task.of(write_number, number=number) for number in (3, 1, 2)]
    with folder_beside(tmp_path / "all", chunks) as folder:
        assert list(in_order(folder, Serial(), read)) == [3, 1, 2]
        assert [path.name for path in tmp_path.iterdir()] == [".all.tasks"]
    assert not list(tmp_path.iterdir())


def test_an_interrupted_file_is_continued(tmp_path: Path, write_number: Callable[..., None]) -> None:
    chunks = [Task.of(write_number, number=number) for number in (3, 1)]

    def interrupted() -> None:
        with folder_beside(tmp_path / "all", chunks) as folder:
            assert next(in_order(folder, Serial(), read)) == 3
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with folder_beside(tmp_path / "all", chunks) as folder:
        assert folder.is_done(chunks[0])


def test_a_part_that_fails_is_the_error_of_the_file(tmp_path: Path, write_number: Callable[..., None]) -> None:
    chunks = [Task.of(write_number, number=-4)]
    with pytest.raises(SimulationError, match="-4 is negative"), folder_beside(tmp_path / "all", chunks) as folder:
        list(in_order(folder, Serial(), read))
    assert not list(tmp_path.iterdir())
