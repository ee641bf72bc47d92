"""The figure of an audit: what would be claimed where there is no signal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.atomic import atomic_path
from analysis.plots.calibration import claims_without_signal
from cathode.calibration.audit import Audit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def audit_figure(audit: Audit, number: int) -> Figure:
    """Every window and what is claimed in it, for the cut of this number."""
    cuts = [window.cuts[number] for window in audit.windows]
    claims = {name: np.array([cut.naive[name] for cut in cuts]) for name in cuts[0].naive}
    claims["this search"] = np.array([cut.ours for cut in cuts])
    figure: Figure = claims_without_signal(
        [(window.low, window.high) for window in audit.windows],
        claims,
        claimed=[window.validation == "passed" for window in audit.windows],
        chosen=audit.chosen,
    )
    return figure


def write_audit_figures(audit: Audit, folder: Path) -> list[Path]:
    """One PNG and one PDF file for every cut, named by its background efficiency; returns the PNG files."""
    written = []
    for number, cut in enumerate(audit.windows[0].cuts):
        figure = audit_figure(audit, number)
        name = f"audit_{cut.background_efficiency:g}".replace(".", "p").replace("-", "m")
        for suffix, metadata in (("png", None), ("pdf", {"CreationDate": None})):
            with atomic_path(folder / f"{name}.{suffix}") as temporary:
                figure.savefig(temporary, format=suffix, metadata=metadata)
        written.append(folder / f"{name}.png")
    return written
