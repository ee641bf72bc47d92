"""A script: runs a search and kills it with SIGKILL, again and again, looking at its folder after every kill.

``python killing.py FOLDER KILLS`` writes FOLDER/whole (never killed) and FOLDER/killed, and prints one JSON line per
attempt: whether it had finished by itself, what was there, and what of that could not be read.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What a search imports when it needs it, here once for all the processes that are forked off.
import lightning_fabric  # noqa: F401
import uproot  # noqa: F401

# A script's own folder is on the path; inside of a test run this module is part of a package.
from toys import Discriminant, small_flow_matching, toy_events, toy_search  # type: ignore[import-not-found]

import generators
from analysis.io.scores import read_scores
from cathode.classifiers import load_classifier
from cathode.diagnostics import Diagnostics
from cathode.result import SearchResult
from generators.training.checkpoint import read_checkpoint


def search(output: Path) -> None:
    """A search of a second or two in which every stage leaves something behind."""
    generator = small_flow_matching(epochs=12, batch_size=128)
    toy_search(generator=generator, classifier=Discriminant(), folds=3, background_efficiencies=(0.05,)).run(
        toy_events(5_000, signal=40, seed=71, truth=True), output=output
    )


PARTS = [f"{place}/fold_{i}" for place in ("classifiers", "validation/classifiers") for i in range(3)]

READERS: dict[str, Callable[[Path], Any]] = {
    "search.json": lambda path: json.loads(path.read_text()),
    "mass_model.json": lambda path: json.loads(path.read_text()),
    "result.json": SearchResult.read,
    "scores.root": read_scores,
    "diagnostics.npz": Diagnostics.load,
    "template.checkpoint": read_checkpoint,
    "validation/generator.checkpoint": read_checkpoint,
    "template": generators.load,
    "validation/generator": generators.load,
    **dict.fromkeys(PARTS, load_classifier),
}


def inspect(folder: Path) -> tuple[list[str], list[str]]:
    """What is in a run folder under a name of its own, and what of that is unknown or unreadable.

    Names that begin with a dot say themselves that they are unfinished.
    """
    present = [name for name in READERS if (folder / name).exists()]
    wrong = []
    for name in present:
        try:
            READERS[name](folder / name)
        except Exception as error:
            wrong.append(f"{name}: {error!r}")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        known = any(name == Path(p) or Path(p) in name.parents for p in present)
        if path.is_file() and not hidden and not known:
            wrong.append(f"{name}: unknown")
    return present, wrong


def attempt(output: Path, seconds: float | None) -> bool:
    """Search in a process of its own and kill that after so many seconds; whether it had finished before."""
    child = os.fork()
    if child == 0:
        search(output)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"a search failed after {seconds} s")
    return os.WIFEXITED(status)


def main(folder: Path, kills: int) -> None:
    """See the module."""
    start = time.monotonic()
    attempt(folder / "whole", None)
    duration = time.monotonic() - start
    rng = random.Random(1)
    for _ in range(kills):
        finished = attempt(folder / "killed", rng.uniform(0.05, 0.6) * duration)
        present, wrong = inspect(folder / "killed")
        print(json.dumps({"finished": finished, "present": present, "wrong": wrong}), flush=True)  # noqa: T201
        if finished:
            # Nothing is left to be killed: another one begins.
            shutil.rmtree(folder / "killed")
    attempt(folder / "killed", None)
    print(json.dumps({"finished": True, "wrong": inspect(folder / "killed")[1]}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
