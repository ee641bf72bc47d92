"""How published tables of jet generators were made: numbers of jets, batches, averages.

Values from different protocols can not be compared; within one, differences are to be judged against its floor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from analysis.errors import MetricError, nearest
from analysis.metrics.frechet import FrechetSampling
from analysis.metrics.sampling import Array, Sampling
from analysis.metrics.sic_and_auc import FloatArray
from analysis.metrics.wasserstein import inverse_variance_mean, mean_of_features


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is drawn for each metric.

    Attributes
    ----------
    name, origin
        The preset, and whose tables it is for.
    attributes
        Where generated jets are to take numbers of constituents, momenta and masses from; that is up to the caller.
    wasserstein, kernel, matching, activations
        Batches of W1P, W1M and W1EFP; of KPD; of coverage and MMD, None to leave these out; of FPND.
    frechet
        Batches that FPD is extrapolated from.
    average
        Distances (B, F) to (B,): how W1P and W1EFP average over features.
    """

    name: str
    origin: str
    attributes: str
    wasserstein: Sampling
    kernel: Sampling = field(default_factory=lambda: Sampling(5_000, 10))
    matching: Sampling | None = field(default_factory=lambda: Sampling(100, 10))
    activations: Sampling = field(default_factory=lambda: Sampling(50_000, 1, replacement=False))
    frechet: FrechetSampling = field(default_factory=FrechetSampling)
    average: Callable[[FloatArray], Array] = mean_of_features

    def at_most(self, n: int) -> Protocol:
        """The same with batches that n jets suffice for."""
        return replace(
            self,
            wasserstein=self.wasserstein.at_most(n),
            kernel=self.kernel.at_most(n),
            matching=self.matching and self.matching.at_most(n),
            activations=self.activations.at_most(n),
            frechet=self.frechet.at_most(n),
        )


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="mpgan",
            origin="MPGAN, GAPT (arXiv:2106.11535, 2211.10295)",
            attributes="numbers of constituents of true jets",
            wasserstein=Sampling(10_000, 5),
        ),
        Protocol(
            name="pcjedi",
            origin="PC-JeDi, PC-Droid (arXiv:2303.05376, 2307.06836)",
            attributes="true jets of the test set",
            wasserstein=Sampling(10_000, 10),
        ),
        Protocol(
            name="epicgan",
            origin="EPiC-GAN (arXiv:2301.08128)",
            attributes="numbers of constituents from a density estimate",
            wasserstein=Sampling(10_000, 5, replacement=False, whole_truth=True),
            activations=Sampling(25_000, 10, replacement=False),
        ),
        Protocol(
            name="epicfm",
            origin="EPiC-FM, EPiC-JeDi (arXiv:2310.00049)",
            attributes="generated jets, five times as many as in the test set",
            wasserstein=Sampling(50_000, 40),
        ),
        Protocol(
            name="fpcd",
            origin="FPCD, OmniLearn (arXiv:2304.01266, 2404.16091)",
            attributes="generated jets",
            wasserstein=Sampling(50_000, 5),
            matching=Sampling(1_000, 1),
        ),
        Protocol(
            name="kaech",
            origin="Käch et al., DeepTreeGAN (arXiv:2305.15254, 2312.00042)",
            attributes="numbers of constituents from a density estimate",
            wasserstein=Sampling(25_000, 5),
            kernel=Sampling(5_000, 5),
            average=inverse_variance_mean,
        ),
    )
}


def protocol_of(protocol: str | Protocol) -> Protocol:
    """The preset of that name, or the protocol itself.

    Raises
    ------
    MetricError
        If there is no preset of that name.
    """
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise MetricError(f"there is no protocol {protocol!r}. {nearest(protocol, PROTOCOLS)}")
    return PROTOCOLS[protocol]
