"""Numbers as a reader wants them, and text of files made safe to be shown: names can command a terminal."""

from __future__ import annotations

import html
import logging
import math
import re
from collections.abc import Sequence

# Controls of a terminal (C0 but tab and line break, DEL, C1), marks that turn the direction of text, lone surrogates.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text with such characters written out.

    >>> visible("a\x1b[2Jb.root"), visible("plain äöü")
    ('a\\x1b[2Jb.root', 'plain äöü')
    """
    return _COMMANDS.sub(lambda found: _written(ord(found[0])), text)


def visible_json(text: str) -> str:
    """The same for JSON, which stays JSON and means the same."""
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def html_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A small table for notebooks; all text is escaped.

    >>> html_table("a", ("b",), [("<c>",)])
    '<table><caption>a</caption><tr><th>b</th></tr><tr><td>&lt;c&gt;</td></tr></table>'
    """

    def cell(tag: str, text: str) -> str:
        return f"<{tag}>{html.escape(visible(text))}</{tag}>"

    lines = ["".join(cell("th", each) for each in header)]
    lines += ["".join(cell("td", each) for each in row) for row in rows]
    return f"<table>{cell('caption', caption)}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def number(value: float) -> str:
    """Events for reading: whole numbers stay whole, the rest gets one decimal, or three digits below one.

    A value and its errors have equally many decimals then.

    >>> number(612.0), number(480.33), number(5.314), number(0.01234), number(float("nan"))
    ('612', '480.3', '5.3', '0.0123', '–')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 0.95 else f"{value:.3g}"


def p_value(value: float) -> str:
    """A p-value for reading.

    >>> p_value(0.0421), p_value(3.3e-7), p_value(0.0)
    ('0.042', '3.3 × 10⁻⁷', 'below 10⁻³⁰⁰')
    """
    if math.isnan(value):
        return "–"
    if value == 0:
        return "below 10⁻³⁰⁰"
    if value >= 1e-3:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def sigma(value: float, spread: float | None = None, *, digits: int = 1) -> str:
    """A significance for reading, signed, with its spread where that is known.

    >>> sigma(4.97), sigma(-0.52), sigma(-0.01), sigma(4.97, 0.31)
    ('5.0 σ', '−0.5 σ', '0.0 σ', '5.0 ± 0.3 σ')
    """
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    error = "" if spread is None else f" ± {spread:.{digits}f}"
    return f"{text.replace('-', '−')}{error} σ"


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _written(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class VisibleFormatter(logging.Formatter):
    """Log records in text that commands nothing."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        return visible(super().format(record))
