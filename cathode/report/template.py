"""From a template and values to a page that needs nothing but itself, and from a figure to a picture in it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.atomic import atomic_path
from analysis.printing import visible
from cathode.report.page import PIXELS_PER_INCH, Picture, stored

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rendered(template: str, **values: Any) -> str:
    """A page as text; what comes out of files can neither command a terminal nor be taken for HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_shown)
    return environment.from_string(stored(template)).render(css=Markup(stored("report.css")), **values)


def pictured(folder: Path, name: str, section: str, caption: str, figure: Figure, *, wide: bool = False) -> Picture:
    """Write a figure as PNG into a folder, which also comes back for the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PIXELS_PER_INCH)
    with atomic_path(folder / f"{name}.png") as temporary:
        temporary.write_bytes(buffer.getvalue())
    return Picture(name, section, caption, caption, wide, buffer.getvalue())


def _shown(value: Any) -> Any:
    return visible(value) if type(value) is str else value
