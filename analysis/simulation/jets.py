"""Large jets and their substructure out of massless objects."""

from __future__ import annotations

from collections.abc import Sequence

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from analysis.simulation.extras import fastjet

RADIUS = 1.0
MINIMUM_PT = 20.0


def leading_jets(objects: ak.Array, *, n: int = 2, radius: float = RADIUS) -> tuple[ak.Array, ak.Array]:
    """The `n` hardest anti-kT jets of each event and their constituents, both ordered by falling pT.

    `objects` (N, var) are massless with the fields pt, eta, phi in GeV; the jets (N, ≤ n) have px, py, pz, E, pt, eta,
    phi, mass; the constituents (N, ≤ n, var) have the fields of the objects. Only jets above 20 GeV count. Anti-kT:
    Cacciari, Salam, Soyez, arXiv:0802.1189.
    """
    library = fastjet()
    clusters = library.ClusterSequence(_four_vectors(objects), library.JetDefinition(library.antikt_algorithm, radius))
    momenta, index = clusters.inclusive_jets(min_pt=MINIMUM_PT), clusters.constituent_index(min_pt=MINIMUM_PT)
    hardest = ak.argsort(np.hypot(momenta.px, momenta.py), axis=1, ascending=False)[:, :n]
    momenta, index = momenta[hardest], index[hardest]

    members = objects[ak.flatten(index, axis=2)]
    per_jet = ak.flatten(ak.num(index, axis=2), axis=None)
    constituents = ak.unflatten(ak.unflatten(ak.flatten(members), per_jet), ak.num(index, axis=1))
    constituents = constituents[ak.argsort(constituents.pt, axis=2, ascending=False)]
    return _with_kinematics(momenta), constituents


def substructure(jets: ak.Array, constituents: ak.Array) -> ak.Array:
    """The jets with tau1, tau2, tau3 and nConstituents."""
    taus = subjettiness(ak.flatten(constituents, axis=1))
    jets = ak.with_field(jets, ak.num(constituents, axis=2), "nConstituents")
    for i, name in enumerate(("tau1", "tau2", "tau3")):
        jets = ak.with_field(jets, ak.unflatten(taus[:, i], ak.num(jets)), name)
    return jets


def subjettiness(
    constituents: ak.Array, *, radius: float = RADIUS, prongs: Sequence[int] = (1, 2, 3)
) -> NDArray[np.float64]:
    """τ_N of jets by their constituents (J, var), (J, len(prongs)).

    N-subjettiness (Thaler, Van Tilburg, arXiv:1011.2268) with β = 1, normalised by the radius, exclusive kT axes
    refined by one pass of minimisation, as computed by FastJet contrib; zero for jets of N constituents or fewer.
    """
    library = fastjet()
    four_vectors = _four_vectors(ak.to_packed(constituents))
    clusters = library.ClusterSequence(four_vectors, library.JetDefinition(library.kt_algorithm, radius))
    taus: NDArray[np.float64] = ak.to_numpy(
        clusters.njettiness(
            measure_definition="NormalizedMeasure",
            axes_definition="OnePass_KT_Axes",
            njets=list(prongs),
            beta=1.0,
            R0=radius,
        )
    )
    return taus


def soft_drop_mass(constituents: ak.Array, *, radius: float) -> NDArray[np.float64]:
    """Mass in GeV after soft drop (Larkoski, Marzani, Soyez, Thaler, arXiv:1402.2657) with z = 0.1, β = 0, (J,)."""
    library = fastjet()
    four_vectors = _four_vectors(ak.to_packed(constituents))
    clusters = library.ClusterSequence(four_vectors, library.JetDefinition(library.cambridge_algorithm, radius))
    groomed = clusters.exclusive_jets_softdrop_grooming(njets=1, beta=0.0, symmetry_cut=0.1, R0=radius)
    # A single particle has a mass of −0, by rounding.
    mass: NDArray[np.float64] = np.maximum(ak.to_numpy(groomed.msoftdrop), 0.0)
    return mass


def _four_vectors(objects: ak.Array) -> ak.Array:
    px, py = objects.pt * np.cos(objects.phi), objects.pt * np.sin(objects.phi)
    return ak.zip({"px": px, "py": py, "pz": objects.pt * np.sinh(objects.eta), "E": objects.pt * np.cosh(objects.eta)})


def _with_kinematics(momenta: ak.Array) -> ak.Array:
    px, py, pz, energy = momenta.px, momenta.py, momenta.pz, momenta.E
    pt = np.hypot(px, py)
    mass2 = energy**2 - pt**2 - pz**2
    mass = np.sqrt(ak.where(mass2 > 0, mass2, 0.0))
    return ak.zip(
        {
            "px": px,
            "py": py,
            "pz": pz,
            "E": energy,
            "pt": pt,
            "eta": np.arcsinh(pz / pt),
            "phi": np.arctan2(py, px),
            "mass": mass,
        }
    )
