"""What a figure for a publication carries: experiment and status, luminosity, energy and process."""

from __future__ import annotations

import re
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from analysis.plots.style import STYLE


@dataclass(frozen=True)
class FigureLabel:
    """The label of an experiment, after the habit of the field; what is not given is not drawn.

    Attributes
    ----------
    experiment : its name, in bold.
    status : of the result, such as "Simulation" or "Preliminary", in italics.
    luminosity : integrated, fb⁻¹.
    sqrt_s : centre-of-mass energy, GeV; drawn in TeV.
    process : of the events, such as "QCD dijets".
    """

    experiment: str | None = None
    status: str | None = None
    luminosity: float | None = None
    sqrt_s: float | None = None
    process: str | None = None

    @property
    def left(self) -> str:
        r"""Experiment and status, in the mathtext of Matplotlib.

        >>> print(FigureLabel("ATLAS", "Work in progress").left)
        $\mathbf{ATLAS}$ $\mathit{Work}$ $\mathit{in}$ $\mathit{progress}$
        """
        parts = ((self.experiment, "mathbf"), (self.status, "mathit"))
        return " ".join(_set_in(style, text) for text, style in parts if text)

    @property
    def right(self) -> str:
        """Process, luminosity and energy.

        >>> FigureLabel(luminosity=138, sqrt_s=13_600, process="Dijets").right
        'Dijets, 138 fb$^{-1}$ (13.6 TeV)'
        """
        luminosity = "" if self.luminosity is None else rf"{self.luminosity:g} fb$^{{-1}}$"
        energy = "" if self.sqrt_s is None else f"{self.sqrt_s / 1000:g} TeV"
        both = f"{luminosity} ({energy})" if luminosity and energy else luminosity or energy
        return ", ".join(part for part in (_plain(self.process or ""), both) if part)


def stamp(figure: Figure, label: FigureLabel) -> None:
    """Draw a label above the first panel; a title on the left makes room by moving the label to the right."""
    top = figure.axes[0]
    taken = bool(top.get_title(loc="left"))
    left, right = label.left, label.right
    if taken:
        left, right = "", " ".join(part for part in (label.left, label.right) if part)
    with mpl.rc_context(STYLE):
        if left:
            top.set_title(left, loc="left")
        if right:
            top.set_title(right, loc="right")


def _plain(text: str) -> str:
    """Text as it stands; the fonts of mathtext have primes as an operator only."""
    escaped = text.replace("\\", r"\\").replace("$", r"\$").replace("″", "′′")
    return re.sub("′+", lambda found: "$^{" + len(found[0]) * r"\prime" + "}$", escaped)


def _set_in(style: str, text: str) -> str:
    """Letters and digits in a style of mathtext; nothing else has a meaning there that is always the same."""
    parts = re.split(r"([A-Za-z0-9]+)", text)
    return "".join(rf"$\{style}{{{part}}}$" if part.isalnum() and part.isascii() else _plain(part) for part in parts)
