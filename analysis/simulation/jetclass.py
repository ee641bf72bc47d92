"""Simulated top and light jets in the layout of JetClass (Qu, Li, Qian, arXiv:2202.03772): `simulate_jets`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.errors import SimulationError, nearest
from analysis.outputs import check_output_file
from analysis.simulation.parts import enough, folder_beside, in_order, read_events, write_events
from analysis.tasks import Task, executor, task

if TYPE_CHECKING:
    import awkward as ak

#: Kind of jets -> its label in JetClass.
KINDS = {"top": "label_Tbqq", "light": "label_QCD"}
RADIUS = 0.8
LOWEST_PT, HIGHEST_PT, LARGEST_ETA = 500.0, 1000.0, 2.0
MOST_PARTICLES = 128
JETS_PER_CHUNK = 500
PRONGS = (1, 2, 3, 4)

logger = logging.getLogger(__name__)


def simulate_jets(
    n_jets: int,
    *,
    kind: str = "top",
    seed: int,
    output: str | os.PathLike[str],
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate `n_jets` and write them in the layout of JetClass, which `analysis.datasets.read_jetclass` reads.

    Proton collisions at 13 TeV from Pythia 8 (Monash tune, no multiple interactions, no pile-up), the response of
    `cms_like()`, anti-kT jets of R = 0.8 with 500 < pT < 1000 GeV and |η| < 2. "top" are jets of t t̄ that have all
    three quarks of one top within ΔR < 0.8; "light" is the hardest jet beside a Z that decays to neutrinos. All
    particles are massless, at most the 128 hardest are kept. Tracks have d0 and z of closest approach, mm, with the
    errors of `analysis.simulation.impact`; strange hadrons decay in the tracker. Neutral ones have zeros there. As in
    JetClass, part_deta is mirrored where the η of the jet is negative. An interrupted call is continued by the same
    one.

    Parameters
    ----------
    kind : "top" or "light".
    workers : processes to use. The content of the file depends on the seed but not on this number.
    progress : called as progress(jets done, n_jets).

    Raises
    ------
    SimulationError
        If the optional libraries are missing, or a setting makes no sense.
    OutputError
        If the file can not be written.
    """
    from analysis.datasets.jetclass_file import jetclass_file

    _require(output, n_jets, kind, seed, workers)
    chunks = [
        Task.of(simulate_chunk, jets=min(JETS_PER_CHUNK, n_jets - start), kind=kind, seed=seed, chunk=number)
        for number, start in enumerate(range(0, n_jets, JETS_PER_CHUNK))
    ]
    title = f"Pythia 8 {kind} jets, 13 TeV, fast CMS-like detector; {n_jets} jets, seed {seed}; GeV, mm"
    done, file = 0, jetclass_file(output, title=title)
    with folder_beside(Path(output), chunks) as folder, file as extend:
        for jets in in_order(folder, executor(workers), read_events):
            extend(jets)
            done += len(jets)
            logger.info("%s: %d of %d jets", kind, done, n_jets)
            if progress is not None:
                progress(done, n_jets)
    return Path(output)


def _require(output: str | os.PathLike[str], n_jets: int, kind: str, seed: int, workers: int) -> None:
    """Refuse what could not be simulated or written, before anything is."""
    from analysis.simulation import extras

    check_output_file(output)
    if kind not in KINDS:
        raise SimulationError(f"Unknown kind of jets '{kind}'. {nearest(kind, KINDS)}")
    if seed < 0:
        raise SimulationError(f"Seed {seed}: it must not be negative.")
    if n_jets < 1 or workers < 1:
        raise SimulationError(f"{n_jets} jets with {workers} workers: both must be at least 1.")
    extras.pythia8()
    extras.fastjet()


@task
def simulate_chunk(place: Path, *, kind: str, jets: int, seed: int, chunk: int) -> int:
    """Simulate a part of a sample on its own."""
    from analysis.simulation.generation import MAXIMUM_SEED

    # The kind is part of it, so that light and top jets of one seed share no random numbers.
    stream = np.random.SeedSequence(seed, spawn_key=(list(KINDS).index(kind), chunk))
    pythia_seed = 1 + int(stream.generate_state(1)[0]) % MAXIMUM_SEED
    selected = selected_jets(kind, pythia_seed, np.random.default_rng(stream))
    found = enough(selected, jets, of=kind, passing="have a jet that is selected")
    write_events(place, found)
    return len(found)


def selected_jets(kind: str, seed: int, rng: np.random.Generator) -> Iterator[tuple[ak.Array, int]]:
    """Endless batches of jets with all branches of JetClass, and the number of events that they come from."""
    import awkward as ak

    from analysis.datasets.jetclass import LABELS
    from analysis.simulation.detector import cms_like
    from analysis.simulation.generation import records, stable_particles
    from analysis.simulation.jets import leading_jets
    from analysis.simulation.processes import boosted_tops, recoiling_partons

    detector, process = cms_like(), boosted_tops() if kind == "top" else recoiling_partons()
    for batch in records(process, seed=seed):
        particles, n = stable_particles(batch)
        objects = reconstructed(detector, particles, n, rng)
        jets, members = leading_jets(objects, n=2 if kind == "top" else 1, radius=RADIUS)
        good = (jets.pt > LOWEST_PT) & (jets.pt < HIGHEST_PT) & (abs(jets.eta) < LARGEST_ETA)
        if kind == "top":
            good = good & contain_a_top(jets, batch["prt"])
        found = branches(ak.flatten(jets[good]), ak.flatten(members[good], axis=1))
        for name in LABELS:
            found[name] = np.full(len(found), name == KINDS[kind], np.int32)
        yield found, n


