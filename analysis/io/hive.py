"""Folders of parquet files: which files belong to one, and what the names of the folders say about their rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import numpy as np

from analysis.errors import ExpressionError
from analysis.expressions.column import Column

_SUFFIXES = (".parquet", ".pq")
_NULL = "__HIVE_DEFAULT_PARTITION__"
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Key:
    """A value that all rows of a file share, as the name of a folder above it says: `year=2018`."""

    name: str
    text: str

    def column(self, n: int) -> Column:
        """The value n times; a number, a truth value, or missing.

        Raises
        ------
        ExpressionError
            If it is text.
        """
        if self.text == _NULL:
            return Column(np.zeros(n), np.ones(n, dtype=bool))
        return Column(np.full(n, self._value()))

    def _value(self) -> bool | int | float:
        if self.text.lower() in _TRUTHS:
            return _TRUTHS[self.text.lower()]
        for kind in (int, float):
            try:
                value = kind(self.text)
            except ValueError:
                continue
            if kind is float or abs(value) < 2**63:
                return value
        raise ExpressionError(f"The folder '{self.name}={self.text}' names no number, so it is no column.")


def keys_of(path: str) -> Mapping[str, Key]:
    """What the folders above a file say; the nearest folder counts."""
    keys = {}
    for part in os.path.dirname(os.path.abspath(path)).split(os.sep):
        name, separator, text = part.partition("=")
        if separator and name:
            keys[unquote(name)] = Key(unquote(name), unquote(text))
    return keys


def files_below(folder: str) -> list[str]:
    """Parquet files in a folder and the folders in it, except what is hidden or marked by an underscore."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        found += [
            os.path.join(place, name)
            for name in files
            if name.lower().endswith(_SUFFIXES) and not name.startswith((".", "_"))
        ]
    return found
