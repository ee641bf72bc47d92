"""Verbs that have another name now: they answer with it."""

from __future__ import annotations

from cathode.errors import ConfigError


def select() -> None:
    """Say what comparing generators is called."""
    raise ConfigError(
        "`cathode select` is called `cathode compare` now, and the section `selection` of an analysis file "
        "`comparison`."
    )