def reconstructed(detector: Any, particles: Any, n_events: int, rng: np.random.Generator) -> ak.Array:
    """Energy-flow objects (n_events, var) with what a tracker and two calorimeters say of their kind.

    Fields: pt, eta, phi, and the branches of JetClass for impact parameters, charge and kind. An electron that loses
    its track is a photon, a muon without track is nothing.
    """
    from analysis.simulation.detector import ECAL, HCAL, TRACK, jagged
    from analysis.simulation.impact import LONGITUDINAL, TRANSVERSE, closest_approach
    from analysis.simulation.tracker import family

    found = detector.reconstruct(particles, rng)
    track = found.made_by == TRACK
    charged = particles[found.particle[track]]
    columns = {"pt": found.pt, "eta": found.eta, "phi": found.phi}
    pt, eta = found.pt[track], found.eta[track]
    passes = closest_approach(charged, field=detector.field)
    for name, true, resolution in zip(("d0", "dz"), passes, (TRANSVERSE, LONGITUDINAL), strict=True):
        error = resolution.errors(pt, eta, rng)
        columns[f"{name}val"] = _of_tracks(true + error * rng.standard_normal(len(error)), track)
        columns[f"{name}err"] = _of_tracks(error, track)
    columns["charge"] = _of_tracks(charged.charge, track)
    kind = family(charged.pdg)
    for name, is_kind in (("isElectron", kind == 0), ("isMuon", kind == 1), ("isChargedHadron", kind == 2)):
        columns[name] = _of_tracks(is_kind, track)
    columns["isPhoton"] = found.made_by == ECAL
    columns["isNeutralHadron"] = found.made_by == HCAL
    return jagged(n_events, found.event, {name: np.asarray(each, np.float64) for name, each in columns.items()})


def _of_tracks(values: Any, track: Any) -> Any:
    """Numbers of tracks among zeros of all others."""
    out = np.zeros(len(track))
    out[track] = values
    return out


def contain_a_top(jets: ak.Array, record: ak.Array) -> ak.Array:
    """Which jets (N, var) have all three quarks of one top, before their showers, within the radius.

    `record` is that of Pythia, where the quarks of decays have status −23 and a mother that is t or W⁺, t̄ or W⁻.
    """
    import awkward as ak

    quarks = record[(record.status == -23)]
    mother = record.id[quarks.mother1]
    eta = np.arcsinh(quarks.p.pz / np.hypot(quarks.p.px, quarks.p.py))
    phi = np.arctan2(quarks.p.py, quarks.p.px)
    contained = None
    for sign in (1, -1):
        own = (mother == 6 * sign) | (mother == 24 * sign)
        pairs = ak.cartesian({"jet": jets, "quark": ak.zip({"eta": eta[own], "phi": phi[own]})}, nested=True)
        turn = np.mod(pairs.jet.phi - pairs.quark.phi + np.pi, 2 * np.pi) - np.pi
        near = np.hypot(pairs.jet.eta - pairs.quark.eta, turn) < RADIUS
        all_three = ak.sum(near, axis=2) == 3
        contained = all_three if contained is None else contained | all_three
    return contained


def branches(jets: ak.Array, members: ak.Array) -> ak.Array:
    """Jets (J,) and their particles (J, var), by falling pT, as records with the branches of JetClass but labels."""
    import awkward as ak

    from analysis.datasets.jetclass import DISPLACEMENT, IDENTITY
    from analysis.simulation.jets import soft_drop_mass, subjettiness

    members = ak.to_packed(members[:, :MOST_PARTICLES])
    side = np.where(ak.to_numpy(jets.eta) < 0, -1.0, 1.0)
    out = {
        "part_px": members.pt * np.cos(members.phi),
        "part_py": members.pt * np.sin(members.phi),
        "part_pz": members.pt * np.sinh(members.eta),
        "part_energy": members.pt * np.cosh(members.eta),
        "part_deta": (members.eta - jets.eta) * side,
        "part_dphi": np.mod(members.phi - jets.phi + np.pi, 2 * np.pi) - np.pi,
        **{f"part_{name}": members[name] for name in (*DISPLACEMENT, *IDENTITY)},
        **{f"jet_{name}": jets[name] for name in ("pt", "eta", "phi")},
        "jet_energy": jets.E,
        "jet_nparticles": ak.num(members),
    }
    if len(jets):
        out["jet_sdmass"] = soft_drop_mass(members, radius=RADIUS)
        taus = subjettiness(members, radius=RADIUS, prongs=PRONGS).T
    else:
        out["jet_sdmass"], taus = np.zeros(0), np.zeros((len(PRONGS), 0))
    out |= {f"jet_tau{prongs}": tau for prongs, tau in zip(PRONGS, taus, strict=True)}
    return ak.zip(out, depth_limit=1)
