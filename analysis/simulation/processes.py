"""What collides into what: the processes of the LHC Olympics R&D sample as Pythia 8 settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.errors import SimulationError, nearest

LEADING_JET_PT = 1200.0

# Monash is Pythia's default tune. K0S, Lambda and longer-lived particles reach the detector undecayed, as with Delphes.
COMMON = (
    "Beams:eCM = 13000",
    "PartonLevel:MPI = off",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10",
    "Check:epTolErr = 1e-2",
    "Random:setSeed = on",
    "Print:quiet = on",
)


#: Parton showers of Pythia: its own one ordered in pT, and antennae (Fischer et al., 1605.06142).
SHOWERS = {"simple": (), "vincia": ("PartonShowers:model = 2",)}


@dataclass(frozen=True)
class Process:
    """A hard process: `settings` for Pythia, truth label, and whether most of its events miss the jet-pT cut."""

    name: str
    settings: tuple[str, ...]
    is_signal: bool
    soft: bool


def process(
    signal: str | None,
    *,
    resonance_mass: float,
    daughter_masses: tuple[float, float],
    shower: str = "simple",
    mhat_min: float = 0.0,
) -> Process:
    """The process of a name, with a parton shower of `SHOWERS`.

    None are QCD dijets, "wprime" is W' → X Y → 4 quarks, "zprime_tt" is Z' → t t̄ → 6 quarks. Masses in GeV; only
    "wprime" has free daughter masses, (X, Y). Of QCD dijets only those are made whose two partons have a mass of at
    least `mhat_min`, GeV, for more events at high masses. Radiation makes jets heavier than the partons: with 3800 the
    features of 1,200 events at 4250 to 4850 still differ from those of all, those of 750 at 4600 to 5200 do not, so
    take what is a fifth above it. A bound on pT would not do: it takes the wide angles away at every mass.

    Raises
    ------
    SimulationError
        If a name is unknown, the decay is kinematically closed, or the jets would be too soft for the selection.
    """
    if shower not in SHOWERS:
        raise SimulationError(f"Unknown shower '{shower}'. {nearest(shower, SHOWERS)}")
    if mhat_min < 0 or (mhat_min and signal is not None):
        raise SimulationError(
            f"Lowest mass {mhat_min:g} GeV of the partons of {signal or 'QCD'}: it must be positive, and a signal has "
            "none because it is a resonance; leave it out."
        )
    found = _hard_process(signal, resonance_mass=resonance_mass, daughter_masses=daughter_masses)
    if mhat_min:
        found = replace(found, settings=(*found.settings, f"PhaseSpace:mHatMin = {mhat_min:g}"))
    return replace(found, settings=(*found.settings, *SHOWERS[shower]))


def _hard_process(signal: str | None, *, resonance_mass: float, daughter_masses: tuple[float, float]) -> Process:
    if signal is None:
        return qcd()
    if signal not in SIGNALS:
        raise SimulationError(f"Unknown signal '{signal}'. {nearest(signal, SIGNALS)}")
    # Half of the mass is the largest jet pT of a two-body decay at rest.
    if resonance_mass <= 2 * LEADING_JET_PT:
        raise SimulationError(
            f"Resonance mass {resonance_mass:g} GeV: its jets are softer than the {LEADING_JET_PT:g} GeV that the "
            f"leading one must have; choose more than {2 * LEADING_JET_PT:g} GeV."
        )
    if signal == "zprime_tt":
        return zprime_tt(resonance_mass)
    return wprime(resonance_mass, daughter_masses)


SIGNALS = ("wprime", "zprime_tt")


def qcd() -> Process:
    """All QCD 2 → 2 scatterings above 700 GeV; less than 1 % of the selected events would come from below."""
    return Process("qcd", (*COMMON, "HardQCD:all = on", "PhaseSpace:pTHatMin = 700"), is_signal=False, soft=True)


def wprime(mass: float, daughter_masses: tuple[float, float]) -> Process:
    """W' → X Y, each to two light quarks.

    X and Y are Pythia's W and Z with other masses, because that keeps the spin correlations of W' → V V → 4 quarks,
    which the LHC Olympics signal shows: isotropically decaying scalars can be told apart from it.
    """
    x, y = daughter_masses
    if min(x, y) <= 0 or x + y >= mass:
        raise SimulationError(
            f"W'({mass:g}) → X({x:g}) Y({y:g}): daughter masses must be positive and sum to less than the parent's."
        )
    settings = (
        "NewGaugeBoson:ffbar2Wprime = on",
        "Wprime:coup2WZ = 1",
        "34:onMode = off",
        "34:onIfAll = 23 24",
        *_resonance(34, mass, relative_width=0.02, low=0.5, high=1.5),
        *_resonance(24, x, relative_width=0.026, low=0.5, high=1.5),
        *_decays(24, "1 2 3 4"),
        *_resonance(23, y, relative_width=0.027, low=0.5, high=1.5),
        *_decays(23, "1 2 3"),
    )
    return Process("wprime", COMMON + settings, is_signal=True, soft=False)


def zprime_tt(mass: float) -> Process:
    """Z' → t t̄ with hadronic top decays: a signal with three-pronged jets."""
    settings = (
        "NewGaugeBoson:ffbar2gmZZprime = on",
        "Zprime:gmZmode = 3",
        f"32:m0 = {mass}",
        f"32:mMin = {0.6 * mass}",
        f"32:mMax = {1.4 * mass}",
        *_decays(32, "6"),
        *_decays(24, "1 2 3 4 5"),
    )
    return Process("zprime_tt", COMMON + settings, is_signal=True, soft=False)


#: As COMMON, but strange hadrons decay in the tracker, mm, so that there are tracks from far.
DECAYING = (
    *COMMON,
    "ParticleDecays:limitTau0 = off",
    "ParticleDecays:limitCylinder = on",
    "ParticleDecays:xyMax = 300",
    "ParticleDecays:zMax = 600",
)
#: Of the hard process, GeV: jets of 500 GeV hardly come from below.
BOOSTED = "PhaseSpace:pTHatMin = 400"


def boosted_tops() -> Process:
    """Top pairs that decay to quarks."""
    pairs = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *_decays(24, "1 2 3 4 5"))
    return Process("TTBar", (*DECAYING, BOOSTED, *pairs), is_signal=True, soft=False)


def recoiling_partons() -> Process:
    """A light quark or a gluon against a Z that decays to neutrinos."""
    jet = ("WeakBosonAndParton:qqbar2gmZg = on", "WeakBosonAndParton:qg2gmZq = on", "WeakZ0:gmZmode = 2")
    return Process("ZJetsToNuNu", (*DECAYING, BOOSTED, *jet, *_decays(23, "12 14 16")), is_signal=False, soft=False)


def _resonance(particle: int, mass: float, *, relative_width: float, low: float, high: float) -> tuple[str, ...]:
    return (
        f"{particle}:m0 = {mass}",
        f"{particle}:doForceWidth = on",
        f"{particle}:mWidth = {relative_width * mass}",
        f"{particle}:mMin = {low * mass}",
        f"{particle}:mMax = {high * mass}",
    )


def _decays(particle: int, products: str) -> tuple[str, ...]:
    return (f"{particle}:onMode = off", f"{particle}:onIfAny = {products}")
