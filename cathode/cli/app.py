"""All verbs, and what happens when one of them fails."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from analysis.errors import AnalysisError
from analysis.printing import VisibleFormatter
from cathode.cli import (
    audit,
    benchmark,
    calibrate,
    cite,
    config,
    data,
    doctor,
    evaluate,
    models,
    prepare,
    renamed,
    scan,
    searches,
    store,
    study,
    tasks,
    validate,
)
from cathode.cli import inject as injections
from cathode.cli.terminal import echo
from cathode.errors import CathodeError
from generators.errors import GeneratorError

USER_ERROR = 1
INTERRUPTED = 130
TERMINATED = 143


_VERBOSE, _QUIET = ("-v", "--verbose"), ("-q", "--quiet")


class Terminated(BaseException):
    """The system asks to end: a batch queue at the end of its time, or `kill`."""


@contextmanager
def _heard() -> Iterator[None]:
    """Raise `Terminated` at the first SIGTERM inside of the block; the second one ends at once, as ever."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        # A program around this one has its own way to end.
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _knows_quiet(verb: Any, words: list[str]) -> bool:
    """Whether the verb that these words begin with, through groups of verbs, has the option --quiet."""
    for word in words:
        verb = getattr(verb, "commands", {}).get(word, verb)
    return any("--quiet" in each.opts for each in verb.params)


class HonestGroup(TyperGroup):
    """Errors of input end with one message and status 1; a bug keeps its traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take -v and -q at every level: before the verb, after it, and in groups of verbs."""
        end = args.index("--") if "--" in args else len(args)
        mine, rest = args[:end], args[end:]
        loud = [each for each in mine if each in _VERBOSE]
        mine = [each for each in mine if each not in _VERBOSE]
        words = [each for each in mine if each not in _QUIET]
        if len(words) < len(mine):
            # What prints nothing but its result is quiet as it is.
            mine = [*words, "--quiet"] if _knows_quiet(self, words) else words
        return super().parse_args(ctx, [*loud[:1], *mine, *rest])

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            with _heard():
                return super().invoke(ctx)
        except (CathodeError, AnalysisError, GeneratorError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            echo(f"cathode: {error}", err=True)
            raise typer.Exit(USER_ERROR) from error
        except KeyboardInterrupt:
            typer.echo("cathode: interrupted; the same command continues where it stopped.", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Terminated:
            typer.echo("cathode: told to end; the same command continues where it stopped.", err=True)
            raise typer.Exit(TERMINATED) from None


app = typer.Typer(
    cls=HonestGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"cathode-hep {version('cathode-hep')}")
        raise typer.Exit


@app.callback()
def root(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens to standard error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Search for resonances with a learned background: from ROOT ntuples to a p-value.

    Start with `cathode demo`; for your own ntuples, `cathode config example > analysis.yaml`, then
    `cathode run analysis.yaml`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])


#: A verb that has another name now takes whatever it took, to answer with that name.
ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}
SEARCH, PARTS, HELP = "Search", "Its parts", "Around it"
app.command("demo", rich_help_panel=SEARCH)(searches.demo)
app.command("run", rich_help_panel=SEARCH)(searches.run)
app.command("prepare", rich_help_panel=SEARCH)(prepare.prepare)
app.command("validate", rich_help_panel=SEARCH)(validate.validate)
app.command("compare", rich_help_panel=SEARCH)(searches.compare)
app.command("compare-runs", rich_help_panel=SEARCH)(searches.compare_runs)
app.command("score", rich_help_panel=SEARCH)(searches.score)
app.command("calibrate", rich_help_panel=SEARCH)(calibrate.calibrate)
app.command("audit", rich_help_panel=SEARCH)(audit.audit)
app.command("inject", rich_help_panel=SEARCH)(injections.inject)
app.command("limit", rich_help_panel=SEARCH)(injections.limit)
app.command("study", rich_help_panel=SEARCH)(study.study)
app.command("benchmark", rich_help_panel=SEARCH)(benchmark.benchmark)
app.add_typer(scan.app, name="scan", rich_help_panel=SEARCH)
app.command("report", rich_help_panel=SEARCH)(searches.report)
app.command("cite", rich_help_panel=SEARCH)(cite.cite)
app.command("train", rich_help_panel=PARTS)(models.train)
app.command("sample", rich_help_panel=PARTS)(models.sample)
app.command("export", rich_help_panel=PARTS)(models.export)
app.command("select", hidden=True, context_settings=ANYTHING)(renamed.select)
app.add_typer(config.app, name="config", rich_help_panel=HELP)
app.add_typer(data.app, name="data", rich_help_panel=HELP)
app.add_typer(evaluate.app, name="evaluate", rich_help_panel=HELP)
app.add_typer(store.app, name="store", rich_help_panel=HELP)
app.add_typer(tasks.app, name="tasks", rich_help_panel=HELP)
app.command("doctor", rich_help_panel=HELP)(doctor.doctor)
