"""Lists of SHA-256 in the form of `sha256sum`, which also checks them: `sha256sum --check manifest.sha256`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from analysis.atomic import write_text
from analysis.errors import InputFileError, OutputError
from analysis.io.checksums import sha256_of
from analysis.io.paths import Files, expand, is_remote
from analysis.outputs import check_output_file

_LINE = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)")
_LARGEST = 100_000_000


def write_manifest(
    files: Files, output: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None
) -> dict[str, str]:
    """Write the SHA-256 of files, one line each with their path from the folder of `output`; path -> hash.

    progress : called as progress(files done, files).

    Raises
    ------
    InputFileError
        If a file is not there or not on this machine.
    OutputError
        If the output is one of the files, or a file that is no manifest.
    """
    paths = expand(files)
    target = Path(output)
    check_output_file(target, inputs=paths)
    if target.exists():
        try:
            read_manifest(target)
        except InputFileError as error:
            raise OutputError(
                f"{target} is there and is no manifest; it is left alone. Choose another output."
            ) from error
    hashes: dict[str, str] = {}
    for number, path in enumerate(paths):
        if is_remote(path) or not os.path.isfile(path):
            raise InputFileError(f"'{path}' is no file of this machine; its bytes can not be hashed.")
        hashes[path] = sha256_of(path)
        if progress is not None:
            progress(number + 1, len(paths))
    start = target.resolve().parent
    lines = [_line(digest, os.path.relpath(os.path.realpath(path), start)) for path, digest in hashes.items()]
    write_text(target, "".join(lines))
    return hashes


def read_manifest(path: str | os.PathLike[str]) -> dict[str, str]:
    """Absolute path -> SHA-256 of a manifest; its paths start from its folder.

    Raises
    ------
    InputFileError
        If it can not be read, or a line is none of `sha256sum`, or lists a file twice.
    """
    place = Path(path)
    try:
        if place.stat().st_size > _LARGEST:
            raise InputFileError(f"'{place}' is no manifest: it is too long.")
        text = place.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InputFileError(f"The manifest '{place}' can not be read: {error.strerror}.") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match is None:
            raise InputFileError(f"'{place}', line {number}: no line of a manifest, which is a SHA-256 and a path.")
        name = os.path.normpath(place.resolve().parent / (_unescaped(match[3]) if match[1] else match[3]))
        if found.setdefault(name, match[2].lower()) != match[2].lower():
            raise InputFileError(f"'{place}', line {number}: '{match[3]}' is listed with two hashes.")
    if not found:
        raise InputFileError(f"The manifest '{place}' is empty.")
    return found


def _line(digest: str, name: str) -> str:
    """As `sha256sum` writes it, which marks lines whose names have line breaks or backslashes."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"


def _unescaped(name: str) -> str:
    return re.sub(r"\\([\\nr])", lambda m: {"\\": "\\", "n": "\n", "r": "\r"}[m[1]], name)
