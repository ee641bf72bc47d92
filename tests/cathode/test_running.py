"""The commands are still there under the names that they had."""

from __future__ import annotations

from cathode import commands, running


def test_every_old_name_is_the_new_command() -> None:
    for name in running.__all__:
        new = {"select_analysis": "compare_analysis"}.get(name, name)
        assert getattr(running, name) is getattr(commands, new)
