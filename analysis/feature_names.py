"""What a feature may be called: names become labels, files and columns, and must be told apart by eye."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from analysis.errors import FeatureNameError

#: Names of devices, which Windows does not take for files, with any ending.
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}

#: More would neither fit on an axis nor in a file name.
_LONGEST = 100


def check_feature_names(names: Iterable[str]) -> None:
    """Refuse names of features that can be no file, are not visible, or can not be told apart.

    Spaces inside, letters of any alphabet and names that differ only in case are fine.

    Raises
    ------
    FeatureNameError
        With the name and what to change.
    """
    seen: dict[str, str] = {}
    for name in names:
        wrong = _wrong_with(name)
        if wrong:
            raise FeatureNameError(f"The feature name {name!r} {wrong}. Name it with letters, digits and underscores.")
        normal = unicodedata.normalize("NFKC", name)
        same = seen.get(normal)
        if same is not None:
            twice = "is there twice" if same == name else f"looks like {same!r}, which is another one"
            raise FeatureNameError(f"The feature name {name!r} {twice}. Give every feature a name of its own.")
        seen[normal] = name


def _wrong_with(name: object) -> str:
    """What is wrong with a name, in words; nothing if it can be used."""
    if not isinstance(name, str):
        return f"is no text but of type {type(name).__name__}"
    if not name.strip():
        return "is empty"
    if name != name.strip():
        return "begins or ends with a space"
    if name.startswith("."):
        return "begins with a dot"
    if "/" in name or "\\" in name:
        return "contains a path separator"
    if any(unicodedata.category(letter)[0] == "C" for letter in name):
        return "contains a control character"
    if name.split(".")[0].strip().casefold() in _DEVICES:
        return "is reserved for a device on some systems"
    if len(name) > _LONGEST:
        return f"has {len(name)} characters, more than {_LONGEST}"
    return ""
