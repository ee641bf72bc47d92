"""Hashes of input files: TTree baskets and most RNTuple pages carry no checksum that a reader would notice."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping

from analysis.errors import InputFileError
from analysis.io.decoding import decoding
from analysis.io.paths import is_remote

Checksums = bool | Mapping[str, str]


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the bytes of a local file, in hexadecimal.

    Raises
    ------
    InputFileError
        If there is no such file, or the system does not let it be read.
    """
    if not os.path.isfile(path):
        raise InputFileError(f"There is no file '{os.fspath(path)}'.")
    with decoding(os.fspath(path)), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_for(path: str, wanted: Checksums) -> str:
    """Hash of a file if hashes are wanted, compared with the expected one if that is known.

    wanted : False for none, True for a record, or the expected SHA-256 by path or file name.

    Raises
    ------
    InputFileError
        If the hash is not the expected one, or a file is not listed.
    """
    if wanted is False or (wanted is True and is_remote(path)):
        return ""
    if wanted is True:
        return sha256_of(path)
    expected = listed_for(path, wanted)
    if not re.fullmatch("[0-9a-fA-F]{64}", expected):
        raise InputFileError(f"'{path}' is listed with '{expected}', which is no SHA-256 of 64 hexadecimal digits.")
    if is_remote(path):
        raise InputFileError(f"'{path}' is remote; its checksum can be verified only on a local copy.")
    found = sha256_of(path)
    if found != expected.lower():
        raise InputFileError(
            f"'{path}' has the SHA-256 {found}, not {expected.lower()} as listed: it is damaged or another version. "
            "Copy it again."
        )
    return found


def listed_for(path: str, wanted: Mapping[str, str]) -> str:
    """What is listed for a file by its path, as it is given or in full, or else by its name, if only one has it."""
    for spelling in (path, os.path.abspath(path), os.path.realpath(path), os.path.basename(path)):
        if spelling in wanted:
            return wanted[spelling]
    named = {listed for listed in wanted if os.path.basename(listed) == os.path.basename(path)}
    if len({wanted[listed] for listed in named}) > 1:
        raise InputFileError(
            f"'{path}': {len(named)} checksums are listed for files of this name; list it with its path."
        )
    if not named:
        raise InputFileError(
            f"'{path}' is not in the list of {len(wanted)} checksums. Add it there, or say checksums: true, "
            "which records what is found."
        )
    return wanted[named.pop()]
