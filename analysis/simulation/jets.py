"""Large jets and their substructure out of massless objects."""

from __future__ import annotations

import awkward as ak
import numpy as np

from analysis.simulation.extras import fastjet

RADIUS = 1.0
MINIMUM_PT = 20.0


def leading_jets(objects: ak.Array, *, n: int = 2) -> tuple[ak.Array, ak.Array]:
    """The `n` hardest anti-kT jets (R = 1.0) of each event and their constituents, both ordered by falling pT.

    `objects` (N, var) are massless with the fields pt, eta, phi in GeV; the jets (N, ≤ n) have px, py, pz, E, pt, eta,
    phi, mass; the constituents (N, ≤ n, var) have the fields of the objects. Only jets above 20 GeV count. Anti-kT:
    Cacciari, Salam, Soyez, arXiv:0802.1189.
    """
    library = fastjet()
    clusters = library.ClusterSequence(_four_vectors(objects), library.JetDefinition(library.antikt_algorithm, RADIUS))
    momenta, index = clusters.inclusive_jets(min_pt=MINIMUM_PT), clusters.constituent_index(min_pt=MINIMUM_PT)
    hardest = ak.argsort(np.hypot(momenta.px, momenta.py), axis=1, ascending=False)[:, :n]
    momenta, index = momenta[hardest], index[hardest]

    members = objects[ak.flatten(index, axis=2)]
    per_jet = ak.flatten(ak.num(index, axis=2), axis=None)
    constituents = ak.unflatten(ak.unflatten(ak.flatten(members), per_jet), ak.num(index, axis=1))
    constituents = constituents[ak.argsort(constituents.pt, axis=2, ascending=False)]
    return _with_kinematics(momenta), constituents


def substructure(jets: ak.Array, constituents: ak.Array) -> ak.Array:
    """The jets with tau1, tau2, tau3 and nConstituents.

    N-subjettiness (Thaler, Van Tilburg, arXiv:1011.2268) with β = 1, normalised by R = 1.0, exclusive kT axes refined
    by one pass of minimisation, as computed by FastJet contrib; zero for jets of N constituents or fewer.
    """
    library = fastjet()
    per_jet = ak.to_packed(ak.flatten(constituents, axis=1))
    clusters = library.ClusterSequence(_four_vectors(per_jet), library.JetDefinition(library.kt_algorithm, RADIUS))
    taus = ak.to_numpy(
        clusters.njettiness(
            measure_definition="NormalizedMeasure",
            axes_definition="OnePass_KT_Axes",
            njets=[1, 2, 3],
            beta=1.0,
            R0=RADIUS,
        )
    )
    jets = ak.with_field(jets, ak.num(constituents, axis=2), "nConstituents")
    for i, name in enumerate(("tau1", "tau2", "tau3")):
        jets = ak.with_field(jets, ak.unflatten(taus[:, i], ak.num(jets)), name)
    return jets


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
