"""Options that several verbs share, declared once."""

from __future__ import annotations

import json
import traceback
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from cathode.errors import ConfigError

AnalysisFile = Annotated[Path, typer.Argument(metavar="ANALYSIS.yaml", help="The analysis file.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `cathode run` wrote.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Override a value, as in `region.signal='[3600, 4000]'`. Repeatable."
    ),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin", metavar="MODULE", help="Import a module that registers a generator or a classifier. Repeatable."
    ),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Where to write.")]
SharedStore = Annotated[
    Path | None,
    typer.Option("--store", help="Where runs share what they have trained; `--set store=null` shares nothing."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Partial = Annotated[bool, typer.Option("--partial", help="Only what is done, though there is more to do.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no tables; errors only.")]
Quick = Annotated[
    bool,
    typer.Option(
        "--quick", help="A cheap trial: the same search, everything small, in a folder of its own. No result."
    ),
]
NoReport = Annotated[
    bool, typer.Option("--no-report", help="Draw no figures and write no page; `cathode report` can later.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Leave with status 3 if a validation test failed.")]


def with_store(overrides: list[str] | None, store: Path | None) -> list[str]:
    """Overrides of the analysis file, with those of `--store`, which starts from where the user is."""
    given = overrides or []
    return given if store is None else [*given, f"store={json.dumps(str(store.expanduser().absolute()))}"]


def with_quick(overrides: list[str] | None, quick: bool) -> list[str]:
    """Overrides of the analysis file, with that of `--quick`."""
    return [*(overrides or []), *(["quick=true"] if quick else [])]


def place(folder: Path, quick: bool) -> Path:
    """Where a trial of the search goes that would go to `folder`."""
    return folder.with_name(f"{folder.name}-quick") if quick else folder


def load_plugins(modules: list[str] | None) -> None:
    """Import modules that register components of their own.

    Raises
    ------
    ConfigError
        If one can not be imported, for whatever reason: it is somebody's own file.
    """
    for module in modules or []:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ConfigError(f"--plugin {module}: no name of a module, such as my_generators or my_package.models.")
        try:
            import_module(module)
        except ImportError as error:
            raise ConfigError(f"--plugin {module}: {error}. Is it installed, or on PYTHONPATH?") from error
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            where = "" if isinstance(error, SyntaxError) else f", line {at.lineno} of {at.filename}"
            raise ConfigError(f"--plugin {module}: {type(error).__name__}{where}: {error}") from error
