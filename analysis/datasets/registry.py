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
    saved_as : name of the file in the data folder, where the last part of the URL says nothing.
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
    saved_as: str = ""

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
        """Name of the file in the data folder, by default the last part of the URL."""
        return self.saved_as or urlsplit(self.url).path.rsplit("/", 1)[-1]


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

_JETNET = {30: "6975118", 150: "6975117"}
_KINDS = {"g": "gluon", "q": "light quark", "t": "top", "w": "W", "z": "Z"}
_JETCLASS = "10.5281/zenodo.6619768"
_JETCLASS_MD5 = {
    "train_100M_part0": "de4fd2dca2e68ab3c85d5cfd3bcc65c3",
    "train_100M_part1": "9722a359c5ef697bea0fbf79bf50f003",
    "train_100M_part2": "1e9f66cd1f915f9d10e90ae1d7761720",
    "train_100M_part3": "47348fc8985319fa4806da87500482fa",
    "train_100M_part4": "6b0ce16bd93b442a8d51914466990279",
    "train_100M_part5": "416e347512e716de51d392bee327b8e9",
    "train_100M_part6": "e9b9c1557b1b39bf0a16e4ab631ae451",
    "train_100M_part7": "5bfc6cb285ccb7680cefa9ac82ad1a2e",
    "train_100M_part8": "540c1a0d66dfad78d2b363c5740ccf86",
    "train_100M_part9": "668f40b3275167ff7104c48317c0ae2a",
    "val_5M": "7235ccb577ed85023ea3ab4d5e6160cf",
    "test_20M": "64e5156d26d101adeb43b8388207d767",
}


def _jetnet() -> tuple[DatasetFile, ...]:
    """One file per kind of jet and number of particles."""
    return tuple(
        DatasetFile(
            f"jetnet{particles}-{kind}",
            f"{_RECORD}/{record}/files/{kind}{'' if particles == 30 else particles}.hdf5",
            f"JetNet{particles}: about 177,000 {_KINDS[kind]} jets of 1 TeV, up to {particles} particles each",
            doi=f"10.5281/zenodo.{record}",
        )
        for particles, record in _JETNET.items()
        for kind in _KINDS
    )


def _jetclass() -> tuple[DatasetFile, ...]:
    """Archives of ROOT files of 100,000 jets."""
    sizes = {"train": 15_200.0, "val": 7_600.0, "test": 30_400.0}
    return tuple(
        DatasetFile(
            f"jetclass-{part.replace('_', '-').lower()}",
            f"{_RECORD}/6619768/files/JetClass_Pythia_{part}.tar",
            f"JetClass, {part.replace('_', ' ')}: archive of ROOT files of jets of ten classes",
            doi=_JETCLASS,
            checksum=f"md5:{digest}",
            checksum_source=_AGREEING,
            megabytes=sizes[part.partition("_")[0]],
        )
        for part, digest in _JETCLASS_MD5.items()
    )


_CALOCHALLENGE_MD5 = {
    "1_photons_1": "005d2adeda7db034b388112661265656",
    "1_photons_2": "4767715ed56e99565fd9c67340661e70",
    "1_pions_1": "6a5f52722064a1bcd8a0bc002f16515d",
    "1_pions_2": "fee7457b40127bc23c8ab909e2638ca0",
    "2_1": "e590333e9a2da51b258288d74bd8357a",
    "2_2": "7a56fd68aa53ded37c2ac445694d9736",
    "3_1": "d33f03418aa311b0965452fcbef1ff87",
    "3_2": "911dec2c40aafa64a07b7450b80881bf",
    "3_3": "5ea62f6831a1821bb5035fafc9f030e8",
    "3_4": "5e8d82e6a6c28c6914a3b602a1cfa299",
}
#: Record, its number for all versions, and what is in it, of every data set.
_CALOCHALLENGE = {
    "1": ("8099322", "8099322", "Geant4 showers of single energies in ATLAS, 368 (photons) or 533 voxels (pions)"),
    "2": ("6366271", "6366270", "100,000 Geant4 showers of electrons of 1 GeV to 1 TeV, 6,480 voxels"),
    "3": ("6366324", "6366323", "50,000 Geant4 showers of electrons of 1 GeV to 1 TeV, 40,500 voxels"),
}


def _calochallenge() -> tuple[DatasetFile, ...]:
    """Files for training and, of the later halves of their numbers, for evaluation."""
    files = []
    for part, digest in _CALOCHALLENGE_MD5.items():
        record, concept, content = _CALOCHALLENGE[part[0]]
        files.append(
            DatasetFile(
                f"calochallenge-{part.replace('_', '-')}",
                f"{_RECORD}/{record}/files/dataset_{part}.hdf5",
                f"CaloChallenge {part.replace('_', ' ')}: {content}",
                doi=f"10.5281/zenodo.{concept}",
                checksum=f"md5:{digest}",
                checksum_source=_SINGLE,
            )
        )
    return tuple(files)


#: All files of a record as one zip archive; their names and checksums are the record's.
_ARCHIVE = "https://zenodo.org/api/records/{}/files-archive"

_OTHER_SHOWERS = (
    DatasetFile(
        "calogan",
        "https://data.mendeley.com/archiver/pvn3xc3wy5?version=1",
        "CaloGAN: archive of Geant4 showers of photons, positrons and pions of 1 to 100 GeV, 504 voxels",
        doi="10.17632/pvn3xc3wy5.1",
        saved_as="calogan.zip",
    ),
    DatasetFile(
        "calogan-sampling",
        _ARCHIVE.format("10393540"),
        "CaloGAN's calorimeter with the energy of the argon alone: archive of photons, and of scalars to two photons",
        doi="10.5281/zenodo.10393540",
        saved_as="calogan_sampling.zip",
    ),
    DatasetFile(
        "caloclouds",
        _ARCHIVE.format("10044175"),
        "CaloClouds: archive of 524,000 Geant4 showers of photons of 10 to 90 GeV in ILD, up to 6,000 points each",
        doi="10.5281/zenodo.10044175",
        saved_as="caloclouds.zip",
    ),
)

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
    *_jetnet(),
    *_jetclass(),
    *_calochallenge(),
    *_OTHER_SHOWERS,
)
