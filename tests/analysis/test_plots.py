from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from fontTools.subset import Options
from fontTools.ttLib import TTFont
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.plots.distributions import template_against_data
from analysis.plots.performance import Line, roc_curves, significance_improvement
from analysis.plots.spectrum import Curve, Layer, mass_spectrum
from analysis.plots.style import CYCLE, FONT, STYLE, cut_colour, single
from analysis.plots.training import losses
from analysis.plots.validation import Shifts, closure, region_shifts, sculpting

EDGES = np.linspace(0, 500, 26)
MASSES = np.geomspace(2600, 8000, 40)
WINDOW = (3300.0, 3700.0)


def a_distribution(log: bool = False) -> Figure:
    rng = np.random.default_rng(1)
    truth = 4000 * np.exp(-EDGES[:-1] / 60)
    data, template = rng.poisson(truth).astype(float), rng.poisson(4 * truth) / 4
    data[-1] = template[-2] = 0.0
    return template_against_data(
        EDGES,
        data,
        np.sqrt(data),
        template,
        np.sqrt(template / 4),
        label=r"$m_J$",
        unit="GeV",
        log=log,
        title="A title",
    )


def a_spectrum() -> Figure:
    width, centre = np.diff(MASSES), 0.5 * (MASSES[1:] + MASSES[:-1])
    density = 400 * np.exp(-(centre - 2600) / 600)
    before = np.round(density * width)
    after = np.round(0.01 * before)
    after[-3:] = 0
    inside = (centre > WINDOW[0]) & (centre < WINDOW[1])
    fit = Curve(centre, density, 0.97 * density, 1.03 * density)
    bins = np.stack([MASSES[:-1], MASSES[1:]], axis=1)[~inside]
    return mass_spectrum(
        MASSES,
        Layer("Data", before, np.sqrt(before)),
        [Layer("Cut", after, np.sqrt(after), np.where(inside, 0.008 * before, np.nan), 0.1)],
        window=WINDOW,
        fit=fit,
        pull_edges=bins,
        pulls=np.random.default_rng(2).normal(size=len(bins)),
    )


def an_improvement() -> Figure:
    x = np.geomspace(8e-5, 1, 50)
    y = 1 + 14 * np.exp(-((np.log(x / 1e-3)) ** 2) / 8)
    lines = [Line("Search", x, y, 0.9 * y, 1.1 * y), Line("Idealised", x, 1.05 * y)]
    return significance_improvement(lines, marked=[(1e-2, 8.0), (1e-3, 15.0)], floor=8e-5)


def a_roc() -> Figure:
    x = np.linspace(0.01, 1, 60)
    return roc_curves([Line("Search", x, x**-3.0), Line("Idealised", x, 1.2 * x**-3.0)], floor=1e-4)


def a_loss() -> Figure:
    epochs = np.arange(1, 31)
    return losses(5 + np.exp(-epochs / 5), 5.1 + np.exp(-epochs / 5), best=[20, 25, 29], label="Loss")


def a_closure() -> Figure:
    intervals = [(3100.0, 3300.0), (3700.0, 3900.0)]
    return closure(intervals, np.array([0.503, 0.52]), np.array([0.003, 0.004]), tolerance=0.51, window=WINDOW)


def a_sculpting() -> Figure:
    ratio = np.random.default_rng(3).normal(1, 0.05, (2, 39))
    return sculpting([MASSES] * 2, list(ratio), [np.full(39, 0.05)] * 2, ["1 % (p = 0.4)", "0.1 %"], window=WINDOW)


def some_shifts() -> Figure:
    regions = np.array([(2700.0, 3000.0), (3000.0, 3300.0), (3700.0, 4100.0)])
    values, errors = np.array([0.02, -0.03, 0.05]), np.array([0.02, 0.03, 0.04])
    cuts = [Shifts(label, regions, values, errors, (0.01, 0.03)) for label in ("1 %", "0.1 %")]
    return region_shifts(cuts, window=WINDOW)


ALL: tuple[Callable[[], Figure], ...] = (
    a_distribution,
    lambda: a_distribution(log=True),
    a_spectrum,
    an_improvement,
    a_roc,
    a_loss,
    a_closure,
    a_sculpting,
    some_shifts,
)
NAMES = ("distribution", "distribution-log", "spectrum", "improvement", "roc", "loss", "closure", "sculpting", "shifts")


