"""Progress is shown to whoever watches, and to nobody else."""

from __future__ import annotations

import io
import sys
import types
from typing import Any

import pytest

from cathode.runtime import watching
from cathode.runtime.progress import Progress, silent


@watching.watched
def work(size: int, *, progress: Progress | None = None) -> Progress | None:
    assert progress is not None
    for done in range(size + 1):
        progress("working", done, size, "a note")
    return progress


def test_nobody_watches_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert work(3) is silent
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_bars_unless_it_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert work(3, progress=silent) is silent
    assert not terminal.getvalue()
    work(3)
    assert "working" in terminal.getvalue()


def test_a_notebook_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    class Handle:
        def update(self, html: str) -> None:
            drawn.append(html)

    display: Any = types.ModuleType("IPython.display")
    display.HTML, display.display = str, lambda *_, **__: Handle()
    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = type("ZMQInteractiveShell", (), {})
    ipython.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    work(4)
    assert "<td>working</td><td>100 %</td><td>a note, 0 s</td>" in drawn[-1]
    assert len(drawn) < 4
