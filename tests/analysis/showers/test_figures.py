"""Figures of showers: what is drawn is what was computed, for every kind of layer and for empty samples."""

import numpy as np
import pytest

from analysis.metrics.shower_histograms import Comparison
from analysis.plots.showers import average_showers, layer_profile, shower_histogram
from analysis.showers import GEOMETRIES, geometry


def test_histogram_is_normalised_and_names_its_separation() -> None:
    counts = np.array([0, 0, 5, 20, 30, 8, 0, 0], float)
    figure = shower_histogram(
        Comparison("width in r", "layer 2", "mm", np.linspace(0, 8, 9), 2 * counts, counts), label="Width in r"
    )
    main, below = figure.axes
    stairs = [patch.get_data() for patch in main.patches if patch.get_data().values.max() > 0]
    assert stairs[0].values.sum() == pytest.approx(1)
    assert main.get_yscale() == "log"
    assert main.get_title(loc="left") == "Layer 2: separation power 0"
    assert below.get_xlabel() == "Width in r [mm]"
    ratio = below.lines[1].get_ydata()
    assert np.allclose(ratio, 1)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_empty_and_disjoint_samples_are_drawn(logarithmic: bool) -> None:
    edges = np.geomspace(1, 100, 6)
    nothing, some = np.zeros(5), np.array([0, 0, 4, 0, 0], float)
    for pair in ((nothing, nothing), (some, nothing), (nothing, some), (some[::-1], np.roll(some, 2))):
        comparison = Comparison("layer energy", "layer 0", "GeV", edges, *pair, logarithmic)
        shower_histogram(comparison, label="Energy").canvas.draw()


def test_profile_shows_means_by_layer() -> None:
    rng = np.random.default_rng(1)
    reference, generated = rng.exponential(size=(50, 4)) + 1, rng.exponential(size=(40, 4)) + 1
    figure = layer_profile(np.arange(4), generated, reference, label="Energy [GeV]", names=["0", "1", "2", "12"])
    main, below = figure.axes
    drawn = [container.lines[0].get_ydata() for container in main.containers]
    assert np.allclose(drawn[0], reference.mean(axis=0))
    assert np.allclose(drawn[1], generated.mean(axis=0))
    assert [label.get_text() for label in below.get_xticklabels()] == ["0", "1", "2", "12"]
    figure.canvas.draw()
    layer_profile(np.arange(45), np.zeros((3, 45)), np.zeros((3, 45)), label="Nothing").canvas.draw()


@pytest.mark.parametrize("name", GEOMETRIES)
def test_average_showers_of_every_geometry_are_drawn(name: str) -> None:
    of = geometry(name)
    energies = np.exp(-of.radii / 10)
    figure = average_showers(of, np.zeros(of.voxels), energies)
    assert len(figure.axes) == 2 * min(5, len(of.layers)) + 1
