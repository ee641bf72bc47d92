"""URLs of input files: which of them are files of this machine, and which spellings are one place."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote, unquote, urlsplit

# Other names of one protocol, and the port that is meant where none is said.
_SCHEMES = {"xroot": "root", "xrootd": "root", "xroots": "roots"}
_PORTS = {"root": 1094, "roots": 1094, "http": 80, "https": 443}


def without_scheme(path: str) -> str:
    """The path that a file:// URL of this machine means; anything else as it is.

    >>> without_scheme("file:///data/a%20b.root"), without_scheme("root://host//a.root")
    ('/data/a b.root', 'root://host//a.root')
    """
    match = re.fullmatch(r"file://(localhost)?(/.*)", path, flags=re.DOTALL | re.IGNORECASE)
    return unquote(match[2]) if match else path


def canonical(url: str) -> str:
    """One spelling for all of a place: by protocol, server, port, path and query, without user and fragment.

    >>> canonical("XROOTD://me@Host//store/./a.root"), canonical("root://host:1094//store/a.root")
    ('root://host:1094/store/a.root', 'root://host:1094/store/a.root')
    """
    try:
        parts = urlsplit(url)
        scheme = _SCHEMES.get(parts.scheme.lower(), parts.scheme.lower())
        host, port = parts.hostname or "", parts.port or _PORTS.get(scheme)
    except ValueError:  # no URL, which opening it says
        return url
    path = posixpath.normpath(re.sub("/+", "/", quote(unquote(parts.path)))) if parts.path else "/"
    return f"{scheme}://{host}:{port}{path}" + (f"?{parts.query}" if parts.query else "")
