"""JetClass (Qu, Li, Qian, arXiv:2202.03772; doi:10.5281/zenodo.6619768): ROOT files of jets of ten classes.

A file holds 100,000 jets of one process in the TTree `tree`, with the branches of PARTICLE_BRANCHES (a list per jet),
JET_BRANCHES and one label per class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import BranchNotFoundError, ConstituentError, NonFiniteError, nearest
from analysis.expressions.column import Column
from analysis.features.constituents import wrap
from analysis.io.chunks import entries_within, parse_memory, plan_chunks
from analysis.io.opening import open_table
from analysis.io.padding import hardest_first
from analysis.io.paths import Files, expand
from analysis.io.tables import Table
from analysis.jets import COORDINATES, Jets

CLASSES = ("QCD", "Hbb", "Hcc", "Hgg", "H4q", "Hqql", "Zqq", "Wqq", "Tbqq", "Tbl")
LABELS = tuple(f"label_{name}" for name in CLASSES)
MOMENTA = ("part_px", "part_py", "part_pz")
IDENTITY = ("charge", "isChargedHadron", "isNeutralHadron", "isPhoton", "isElectron", "isMuon")
DISPLACEMENT = ("d0val", "d0err", "dzval", "dzerr")
PARTICLE_BRANCHES = (
    *MOMENTA,
    *(f"part_{name}" for name in ("energy", "deta", "dphi", *DISPLACEMENT, *IDENTITY)),
)
JET_FEATURES = ("pt", "eta", "phi", "energy", "nparticles", "sdmass", "tau1", "tau2", "tau3", "tau4")
JET_BRANCHES = tuple(f"jet_{name}" for name in JET_FEATURES)
TREE = "tree"


def read_jetclass(
    files: Files,
    *,
    particles: int = 128,
    extras: Sequence[str] = (*IDENTITY, *DISPLACEMENT),
    memory: str | int = "200 MB",
) -> Jets:
    """All jets of some files.

    Parameters
    ----------
    files : path, pattern or list of them.
    particles : of each jet the hardest so many are kept.
    extras : further columns of the clouds, by the names of the branches without `part_`, as they are in the file; d0val
        and dzval have very heavy tails. The first three columns are computed anew from the momenta: etarel = η − η of
        the jet, phirel = φ − φ of the jet, wrapped, and ptrel = pT / pT of the jet.
    memory : ceiling for what one chunk takes while it is read.

    Raises
    ------
    InputFileError, NtupleReadError, TreeNotFoundError, BranchNotFoundError
        If files or branches are missing or damaged.
    ConstituentError, NonFiniteError
        If branches do not fit each other, a jet has not exactly one label, or a number is not finite.
    """
    return Jets.concatenate(list(iterate_jetclass(files, particles=particles, extras=extras, memory=memory)))


def iterate_jetclass(
    files: Files,
    *,
    particles: int = 128,
    extras: Sequence[str] = (*IDENTITY, *DISPLACEMENT),
    memory: str | int = "200 MB",
) -> Iterator[Jets]:
    """The jets of some files chunk by chunk, with the arguments and errors of `read_jetclass`."""
    if particles < 1:
        raise ConstituentError(f"particles={particles}: at least one is needed.")
    chosen = [f"part_{name}" for name in extras]
    for name in chosen:
        if name not in PARTICLE_BRANCHES:
            known = [branch.removeprefix("part_") for branch in PARTICLE_BRANCHES]
            raise BranchNotFoundError(
                f"Particles of JetClass have no '{name.removeprefix('part_')}'. "
                f"{nearest(name.removeprefix('part_'), known)}"
            )
    wanted = list(dict.fromkeys((*MOMENTA, *chosen, *JET_BRANCHES, *LABELS)))
    budget = parse_memory(memory)
    for path in expand(files):
        table = open_table(path, TREE, cache_bytes=budget // 4)
        try:
            for start, stop in _ranges(table, wanted, budget, particles * (len(chosen) + len(COORDINATES))):
                yield _jets(table.read(wanted, start, stop), chosen, particles, f"'{path}', entries {start} to {stop}")
        finally:
            table.close()


def _ranges(table: Table, wanted: Sequence[str], budget: int, numbers: int) -> list[tuple[int, int]]:
    for name in wanted:
        if name not in table.names:
            raise BranchNotFoundError(f"'{table.path}' has no branch '{name}'. {nearest(name, table.names)}")
    bytes_per_event = numbers * np.dtype(np.float32).itemsize
    largest = entries_within(budget - budget // 4, table.bytes_per_entry(wanted), bytes_per_event)
    return plan_chunks(table.boundaries(wanted), largest) or [(0, 0)]


def _jets(columns: Mapping[str, Column], extras: Sequence[str], particles: int, place: str) -> Jets:
    of_jets = {name: columns[branch].values for name, branch in zip(JET_FEATURES, JET_BRANCHES, strict=True)}
    n = len(columns[LABELS[0]])
    offsets = _offsets(columns, [*MOMENTA, *extras], place)
    jet = np.repeat(np.arange(n), np.diff(offsets))
    px, py, pz = (columns[name].values.astype(np.float64) for name in MOMENTA)
    pt = np.hypot(px, py)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.where(pt > 0, np.arcsinh(pz / pt), 0.0)
    cloud: list[NDArray[Any]] = [
        eta - of_jets["eta"][jet],
        wrap(np.arctan2(py, px) - of_jets["phi"][jet]),
        pt / of_jets["pt"][jet],
        *(columns[name].values for name in extras),
    ]
    clouds, _ = hardest_first(jet, cloud, pt, cells=n, leading=particles)
    try:
        return Jets(
            clouds=clouds,
            features=np.stack(list(of_jets.values()), axis=1).astype(np.float32),
            labels=_labels(columns),
            columns=(*COORDINATES, *(name.removeprefix("part_") for name in extras)),
            feature_columns=JET_FEATURES,
            classes=CLASSES,
        )
    except (ConstituentError, NonFiniteError) as error:
        raise type(error)(f"{place}: {error}") from None


def _offsets(columns: Mapping[str, Column], names: Sequence[str], place: str) -> NDArray[np.int64]:
    """The common list lengths of the particle branches."""
    offsets = columns[names[0]].offsets
    if offsets is None:
        raise ConstituentError(f"{place}: '{names[0]}' has one value per jet; a list of particles is needed.")
    for name in names[1:]:
        if not np.array_equal(columns[name].offsets, offsets):  # type: ignore[arg-type]
            raise ConstituentError(f"{place}: '{names[0]}' and '{name}' have different numbers of particles per jet.")
    return offsets


def _labels(columns: Mapping[str, Column]) -> NDArray[np.int64]:
    """Position of the one label that is set."""
    flags = np.stack([columns[name].values for name in LABELS], axis=1) == 1
    odd = flags.sum(axis=1) != 1
    if odd.any():
        raise ConstituentError(f"{int(odd.sum())} of {len(odd)} jets have not exactly one of the labels {LABELS}.")
    return np.asarray(np.argmax(flags, axis=1), dtype=np.int64)
