"""One look for every figure: sizes, colours that colour-blind readers can tell apart, embedded fonts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import resources
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

DATA = "#1b1b1f"
TEMPLATE = "#5790fc"
FIT = "#e42536"
SIGNAL = "#f89c20"
REFERENCE = "#717581"
WINDOW = "#f89c20"
CYCLE = ("#5790fc", "#e42536", "#964a8b", "#f89c20", "#7a21dd", "#9c9ca1")
"""Petroff's palette (2107.02270), in an order in which the first ones also differ in lightness."""

_OF_CUTS = tuple(colour for colour in CYCLE if colour not in (FIT, WINDOW))

WIDTH, HEIGHT = 7.0, 4.5
"""Inches; at this size the text is that of a printed page."""

_FONT_FILES = ("FiraSans-Regular.ttf", "FiraSans-Italic.ttf", "FiraSans-Bold.ttf")


def _register_fonts() -> str:
    """Name of the text font: the one that mplhep ships, or Matplotlib's own where it does not."""
    try:
        folder = resources.files("mplhep_data") / "fonts" / "firasans"
        for name in _FONT_FILES:
            with resources.as_file(folder / name) as path:
                font_manager.fontManager.addfont(str(path))
    except (ModuleNotFoundError, FileNotFoundError):
        return "DejaVu Sans"
    return "Fira Sans"


FONT = _register_fonts()

STYLE: dict[Any, Any] = {
    "font.family": [FONT, "DejaVu Sans"],
    "font.size": 11.0,
    "mathtext.fontset": "custom",
    "mathtext.rm": FONT,
    "mathtext.it": f"{FONT}:italic",
    "mathtext.bf": f"{FONT}:bold",
    "mathtext.cal": f"{FONT}:italic",
    "mathtext.fallback": "stixsans",
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.labelsize": 12.0,
    "axes.titlesize": 11.0,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.9,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "axes.formatter.limits": (-4, 5),
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 6.0,
    "ytick.major.size": 6.0,
    "xtick.minor.size": 3.0,
    "ytick.minor.size": 3.0,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.0,
    "patch.linewidth": 1.2,
    "legend.frameon": False,
    "legend.fontsize": 10.0,
    "legend.handlelength": 1.6,
    "legend.labelspacing": 0.4,
    "figure.dpi": 100.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 200.0,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
}
"""Matplotlib parameters of the style; TrueType fonts are embedded as such."""


#: Rules for setting text; a PDF holds text that is set, glyph by glyph.
_LAYOUT_TABLES = ["GDEF", "GPOS", "GSUB"]


@contextmanager
def _glyphs_only() -> Iterator[None]:
    """Embed fonts without the rules for setting text: to reduce these to a few glyphs takes as long as all the rest.

    Matplotlib hands no options on to fontTools, so its defaults change inside of the block.
    """
    from fontTools.subset import Options  # type: ignore[import-untyped]

    before: list[str] = Options._drop_tables_default
    Options._drop_tables_default = [*before, *_LAYOUT_TABLES]
    try:
        yield
    finally:
        Options._drop_tables_default = before


class StyledFigure(Figure):
    """A figure that is also drawn and saved in the style: some parameters only count then."""

    def draw(self, renderer: Any) -> None:
        """Draw in the style."""
        with mpl.rc_context(STYLE):
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save in the style; options are those of Matplotlib."""
        with mpl.rc_context(STYLE), _glyphs_only():
            super().savefig(fname, **options)


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a plotting function in the style; the parameters of the caller come back afterwards."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(STYLE):
            return function(*args, **kwargs)

    return wrapper


def single(*, width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """A figure with one panel."""
    figure = StyledFigure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def stacked(*ratios: float, width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, list[Axes]]:
    """A figure with panels of these relative heights, from the top, on a common horizontal axis.

    The margins are fixed, so that figures of one size line up under each other on a page.
    """
    figure = StyledFigure(figsize=(width, height))
    grid = figure.add_gridspec(
        len(ratios),
        1,
        height_ratios=ratios,
        hspace=0.06,
        left=0.85 / width,
        right=1 - 0.2 / width,
        bottom=0.62 / height,
        top=1 - 0.28 / height,
    )
    first = figure.add_subplot(grid[0])
    panels = [first, *(figure.add_subplot(grid[i], sharex=first) for i in range(1, len(ratios)))]
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    return figure, panels


def cut_colour(number: int) -> str:
    """The colour of a cut, the same in every figure; none of them is that of a fit or of the window."""
    return _OF_CUTS[number % len(_OF_CUTS)]


def headroom(axes: Axes, fraction: float) -> None:
    """Leave this fraction of the height free above the drawing, for a legend; also on logarithmic axes."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        axes.set_ylim(low, high * (high / low) ** (fraction / (1.0 - fraction)))
    else:
        axes.set_ylim(low, high + (high - low) * fraction / (1.0 - fraction))


def shade_window(axes: Axes, window: tuple[float, float], label: str | None = None) -> None:
    """Mark the signal window."""
    axes.axvspan(*window, color="white", linewidth=0, zorder=0.1)
    axes.axvspan(*window, color=WINDOW, alpha=0.16, linewidth=0, zorder=0.2, label=label)
