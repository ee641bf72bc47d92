"""Energy flow polynomials of up to four edges (Komiske, Metodiev, Thaler, arXiv:1712.07124), without angular powers.

The polynomial of a multigraph is the sum over all assignments of particles to its vertices of the product of z over
vertices and of the distance θ over edges. Here z is the pT of a particle as it is given, not normalised, and θ = ΔR in
(η, φ): the hadronic measure with β = 1, as the evaluation of JetNet has it (Kansal et al., arXiv:2211.10295).
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.features.constituents import checked_constituents, wrap

FloatArray = NDArray[np.floating[Any]]
Array = NDArray[np.float64]
Graph = tuple[tuple[int, int], ...]

#: The connected multigraphs of at most four edges, by their edges, in the order of the columns of `_primes`.
PRIMES: tuple[Graph, ...] = (
    (),
    ((0, 1),),
    ((0, 1), (0, 1)),
    ((0, 1), (0, 2)),
    ((0, 1), (0, 1), (0, 1)),
    ((0, 1), (0, 2), (0, 2)),
    ((0, 1), (0, 2), (1, 2)),
    ((0, 1), (0, 2), (1, 3)),
    ((0, 1), (0, 2), (0, 3)),
    ((0, 1), (0, 1), (0, 1), (0, 1)),
    ((0, 1), (0, 1), (0, 1), (0, 2)),
    ((0, 1), (0, 1), (0, 2), (0, 2)),
    ((0, 1), (0, 1), (0, 2), (1, 2)),
    ((0, 1), (0, 2), (1, 3), (1, 3)),
    ((0, 1), (0, 1), (0, 2), (1, 3)),
    ((0, 1), (0, 2), (0, 3), (0, 3)),
    ((0, 1), (0, 2), (1, 3), (2, 3)),
    ((0, 1), (0, 2), (0, 3), (1, 2)),
    ((0, 1), (0, 2), (1, 3), (2, 4)),
    ((0, 1), (0, 2), (0, 3), (0, 4)),
    ((0, 1), (0, 2), (0, 3), (3, 4)),
)

_MOST_EDGES = 4

#: Every multigraph without isolated vertices, as the primes it consists of: connected ones first, then products.
GRAPHS: tuple[tuple[int, ...], ...] = tuple((i,) for i in range(len(PRIMES))) + tuple(
    parts
    for count in range(2, _MOST_EDGES + 1)
    for parts in combinations_with_replacement(range(1, len(PRIMES)), count)
    if sum(len(PRIMES[i]) for i in parts) <= _MOST_EDGES
)

#: The columns of the connected graphs of four vertices and four edges, whose distances are called W1-EFP.
FOUR_BY_FOUR: tuple[int, ...] = tuple(
    i for i, edges in enumerate(PRIMES) if len(edges) == 4 and len({v for edge in edges for v in edge}) == 4
)

# Pairs of particles at once: their distances and two more matrices stay in a second-level cache.
_PAIRS = 30_000


def energy_flow_polynomials(clouds: FloatArray) -> Array:
    """The 36 polynomials of at most four edges (N, 36), one column for each of `GRAPHS`.

    `clouds` (N, P, 3) = (Δη, Δφ, z) with z = 0 for an absent particle; azimuths may lie on both sides of π.
    """
    primes = prime_energy_flow_polynomials(clouds)
    return np.stack([primes[:, list(parts)].prod(axis=1) for parts in GRAPHS], axis=1)


def prime_energy_flow_polynomials(clouds: FloatArray) -> Array:
    """The 21 polynomials of connected multigraphs (N, 21), one column for each of `PRIMES`; arguments as above."""
    clouds = checked_constituents(clouds)
    n, size = clouds.shape[:2]
    found = np.empty((n, len(PRIMES)))
    step = max(1, _PAIRS // max(1, size * size))
    for start in range(0, n, step):
        part = clouds[start : start + step].astype(np.float64)
        # What an absent particle carries besides its zero must not matter.
        part = np.where((part[..., 2] == 0)[..., None], 0.0, part)
        found[start : start + step] = _primes(part)
    return found


def _primes(clouds: Array) -> Array:
    eta, phi, z = np.moveaxis(clouds, -1, 0)
    phi = wrap(phi)
    turn = np.abs(phi[:, :, None] - phi[:, None])
    theta2 = (eta[:, :, None] - eta[:, None]) ** 2 + np.minimum(turn, 2 * np.pi - turn) ** 2
    theta = np.sqrt(theta2)

    def neighbours(values: Array, edges: Array = theta) -> Array:
        """Σ_j θ_ij z_j values_j: a branch that ends in j, seen from i."""
        branches: Array = edges @ (z * values)[..., None]
        return branches[..., 0]

    def total(values: Array) -> Array:
        """Σ_i z_i values_i."""
        summed: Array = np.einsum("ni,ni->n", z, values)
        return summed

    one = np.ones_like(z)
    leaf, leaf2, leaf3 = neighbours(one), neighbours(one, theta2), neighbours(one, theta2 * theta)
    leaf4 = neighbours(one, theta2 * theta2)
    path = neighbours(leaf)
    # Paths of two edges from i to k over any particle between.
    between = theta @ (z[..., None] * theta)
    corner, corner2 = neighbours(one, theta * between), neighbours(one, theta2 * between)
    values = (
        one,
        leaf,
        leaf2,
        leaf**2,
        leaf3,
        leaf * leaf2,
        corner,
        leaf * path,
        leaf**3,
        leaf4,
        leaf3 * leaf,
        leaf2**2,
        corner2,
        leaf2 * path,
        leaf * neighbours(leaf, theta2),
        leaf**2 * leaf2,
        neighbours(one, between * between),
        leaf * corner,
        path**2,
        leaf**4,
        leaf**2 * path,
    )
    return np.stack([total(v) for v in values], axis=1)
