"""Public data sets that can be fetched: where they are, how large, and what their bytes must be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from analysis.errors import DownloadError, InputFileError, nearest

LENGTHS = {"md5": 32, "sha256": 64}


@dataclass(frozen=True)
class DatasetFile:
    """One downloadable file.

    Attributes
    ----------
    name : what `fetch` is called with.
    url : where it is; https, or http on the loopback interface.
    description : one line for the catalogue.
    doi, licence : of the record; "" if it states none that we could verify.
    checksum : "md5:…" or "sha256:…" of the bytes, or None where nobody published one that we could verify.
    checksum_source : who says so.
    megabytes : rounded size, None if unknown.
    mirrors : further URLs of the same bytes; only sensible with a checksum.
    """

    name: str
    url: str
    description: str
    doi: str = ""
    licence: str = ""
    checksum: str | None = None
    checksum_source: str = ""
    megabytes: float | None = None
    mirrors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for url in (self.url, *self.mirrors):
            refuse_unsafe(url)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.filename):
            raise DownloadError(f"'{self.name}': the URL {self.url} does not end in a plain file name.")
        if self.checksum is not None:
            algorithm, _, digest = self.checksum.partition(":")
            if LENGTHS.get(algorithm) != len(digest) or not re.fullmatch(r"[0-9a-f]*", digest):
                raise DownloadError(
                    f"'{self.name}': checksum '{self.checksum}' is not md5:… or sha256:… in hexadecimal."
                )

    @property
    def filename(self) -> str:
        """Name of the file in the data folder: the last part of the URL."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]


def refuse_unsafe(url: str) -> None:
    """Refuse anything but https, save http on the loopback interface.

    Raises
    ------
    DownloadError
        If the address is not of that kind.
    """
    parts = urlsplit(url)
    loopback = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or not (parts.scheme == "https" or loopback):
        raise DownloadError(f"Refusing {url}: only https is downloaded from.")


def catalogue() -> tuple[DatasetFile, ...]:
    """All data sets that `fetch` knows."""
    return _CATALOGUE


def entry(name: str) -> DatasetFile:
    """The catalogue's entry of a name.

    Raises
    ------
    InputFileError
        If there is none; the message names the nearest.
    """
    for candidate in _CATALOGUE:
        if candidate.name == name:
            return candidate
    raise InputFileError(f"No data set '{name}' to fetch. {nearest(name, [e.name for e in _CATALOGUE])}")


_RECORD = "https://zenodo.org/records"
_AGREEING = "several public projects that verified the file against its Zenodo record"
_SINGLE = "one public project that verifies the file against this digest; not confirmed elsewhere"
_OLYMPICS = "10.5281/zenodo.6466204"

_CATALOGUE = (
    DatasetFile(
        "lhco-features",
        f"{_RECORD}/6466204/files/events_anomalydetection_v2.features.h5",
        "LHC Olympics R&D v2: 1,000,000 QCD dijets + 100,000 W' -> X(500) Y(100), features of the two leading jets",
        doi=_OLYMPICS,
        licence="CC-BY-4.0",
        checksum="md5:271cf5e71fc756b2a8d2b32730689bdb",
        checksum_source=_AGREEING,
        megabytes=74.3,
        mirrors=(f"{_RECORD}/4536377/files/events_anomalydetection_v2.features.h5",),
    ),
    DatasetFile(
        "lhco-features-3prong",
        f"{_RECORD}/6466204/files/events_anomalydetection_Z_XY_qqq.features.h5",
        "LHC Olympics R&D: 100,000 signal events with three-pronged jets, X Y -> 6 quarks, features",
        doi=_OLYMPICS,
        licence="CC-BY-4.0",
        checksum="md5:1e729f7dff225451182c28afaa4bb411",
        checksum_source=_AGREEING,
        megabytes=5.2,
    ),
    DatasetFile(
        "lhco-qcd-extra",
        f"{_RECORD}/8370758/files/events_anomalydetection_qcd_extra_inneronly_features.h5",
        "612,858 further QCD dijets with m_jj in the R&D signal region only, features (earlier record: 5759087)",
        doi="10.5281/zenodo.8370758",
    ),
    DatasetFile(
        "lhco-raw",
        f"{_RECORD}/6466204/files/events_anomalydetection_v2.h5",
        "LHC Olympics R&D v2: the same events as lhco-features, up to 700 particles (pT, eta, phi) each",
        doi=_OLYMPICS,
        licence="CC-BY-4.0",
        checksum="sha256:5da8fda2ca78edf8fa5acc0af92fcb6a2d464ba7bf0fd75e3944a169b88cecc6",
        checksum_source=_SINGLE,
        megabytes=2900,
    ),
    DatasetFile(
        "lhco-raw-3prong",
        f"{_RECORD}/6466204/files/events_anomalydetection_Z_XY_qqq.h5",
        "LHC Olympics R&D: the same events as lhco-features-3prong, up to 700 particles each",
        doi=_OLYMPICS,
        licence="CC-BY-4.0",
        checksum="md5:54e123a86143b668f9cb76905152a124",
        checksum_source=_SINGLE,
        megabytes=235,
    ),
)
