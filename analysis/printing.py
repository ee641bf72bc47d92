"""Text that comes from files, made safe to be shown: names can hold characters that command a terminal."""

from __future__ import annotations

import logging
import re

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


def _written(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class VisibleFormatter(logging.Formatter):
    """Log records in text that commands nothing."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        return visible(super().format(record))
