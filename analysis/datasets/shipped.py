"""Data that are shipped inside the package, so that a first search needs neither a network nor a file of one's own."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from analysis.errors import DownloadError, InputFileError, nearest
from analysis.io.checksums import sha256_of

_FILES = {
    "dijets": "dijets.root",
    "dijet_constituents": "dijet_constituents.root",
    "dijets_vincia": "dijets_vincia.root",
    "top_jets": "top_jets.hdf5",
    "gluon_jets": "gluon_jets.hdf5",
    "showers": "showers.h5",
}
NAMES = tuple(_FILES)


def embedded(name: str = "dijets") -> Path:
    """Path of an embedded file, after its SHA-256 was compared with the published one.

    "dijets": TTree `Events` of Pythia 8 QCD dijets with a few W' → X Y events hidden among them, NanoAOD-like: run,
    luminosityBlock, event, nFatJet, FatJet_{pt, eta, phi, mass, tau1, tau2, tau3, nConstituents} (GeV) and the truth
    isSignal. "dijets_vincia": QCD dijets by another parton shower, a simulation beside these data; a few thousand, for
    tests and examples. "dijet_constituents": fewer such events as the data, with the leading constituents
    PFCands_{pt, eta, phi, jetIdx}.
    "top_jets", "gluon_jets": single jets in HDF5 in the layout of JetNet30, see `analysis.datasets.jetnet`.
    "showers": Geant4 showers of photons, and of pairs of photons from scalars (`scalar_mass`), in the layout of the
    CaloChallenge and the geometry "ds1-photons". How many of each there are is in `describe(name)`.

    Raises
    ------
    InputFileError
        If there is no embedded data set of that name, or the installation lacks the file.
    DownloadError
        If the bytes are not those that were published.
    """
    path = _path(name)
    expected = describe(name)["sha256"]
    found = sha256_of(path)
    if found != expected:
        raise DownloadError(
            f"{path}: SHA-256 is {found}, published is {expected}. "
            "The file was altered or is damaged; reinstall the package."
        )
    return path


def describe(name: str = "dijets") -> dict[str, Any]:
    """How an embedded data set was made: counts overall and in the signal window, sources, seed, checksum."""
    return dict(_description(_path(name).with_suffix(".json")))


@cache
def _description(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _path(name: str) -> Path:
    if name not in NAMES:
        raise InputFileError(f"No embedded data set '{name}'. {nearest(name, NAMES)}")
    path = Path(str(resources.files("analysis.datasets") / "embedded" / _FILES[name]))
    if not path.is_file():
        raise InputFileError(f"{path} is missing from the installation; reinstall the package (unzipped).")
    return path
