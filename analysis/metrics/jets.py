"""Generated jets against true ones by all metrics of one protocol, beside the same of truth against truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.errors import TooFewEventsError
from analysis.features.constituents import relative_mass
from analysis.features.energy_flow import FOUR_BY_FOUR, energy_flow_polynomials
from analysis.metrics.frechet import frechet_physics_distance, kernel_physics_distance
from analysis.metrics.movers import coverage_and_mmd
from analysis.metrics.protocols import Protocol, protocol_of
from analysis.metrics.sampling import Array, InvalidJets, over_batches, valid_clouds
from analysis.metrics.sic_and_auc import FloatArray, Measured
from analysis.metrics.wasserstein import w1_jets, w1_particles


@dataclass(frozen=True)
class JetDistances:
    """Distances of two samples of jets, each a value and its error; None where the protocol leaves it out.

    Attributes
    ----------
    w1p, w1_eta, w1_phi, w1_pt
        Of the constituents: the average, and of Δη, Δφ, relative pT. Errors are spreads from batch to batch.
    w1m, w1efp
        Of m/pT of the jets, and of five energy flow polynomials, averaged as the protocol says.
    fpd, kpd
        Fréchet and kernel distance of 36 energy flow polynomials.
    coverage, mmd
        By energy mover's distances. Only coverage is better when large.
    """

    w1p: Measured
    w1_eta: Measured
    w1_phi: Measured
    w1_pt: Measured
    w1m: Measured
    w1efp: Measured
    fpd: Measured
    kpd: Measured
    coverage: Measured | None
    mmd: Measured | None


@dataclass(frozen=True)
class JetMetrics:
    """Result of `evaluate_jets`; `print` shows it as a table.

    Attributes
    ----------
    value, floor
        Of generated jets against one half of the truth, and of the other half against it.
    protocol, asked
        The protocol as it was used, with batches that the jets suffice for, and as it was asked for.
    n_jets
        Number of jets in each of the three samples.
    n_invalid, n_invalid_truth
        Jets that had to be left out of all of them: a generator that makes any is worse than its distances.
    n_generated
        Jets that were handed over, with the invalid ones.
    """

    value: JetDistances
    floor: JetDistances
    protocol: Protocol
    asked: Protocol
    n_jets: int
    n_generated: int
    n_invalid: InvalidJets
    n_invalid_truth: InvalidJets

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        bad, used = self.n_invalid, self.protocol
        yield f"Protocol {used.name}: {used.origin}; {self.n_jets:,} jets generated, {self.n_jets:,} true"
        yield f"  W1   {used.wasserstein}"
        yield f"  FPD  {used.frechet}"
        yield f"  KPD  {used.kernel}"
        if used.matching:
            yield f"  COV  {used.matching}"
        if replace(used, activations=self.asked.activations) != self.asked:
            yield "  There are too few jets for the batches of the protocol: do not compare with published values."
        yield (
            f"Invalid: {bad.total:,} of {self.n_generated:,} ({bad.total / self.n_generated:.2%}): "
            f"{bad.non_finite:,} not finite, {bad.negative_pt:,} with negative pT, {bad.empty:,} empty"
        )
        if self.n_invalid_truth.total:
            yield f"Invalid true jets: {self.n_invalid_truth.total:,}"
        yield ""
        yield f"{'':14}{'generated':^22}{'truth against truth':^22}"
        for label, unit, value, floor in _rows(self.value, self.floor):
            yield f"{label:<7}{unit:>6.0e} {_shown(value, unit):^22}{_shown(floor, unit):^22}".rstrip()


#: Names, labels and units in which published tables give them.
_TABLE = (
    ("w1m", "W1M", 1e-3),
    ("w1p", "W1P", 1e-3),
    ("w1_eta", "W1 η", 1e-3),
    ("w1_phi", "W1 φ", 1e-3),
    ("w1_pt", "W1 pT", 1e-3),
    ("w1efp", "W1EFP", 1e-5),
    ("fpd", "FPD", 1e-3),
    ("kpd", "KPD", 1e-6),
    ("coverage", "COV", 1.0),
    ("mmd", "MMD", 1e-2),
)


def evaluate_jets(
    generated: FloatArray, truth: FloatArray, *, protocol: str | Protocol = "mpgan", seed: int
) -> JetMetrics:
    """Compare generated clouds (N, P, 3) to true ones (M, Q, 3), both (Δη, Δφ, pT/pT of the jet), absent ones zero.

    The truth is cut into two disjoint random halves: one is the reference of both the generated jets and of the other
    half, whose distances are the floor. All three have the same number of jets, the smaller of N and M/2. The floor is
    that of one cut: with long tails, that of another seed may differ by more than its error. Invalid jets are counted
    and left out. Hand over true jets that the generator was not trained with, and momenta relative to the
    whole jet, not to the constituents that were kept.

    Raises
    ------
    TooFewEventsError
        If fewer than 100 jets are left in a sample, or too few for two jets in each of disjoint batches.
    MetricError
        If the arrays are no clouds, or there is no such protocol.
    """
    asked = protocol_of(protocol)
    rng = np.random.default_rng([seed, 2])
    (good, bad), (good_truth, bad_truth) = valid_clouds(generated), valid_clouds(truth)
    order, picked = rng.permutation(len(good_truth)), rng.permutation(len(good))
    n = min(len(good), len(good_truth) // 2)
    used = asked.at_most(n)
    if n < _FEWEST or used.wasserstein.jets < 2:
        raise TooFewEventsError(
            f"{len(good):,} valid generated jets and {len(good_truth):,} true ones leave samples of {n}; "
            f"at least {max(_FEWEST, 2 * used.wasserstein.batches)} are needed in each."
        )
    reference = _Observed.of(good_truth[order[:n]])
    value, floor = (
        _distances(_Observed.of(clouds), reference, used, seed)
        for clouds in (good[picked[:n]], good_truth[order[n : 2 * n]])
    )
    return JetMetrics(value, floor, used, asked, n, len(np.asarray(generated)), bad, bad_truth)


_FEWEST = 100


@dataclass(frozen=True, eq=False)
class _Observed:
    """Jets and what is computed once for each."""

    clouds: FloatArray
    mass: Array
    polynomials: Array

    @classmethod
    def of(cls, clouds: FloatArray) -> _Observed:
        return cls(clouds, relative_mass(clouds)[:, None], energy_flow_polynomials(clouds))


def _distances(x: _Observed, truth: _Observed, protocol: Protocol, seed: int) -> JetDistances:
    particles = w1_particles(x.clouds, truth.clouds, sampling=protocol.wasserstein, seed=seed)
    mass = w1_jets(x.mass, truth.mass, sampling=protocol.wasserstein, seed=seed)
    five = list(FOUR_BY_FOUR)
    polynomials = w1_jets(x.polynomials[:, five], truth.polynomials[:, five], sampling=protocol.wasserstein, seed=seed)
    matching = protocol.matching and coverage_and_mmd(x.clouds, truth.clouds, sampling=protocol.matching, seed=seed)
    eta, phi, pt = (over_batches(feature) for feature in particles.T)
    return JetDistances(
        w1p=over_batches(protocol.average(particles)),
        w1_eta=eta,
        w1_phi=phi,
        w1_pt=pt,
        w1m=over_batches(mass[:, 0]),
        w1efp=over_batches(protocol.average(polynomials)),
        fpd=frechet_physics_distance(x.polynomials, truth.polynomials, sampling=protocol.frechet, seed=seed),
        kpd=kernel_physics_distance(x.polynomials, truth.polynomials, sampling=protocol.kernel, seed=seed),
        coverage=matching.coverage if matching else None,
        mmd=matching.mmd if matching else None,
    )


def _rows(value: JetDistances, floor: JetDistances) -> Iterator[tuple[str, float, Measured, Measured]]:
    """Label, unit, value and floor of what was measured."""
    for name, label, unit in _TABLE:
        a, b = getattr(value, name), getattr(floor, name)
        if a is not None:
            yield label, unit, a, b


def _shown(measured: Measured, unit: float) -> str:
    return f"{measured.value / unit:.3g} ± {measured.error / unit:.2g}"
