"""Energy flow polynomials: the sum over all assignments of particles, known jets, symmetries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.features.energy_flow import (
    FOUR_BY_FOUR,
    GRAPHS,
    PRIMES,
    Graph,
    energy_flow_polynomials,
    prime_energy_flow_polynomials,
)

Array = NDArray[np.float64]


@pytest.fixture
def clouds() -> Array:
    rng = np.random.default_rng(7)
    angles = rng.normal(0, 0.3, size=(6, 5, 2))
    return np.concatenate([angles, rng.random((6, 5, 1)) / 5], axis=2)


def vertices(graph: Graph) -> int:
    return 1 + max((v for edge in graph for v in edge), default=0)


def by_all_assignments(graph: Graph, cloud: Array) -> float:
    z, theta = cloud[:, 2], np.linalg.norm(cloud[:, None, :2] - cloud[None, :, :2], axis=2)
    operands: list[Any] = [part for v in range(vertices(graph)) for part in (z, [v])]
    operands += [part for edge in graph for part in (theta, list(edge))]
    return float(np.einsum(*operands, [], optimize=False))


class TestGraphs:
    def test_numbers_of_connected_graphs_by_edges_are_those_of_the_paper(self) -> None:
        assert [sum(len(g) == d for g in PRIMES) for d in range(5)] == [1, 1, 2, 5, 12]

    def test_numbers_of_all_graphs_by_edges_are_those_of_the_paper(self) -> None:
        edges = [sum(len(PRIMES[i]) for i in parts) for parts in GRAPHS]
        assert [edges.count(d) for d in range(5)] == [1, 1, 3, 8, 23]

    def test_no_two_connected_graphs_are_the_same(self) -> None:
        cloud = np.random.default_rng(1).random((1, 6, 3))
        values = prime_energy_flow_polynomials(cloud)[0]
        assert len(np.unique(values.round(12))) == len(PRIMES)

    def test_five_have_four_vertices_and_four_edges(self) -> None:
        assert len(FOUR_BY_FOUR) == 5
        assert all(vertices(PRIMES[i]) == len(PRIMES[i]) == 4 for i in FOUR_BY_FOUR)


class TestValues:
    @pytest.mark.parametrize("index", range(len(PRIMES)))
    def test_connected_graph_is_the_sum_over_assignments(self, clouds: Array, index: int) -> None:
        expected = [by_all_assignments(PRIMES[index], cloud) for cloud in clouds]
        np.testing.assert_allclose(prime_energy_flow_polynomials(clouds)[:, index], expected, rtol=1e-12)

    def test_unconnected_graph_is_the_product_of_its_parts(self, clouds: Array) -> None:
        found = energy_flow_polynomials(clouds)
        for column, parts in zip(found.T, GRAPHS, strict=True):
            expected = np.prod([[by_all_assignments(PRIMES[i], cloud) for cloud in clouds] for i in parts], axis=0)
            np.testing.assert_allclose(column, expected, rtol=1e-12)

    def test_jet_of_two_particles(self) -> None:
        z, w, angle = 0.7, 0.3, 0.5
        cloud = np.array([[[0.3, 0, z], [0, 0.4, w]]])
        found = prime_energy_flow_polynomials(cloud)[0]
        assert found[PRIMES.index(())] == pytest.approx(z + w)
        for edges in range(1, 5):
            assert found[PRIMES.index(((0, 1),) * edges)] == pytest.approx(2 * z * w * angle**edges)
        assert found[PRIMES.index(((0, 1), (0, 2)))] == pytest.approx(z * w * (z + w) * angle**2)
        triangle = found[PRIMES.index(((0, 1), (0, 2), (1, 2)))]
        assert triangle == 0


class TestSymmetries:
    def test_order_padding_and_rotation_do_not_matter(self, clouds: Array) -> None:
        reference = energy_flow_polynomials(clouds)
        shuffled = clouds[:, [3, 0, 4, 1, 2]]
        padded = np.concatenate([shuffled, np.full((6, 2, 3), [0.4, 9.0, 0])], axis=1)
        cos, sin = np.cos(1.1), np.sin(1.1)
        turned = padded @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        for other in (shuffled, padded, turned):
            np.testing.assert_allclose(energy_flow_polynomials(other), reference, rtol=1e-12)

    def test_azimuths_are_equal_on_both_sides_of_the_seam(self, clouds: Array) -> None:
        moved = clouds + np.array([0, np.pi, 0])
        moved[..., 1] = (moved[..., 1] + np.pi) % (2 * np.pi) - np.pi
        np.testing.assert_allclose(energy_flow_polynomials(moved), energy_flow_polynomials(clouds), rtol=1e-9)

    def test_degree_in_momentum_and_angle(self, clouds: Array) -> None:
        found = prime_energy_flow_polynomials(clouds * np.array([2.0, 2.0, 3.0]))
        factors = [2.0 ** len(g) * 3.0 ** vertices(g) for g in PRIMES]
        np.testing.assert_allclose(found, prime_energy_flow_polynomials(clouds) * factors, rtol=1e-12)

    def test_soft_particles_and_split_ones_do_not_matter(self, clouds: Array) -> None:
        halved = np.concatenate([clouds, clouds], axis=1) * np.array([1, 1, 0.5])
        np.testing.assert_allclose(energy_flow_polynomials(halved), energy_flow_polynomials(clouds), rtol=1e-12)

    def test_results_do_not_depend_on_the_chunks(self, clouds: Array) -> None:
        many = np.tile(clouds, (500, 1, 1))
        found = energy_flow_polynomials(many)
        np.testing.assert_allclose(found, np.tile(energy_flow_polynomials(clouds), (500, 1)), rtol=1e-13)
