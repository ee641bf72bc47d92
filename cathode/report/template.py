"""From a template and values to a page that needs nothing but itself, and from a figure to a picture in it."""

from __future__ import annotations

import base64
import io
import struct
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.atomic import atomic_path
from analysis.printing import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PIXELS_PER_INCH = 144


@dataclass(frozen=True)
class Picture:
    """A drawn plate: PNG bytes, and the words around them."""

    name: str
    section: str
    caption: str
    alt: str
    wide: bool
    png: bytes

    @property
    def base64(self) -> str:
        """The bytes as text for a data URI."""
        return base64.b64encode(self.png).decode("ascii")

    @property
    def width(self) -> int:
        """Pixels, from the header of the file."""
        return int(struct.unpack(">I", self.png[16:20])[0])

    @property
    def height(self) -> int:
        """Pixels, from the header of the file."""
        return int(struct.unpack(">I", self.png[20:24])[0])


def stored(name: str) -> str:
    """Text of a template or style sheet."""
    return resources.files("cathode.report").joinpath(name).read_text(encoding="utf-8")


def rendered(template: str, **values: Any) -> str:
    """A page as text; what comes out of files can neither command a terminal nor be taken for HTML."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FunctionLoader(stored), autoescape=True, undefined=StrictUndefined, finalize=_shown
    )
    return environment.get_template(template).render(css=Markup(stored("report.css")), **values)


def pictured(
    folder: Path, name: str, section: str, caption: str, figure: Figure, *, alt: str = "", wide: bool = False
) -> Picture:
    """Write a figure as PNG into a folder, which also comes back for the page."""
    picture = drawn(name, section, caption, figure, alt=alt, wide=wide)
    with atomic_path(folder / f"{name}.png") as temporary:
        temporary.write_bytes(picture.png)
    return picture


def drawn(name: str, section: str, caption: str, figure: Figure, *, alt: str = "", wide: bool = False) -> Picture:
    """A figure as a picture of a page; what it shows is its caption, unless there is another `alt`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PIXELS_PER_INCH)
    return Picture(name, section, caption, alt or caption, wide, buffer.getvalue())


def _shown(value: Any) -> Any:
    return visible(value) if type(value) is str else value