@pytest.fixture(params=ALL, ids=NAMES, scope="module")
def figure(request: pytest.FixtureRequest) -> Figure:
    made: Figure = request.param()
    return made


def test_every_word_is_drawn_inside_the_figure(figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox
    for text in figure.findobj(Text):
        if not text.get_text().strip() or not text.get_visible():
            continue
        box = text.get_window_extent(canvas.get_renderer())
        if not np.all(np.isfinite(box.get_points())) or box.width == 0 or _is_hidden_tick(figure, text):
            continue
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
        assert inside, f"{text.get_text()!r} at {box}"


def _is_hidden_tick(figure: Figure, text: Text) -> bool:
    """Labels of ticks outside of the axes range exist but are never drawn."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if text in (tick.label1, tick.label2):
                    return not low <= tick.get_loc() <= high or not text.get_visible()
    return False


def test_axes_are_named_and_curves_are_explained(figure: Figure) -> None:
    assert figure.axes[-1].get_xlabel()
    assert figure.axes[0].get_ylabel()
    assert figure.axes[0].get_legend() is not None
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len(labels) == len(set(labels)) >= 2


def test_figures_are_as_wide_as_a_page(figure: Figure) -> None:
    assert figure.get_figwidth() == 7.0


def test_fonts_are_embedded_and_pixels_are_as_asked_for() -> None:
    figure = an_improvement()
    stored = io.BytesIO()
    figure.savefig(stored, format="pdf")
    content = stored.getvalue()
    assert b"/FontFile2" in content, "TrueType, embedded"
    assert b"/Type3" not in content
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=144)
    assert int.from_bytes(picture.getvalue()[16:20], "big") == 1008


def test_text_stays_text_in_glyphs_of_the_whole_font_and_nothing_else_is_embedded() -> None:
    written = "Wave, AVA Δφ"
    stored, before = io.BytesIO(), list(Options._drop_tables_default)
    with mpl.rc_context({**STYLE, "pdf.compression": 0}):
        figure, axes = single()
        axes.set_xlabel(written)
        figure.savefig(stored, format="pdf")
    assert Options._drop_tables_default == before
    content = stored.getvalue()
    # What a reader copies: codes to characters, in one table for each font.
    copied = {
        bytes.fromhex(characters.decode()).decode("utf-16-be")
        for table in re.findall(rb"beginbfrange(.*?)endbfrange", content, re.DOTALL)
        for entries in re.findall(rb"\[(.*?)\]", table)
        for characters in re.findall(rb"<(\w+)>", entries)
    }
    assert set(written) <= copied
    whole = TTFont(font_manager.findfont(FONT))
    embedded = [
        TTFont(io.BytesIO(content[at.end() : at.end() + int(at[1])]))
        for at in re.finditer(rb"/Length1 (\d+)[^>]*>>\nstream\r?\n", content)
    ]
    assert len(embedded) >= 1
    for font in embedded:
        assert not {"GSUB", "GPOS", "GDEF"} & set(font.keys())
        assert font["maxp"].numGlyphs < 60 < whole["maxp"].numGlyphs
    drawn = [list(font["glyf"][name].getCoordinates(None)[0]) for font in embedded for name in font.getGlyphOrder()]
    for character in "Wave":
        assert list(whole["glyf"][whole.getBestCmap()[ord(character)]].getCoordinates(None)[0]) in drawn


def test_the_style_of_the_caller_is_left_alone() -> None:
    before = dict(mpl.rcParams)
    a_distribution().savefig(io.BytesIO(), format="png")
    assert dict(mpl.rcParams) == before


def test_plotting_needs_no_pyplot_and_light_imports_no_matplotlib() -> None:
    code = (
        "import sys, analysis, analysis.plots; assert 'matplotlib' not in sys.modules;"
        "import analysis.plots.distributions, analysis.plots.spectrum, analysis.plots.performance,"
        " analysis.plots.training, analysis.plots.validation; assert 'matplotlib.pyplot' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_ratio_is_data_over_template_and_what_leaves_the_panel_is_marked() -> None:
    data, template = np.array([110.0, 90.0, 100.0, 300.0]), np.array([100.0, 100.0, 0.0, 100.0])
    made = template_against_data(np.arange(5.0), data, np.sqrt(data), template, np.sqrt(template), label="x")
    below = made.axes[1]
    points = below.containers[0].lines[0].get_ydata()
    assert np.allclose(points[[0, 1, 3]], [1.1, 0.9, 3.0])
    assert np.isnan(points[2]), "no template, no ratio"
    up = next(line for line in below.lines if line.get_marker() == "^")
    assert np.array_equal(up.get_xdata(), [3.5])
    assert np.array_equal(up.get_ydata(), [below.get_ylim()[1]])


def test_the_spectrum_shows_densities_and_the_band_of_the_fit() -> None:
    main = a_spectrum().axes[0]
    centre, width = 0.5 * (MASSES[1:] + MASSES[:-1]), np.diff(MASSES)
    drawn, after = (main.containers[i].lines[0] for i in (0, 1))
    before = np.round(400 * np.exp(-(centre - 2600) / 600) * width)
    assert np.allclose(drawn.get_ydata(), before / width)
    cut = np.round(0.01 * before)
    cut[-3:] = 0
    assert np.allclose(after.get_ydata(), (cut / width)[cut > 0]), "empty bins have no place on a logarithmic axis"
    assert main.get_yscale() == "log"
    low, high = main.get_ylim()
    assert low < after.get_ydata().min()
    assert high > drawn.get_ydata().max()


def test_kept_epochs_sit_on_the_validation_curve() -> None:
    axes = a_loss().axes[0]
    validation, kept = axes.lines[1], axes.lines[2]
    assert np.array_equal(kept.get_xdata(), [20, 25, 29])
    assert np.array_equal(kept.get_ydata(), validation.get_ydata()[[19, 24, 28]])


@pytest.mark.parametrize(
    "blindness",
    [
        pytest.param(
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
            id="protanopia",
        ),
        pytest.param(
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
            id="deuteranopia",
        ),
        pytest.param(np.eye(3), id="none"),
    ],
)
def test_colours_are_told_apart_without_red_or_green_cones(blindness: list[list[float]]) -> None:
    """Seen through the matrices of Machado, Oliveira, Fernandes (2009)."""
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in CYCLE[:4]])
    seen = np.clip((rgb**2.2) @ np.transpose(blindness), 0, 1) ** (1 / 2.2)
    distance = np.linalg.norm(seen[:, None] - seen, axis=-1)
    assert distance[np.triu_indices(4, 1)].min() > 0.2


def test_a_cut_has_one_colour_in_every_figure() -> None:
    below = a_spectrum().axes[-1]
    colours = {mpl.colors.to_hex(patch.get_facecolor()) for patch in below.patches if patch.get_height() != 0}
    assert cut_colour(0) in colours
    shifts = [axes.containers[0].lines[0].get_color() for axes in some_shifts().axes]
    sculpted = [axes.containers[0].lines[0].get_color() for axes in a_sculpting().axes]
    assert shifts == sculpted == [cut_colour(0), cut_colour(1)]


def test_pulls_after_a_cut_know_of_its_relative_error() -> None:
    layer = Layer("Cut", np.array([120.0, 1.0]), np.array([11.0, 1.0]), np.array([100.0, 2.0]), 0.1)
    pull, shown = layer.pulls()
    assert shown.tolist() == [True, False]
    assert pull[0] == pytest.approx(20 / np.sqrt(100 + 100))


def test_every_panel_of_pulls_says_whose_they_are() -> None:
    assert [[text.get_text() for text in panel.texts] for panel in a_spectrum().axes[1:]] == [["Data and fit"], ["Cut"]]


def test_the_axis_says_how_wide_a_bin_is() -> None:
    assert a_distribution().axes[0].get_ylabel() == "Events / 20 GeV"
    data = np.full(3, 4.0)
    uneven = template_against_data(np.array([0.0, 1.0, 3.0, 4.0]), data, data, data, data, label="x")
    assert uneven.axes[0].get_ylabel() == "Events / bin"
