"""`cathode cite`."""

from __future__ import annotations

from cathode.cli.options import Json, Plugins, RunFolder, load_plugins
from cathode.cli.terminal import Terminal, echo


def cite(run_folder: RunFolder, plugins: Plugins = None, json: Json = False) -> None:
    """Print BibTeX of the software and of the methods that a run used."""
    from cathode.runs.citations import bibtex, papers
    from cathode.runs.run import open_run

    load_plugins(plugins)
    result = open_run(run_folder).result
    Terminal(json).result({"papers": papers(result), "bibtex": bibtex(result)})
    if not json:
        echo(bibtex(result).rstrip())
