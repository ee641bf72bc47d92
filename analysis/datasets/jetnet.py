"""JetNet30 and JetNet150 (Kansal et al., arXiv:2106.11535; doi:10.5281/zenodo.6975118 and 6975117).

One HDF5 file per kind of jet, `t.hdf5` or `t150.hdf5`: `particle_features` (N, 30 or 150, 4) with η and φ relative to
the jet, pT over that of the jet and a mask; `jet_features` (N, 4) with pT, η, mass in GeV and the number of particles.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.errors import InputFileError, NtupleReadError, nearest
from analysis.features.constituents import wrap
from analysis.io.decoding import decoding
from analysis.io.hdf5_links import open_node
from analysis.io.hdf5_storage import refuse_fill_values
from analysis.jets import COORDINATES, Jets

TYPES = ("g", "q", "t", "w", "z")
FEATURES = ("pt", "eta", "mass", "num_particles")
PARTICLES = (30, 150)
SPLITS = ("train", "validation", "test")
FRACTIONS = (0.7, 0.15, 0.15)
SEED = 42


def read_jetnet(
    types: str | Sequence[str],
    *,
    particles: int = 30,
    split: str | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    jets: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    offline: bool = False,
) -> Jets:
    """Jets of some kinds, type after type.

    Parameters
    ----------
    types : out of g (gluon), q (light quark), t (top), w, z.
    particles : 30 or 150, the data set.
    split : "train", "validation" or "test"; None takes all. Every type is divided by a permutation of its own, which
        depends on nothing but the type and the number of its jets: not on which other types are read, nor on `jets`.
    fractions : of the three splits.
    jets : at most so many of each type, chosen at random but always the same.
    folder : where the files are, and then nothing is downloaded; None fetches them into the data folder.
    offline : with `folder` None, never touch the network.

    Raises
    ------
    InputFileError, NtupleReadError
        If a type is unknown, or a file is missing, damaged or of another layout.
    DownloadError
        If a file can not be fetched.
    """
    chosen = (types,) if isinstance(types, str) else tuple(types)
    _check(chosen, particles, split, fractions)
    parts = []
    for name in chosen:
        path = jetnet_file(name, particles=particles, folder=folder, offline=offline)
        rows = _rows(_length(path), TYPES.index(name), split, fractions, jets)
        parts.append(_read(path, TYPES.index(name), rows))
    return Jets.concatenate(parts)


def read_jetnet_file(path: str | os.PathLike[str], type_: str) -> Jets:
    """All jets of one file of this layout, of whatever name, such as `embedded("top_jets")`, as jets of a type.

    Raises
    ------
    InputFileError, NtupleReadError
        If the type is unknown, or the file is missing, damaged or of another layout.
    """
    _check((type_,), PARTICLES[0], None, FRACTIONS)
    return _read(Path(path), TYPES.index(type_), None)


def jetnet_file(
    type_: str, *, particles: int = 30, folder: str | os.PathLike[str] | None = None, offline: bool = False
) -> Path:
    """Path of the file of one type, fetched if no folder is given."""
    if folder is None:
        from analysis.datasets.fetch import fetch

        return fetch(f"jetnet{particles}-{type_}", offline=offline)
    path = Path(folder) / f"{type_}{'' if particles == PARTICLES[0] else particles}.hdf5"
    if not path.is_file():
        there = sorted(p.name for p in path.parent.glob("*.hdf5"))
        hint = nearest(path.name, there) if there else "The folder has no HDF5 files."
        raise InputFileError(f"There is no file '{path}'. {hint}")
    return path


def _check(types: tuple[str, ...], particles: int, split: str | None, fractions: tuple[float, float, float]) -> None:
    for name in types:
        if name not in TYPES:
            raise InputFileError(f"JetNet has no type '{name}'. {nearest(name, TYPES)}")
    if not types or len(set(types)) < len(types):
        raise InputFileError(f"types={types!r}: name at least one, and each once.")
    if particles not in PARTICLES:
        raise InputFileError(f"particles={particles}: there are JetNet30 and JetNet150.")
    if split is not None and split not in SPLITS:
        raise InputFileError(f"No split '{split}'. {nearest(split, SPLITS)}")
    if min(fractions) < 0 or not math.isclose(sum(fractions), 1):
        raise InputFileError(f"fractions={fractions} do not add up to 1.")


def _rows(
    n: int, number: int, split: str | None, fractions: tuple[float, float, float], jets: int | None
) -> NDArray[np.int64]:
    """Rows of one type, in the order of the file."""
    order = np.random.default_rng([SEED, number]).permutation(n)
    if split is not None:
        edges = np.round(np.cumsum((0.0, *fractions)) * n).astype(int)
        place = SPLITS.index(split)
        order = order[edges[place] : edges[place + 1]]
    return np.sort(order[:jets])


def _length(path: Path) -> int:
    with _opened(path) as file:
        return len(open_node(file, "particle_features"))


def _read(path: Path, number: int, rows: NDArray[np.int64] | None) -> Jets:
    with _opened(path) as file:
        try:
            # Whole and then the rows: picking single rows makes HDF5 unpack every chunk many times.
            particles, features = open_node(file, "particle_features")[:], open_node(file, "jet_features")[:]
        except OSError as error:
            raise NtupleReadError(f"'{path}' can not be decoded; fetch it again. ({error})", file=str(path)) from error
    if rows is not None:
        particles, features = particles[rows], features[rows]
    clouds = np.ascontiguousarray(particles[..., :3], dtype=np.float32)
    clouds[..., 1] = wrap(clouds[..., 1])
    clouds[(particles[..., 3] < 0.5) | (clouds[..., 2] <= 0)] = 0
    labels = np.full(len(clouds), number, dtype=np.int64)
    return Jets(clouds, features, labels, COORDINATES, FEATURES, TYPES)


def _opened(path: Path) -> h5py.File:
    """The file, if it has the layout of JetNet."""
    if not path.is_file():
        raise InputFileError(f"There is no file '{path}'.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise NtupleReadError(f"'{path}' is not an HDF5 file, or truncated: {error}", file=str(path)) from error
    try:
        # Listed, because to ask whether a link is there would follow it.
        names = sorted({"particle_features", "jet_features"} & set(file))
        shapes = {name: _shape(file, name, path) for name in names}
    except Exception:
        file.close()
        raise
    particles, jets = shapes.get("particle_features", ()), shapes.get("jet_features", ())
    if len(particles) != 3 or particles[2] != 4 or jets != (particles[0], len(FEATURES)):
        file.close()
        raise InputFileError(
            f"'{path}' has not the layout of JetNet, particle_features (N, P, 4) and jet_features (N, 4), but "
            f"{shapes or 'neither of them'}."
        )
    return file


def _shape(file: h5py.File, name: str, path: Path) -> tuple[int, ...]:
    """Shape of a data set of numbers that is in the file as a whole."""
    with decoding(str(path), name):
        node = open_node(file, name)
        if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "fiu":
            return ()
        refuse_fill_values(node, str(path))
        return tuple(node.shape)
