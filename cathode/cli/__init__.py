"""The command line: each verb loads a file, calls one public function, shows and writes what it returned."""

from __future__ import annotations


def main() -> None:
    """Entry point of `cathode` and of `python -m cathode`."""
    from cathode.cli.app import app

    app(prog_name="cathode")
