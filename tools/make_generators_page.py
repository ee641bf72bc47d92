"""Write `docs/generators.md`, one row for every built-in generator, from the registry and the classes themselves.

python tools/make_generators_page.py
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import torch

from generators.errors import HyperparameterError, ShapeError
from generators.protocols import DensityGenerator
from generators.registry import GENERATORS, create
from generators.tabular.base import TabularGenerator

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "generators.md"
#: What no class can say of itself, by kind: what was measured, on which page, and passes where no solver counts them.
MEASURED = DOCS / "measured.toml"

#: Features and columns of context of the networks whose parameters are counted.
SIZE = (4, 1)

_ROOMS = {
    "tabular": "Feature vectors",
    "jets": "Jets and whole events",
    "showers": "Showers",
    "pixels": "Pixel detectors",
    "factorised": "Products of generators",
    "mixtures": "Mixtures of generators",
}
_ARXIV = re.compile(r"\b\d{4}\.\d{4,5}\b")
_HEAD = """# Every generator

This page is written from the registry by `python tools/make_generators_page.py`, and a test compares it;
change the classes, not the page.
*Density* says whether one made with its default hyperparameters has `log_prob`. *Parameters* are those of
its network for {0} features and {1} column of context, also by default; where there is none, or its size depends on
more than that, it is –. Papers are those that the module or the class cites. Each is made by
`create("KIND", …)`, or in YAML by `kind: KIND`, and has `fit(x, context, seed=…)` and `sample(context, seed=…)`.
*Passes* are evaluations of the network for one draw, as it comes. What was measured is below each table, with the page
whose line it is and where its conditions stand.
"""
#: Evaluations in a step of a solver or sampler, of others one; the last step of Heun has one.
_EVALUATIONS = {"midpoint": 2, "heun": 2, "stochastic_heun": 2, "rk4": 4}


def page() -> str:
    """The text of the page."""
    kinds: dict[str, list[str]] = {room: [] for room in _ROOMS}
    for kind in GENERATORS.kinds():
        module = GENERATORS.resolve(kind).__module__.split(".")
        if module[0] == "generators":
            kinds[module[1]].append(kind)
    parts, known = [_HEAD.format(*SIZE)], tomllib.loads(MEASURED.read_text(encoding="utf-8"))
    for room, title in _ROOMS.items():
        chosen = sorted(kinds[room])
        names = "kind", "what it is", "density", "passes", "parameters"
        parts.append(f"## {title}\n\n" + _table(names, [_row(kind, known.get(kind, {})) for kind in chosen]))
        measured = [_measured(kind, known[kind]) for kind in chosen if "measured" in known.get(kind, {})]
        if measured:
            parts.append(_table(("kind", "what was measured"), measured))
    return "\n".join(parts)


def _table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (names, ("---",) * len(names), *rows))


def _measured(kind: str, known: dict[str, str]) -> tuple[str, str]:
    return f"`{kind}`", f"{known['measured']} ([page]({known['page']}))"


def _row(kind: str, known: dict[str, str]) -> tuple[str, ...]:
    cls = GENERATORS.resolve(kind)
    own = cls.__doc__ or ""
    what = " ".join(own.strip().split("\n\n")[0].split("\n")).replace("|", "\\|")
    what = re.sub(r"\s+", " ", what)
    cited = dict.fromkeys(_ARXIV.findall((sys.modules[cls.__module__].__doc__ or "") + own))
    what = _ARXIV.sub(lambda found: _paper(found.group()), what)
    others = ", ".join(_paper(number) for number in cited if number not in own.split("\n\n")[0])
    presets = ", ".join(f"`{name}`" for name in getattr(cls, "presets", {}))
    said = [what, f"{others}." if others else "", f"Presets {presets}." if presets else ""]
    made = create(kind)
    density = "yes" if isinstance(made, DensityGenerator) else "no"
    passes = _passes(made) or known.get("passes", "1")
    return f"`{kind}`", " ".join(each for each in said if each), density, passes, _parameters(made)


def _paper(number: str) -> str:
    return f"[{number}](https://arxiv.org/abs/{number})"


def _passes(generator: Any) -> str:
    """Evaluations of the network of a solver or sampler for one draw; empty where there is none."""
    said = generator.hyperparameters()
    solver, steps = said.get("solver") or said.get("sampler"), said.get("sampling_steps")
    if steps is None:
        return ""
    return str(steps * _EVALUATIONS.get(solver, 1) - (solver in ("heun", "stochastic_heun")))


def _parameters(generator: Any) -> str:
    """Parameters of the network of a generator of feature vectors."""
    if not isinstance(generator, TabularGenerator) or generator.kind in ("ensemble", "zuko"):
        return "–"
    try:
        with torch.random.fork_rng(devices=[]):
            network = generator.build(SIZE[:1], SIZE[1])
    except (HyperparameterError, ShapeError):
        return "–"
    return f"{sum(parameter.numel() for parameter in network.parameters()):,}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
