"""Settings of the documentation site; `make docs` builds it."""

from __future__ import annotations

project = "cathode-hep"
author = "The cathode-hep developers"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "cathode-hep"
html_show_copyright = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# Links to files beside the pages lead to the repository, where tests follow every one of them.
suppress_warnings = ["myst.xref_missing", "myst.header", "misc.highlighting_failure", "toc.not_included"]
