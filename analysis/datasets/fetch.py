"""Download with checksums, resumption and an offline mode: `fetch`."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pooch

from analysis.atomic import write_text
from analysis.datasets.registry import DatasetFile, entry
from analysis.datasets.resuming import Progress, ResumingDownloader
from analysis.errors import DownloadError, InputFileError
from analysis.io.checksums import sha256_of
from analysis.io.http import PassingError
from analysis.outputs import check_output_file, check_output_folder

RETRIES = 4
FOLDER_VARIABLE = "CATHODE_DATA"
MANIFEST = "first-seen.json"

logger = logging.getLogger(__name__)


def fetch(
    name: str, *, folder: str | os.PathLike[str] | None = None, offline: bool = False, progress: Progress | None = None
) -> Path:
    """Path of a public data set of the catalogue, downloaded if it is not there yet and verified in any case.

    Parameters
    ----------
    folder : where data are kept; by default the environment variable CATHODE_DATA, or else the user's cache folder.
    offline : never touch the network.
    progress : called as progress("download", bytes so far, bytes in all or 0).

    Raises
    ------
    InputFileError
        If the catalogue has no such data set.
    DownloadError
        If it can not be had, or its bytes are not those that were published, whether they came or were there before.
    """
    return fetch_file(entry(name), folder=folder, offline=offline, progress=progress)


def data_folder() -> Path:
    """The folder that data sets are kept in by default."""
    return Path(os.environ.get(FOLDER_VARIABLE) or pooch.os_cache("cathode-hep"))


def fetch_file(
    file: DatasetFile,
    *,
    folder: str | os.PathLike[str] | None = None,
    offline: bool = False,
    retries: int = RETRIES,
    progress: Progress | None = None,
) -> Path:
    """Like `fetch`, for a file that need not be in the catalogue; a broken connection is tried `retries` times more.

    An interrupted download is continued by the next call. A file that is there and has other bytes is not replaced,
    since it may be somebody's own. One without a published checksum is accepted once, with a warning; its SHA-256 is
    written down beside it and every later call insists on it.
    """
    target = Path(folder) if folder is not None else data_folder()
    if not offline:
        check_output_folder(target)
        check_output_file(target / file.filename)
    path = target / file.filename
    expected = file.checksum or _first_seen(target, file)
    if path.is_file() and pooch.hashes.hash_matches(path, expected):
        if expected is None:
            _remember(target, file, path)
        return path
    if path.is_file():
        # A download gets its name when it is whole, so this was damaged afterwards, or it is a file of somebody's own.
        raise DownloadError(
            f"{path} has other bytes than expected: it is damaged, or another file of this name. It is left alone; "
            "remove or rename it to fetch it again, or choose another folder."
        )
    if offline:
        raise DownloadError(
            f"{path} is not there and offline mode forbids to fetch it. "
            f"Where there is a network, download {file.url}, and put it there."
        )
    _download(file, target, expected, retries, progress)
    if expected is None:
        _remember(target, file, path)
    return path


def _download(file: DatasetFile, target: Path, expected: str | None, retries: int, progress: Progress | None) -> None:
    import requests

    target.mkdir(parents=True, exist_ok=True)
    # Its messages would go to the terminal; ours say the same through logging.
    pooch.get_logger().setLevel(logging.WARNING)
    failures = []
    for url in (file.url, *file.mirrors):
        logger.info("Downloading %s to %s", url, target)
        store = pooch.create(target, base_url="", registry={file.filename: expected}, urls={file.filename: url})
        downloader = ResumingDownloader(target / f"{file.filename}.part", retries=retries, progress=progress)
        try:
            store.fetch(file.filename, downloader=downloader)
            return
        except ValueError as error:
            said_by = file.checksum_source or f"the first download, see {target / MANIFEST}"
            failures.append(f"{error} Expected according to: {said_by}.")
        except (requests.RequestException, OSError, InputFileError, PassingError) as error:
            failures.append(f"{type(error).__name__}: {error}")
    raise DownloadError(
        f"'{file.name}' could not be fetched. "
        + " ".join(failures)
        + " What arrived is continued by the next attempt; "
        f"or download {file.url} by other means to {target / file.filename}."
    )


def _first_seen(target: Path, file: DatasetFile) -> str | None:
    """The SHA-256 that was written down when the file came for the first time."""
    known: str | None = _manifest(target).get(file.filename)
    return known


def _remember(target: Path, file: DatasetFile, path: Path) -> None:
    digest = f"sha256:{sha256_of(path)}"
    logger.warning(
        "No checksum of '%s' is published that we could verify, so whether these are the right bytes was not checked. "
        "Its SHA-256, %s, is kept in %s and must be the same from now on.",
        file.name,
        digest,
        target / MANIFEST,
    )
    write_text(target / MANIFEST, json.dumps(_manifest(target) | {file.filename: digest}, indent=2) + "\n")


def _manifest(target: Path) -> dict[str, str]:
    path = target / MANIFEST
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in content.items()}
    except (ValueError, AttributeError) as error:
        raise DownloadError(f"{path} is not the list of checksums that was written ({error}); remove it.") from error
