"""Write `docs/generators.md`, one row for every built-in generator, from the registry and the classes themselves.

python tools/make_generators_page.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import torch

from generators.errors import HyperparameterError, ShapeError
from generators.protocols import DensityGenerator
from generators.registry import GENERATORS, create
from generators.tabular.base import TabularGenerator

PAGE = Path(__file__).resolve().parent.parent / "docs" / "generators.md"

#: Features and columns of context of the networks whose parameters are counted.
SIZE = (4, 1)

_ROOMS = {
    "tabular": "Feature vectors",
    "jets": "Jets and whole events",
    "showers": "Showers",
    "pixels": "Pixel detectors",
    "factorised": "Products of generators",
}
_ARXIV = re.compile(r"\b\d{4}\.\d{4,5}\b")
_HEAD = """# Every generator

This page is written from the registry by `python tools/make_generators_page.py`, and a test compares it;
change the classes, not the page.
*Density* says whether one made with its default hyperparameters has `log_prob`. *Parameters* are those of
its network for {0} features and {1} column of context, also by default; where there is none, or its size depends on
more than that, it is –. Papers are those that the module or the class cites. Each is made by
`create("KIND", …)`, or in YAML by `kind: KIND`, and has `fit(x, context, seed=…)` and `sample(context, seed=…)`.
What was measured is in `docs/benchmarks`.
"""


def page() -> str:
    """The text of the page."""
    found: dict[str, list[str]] = {room: [] for room in _ROOMS}
    for kind in GENERATORS.kinds():
        module = GENERATORS.resolve(kind).__module__.split(".")
        if module[0] == "generators":
            found[module[1]].append(_row(kind))
    parts = [_HEAD.format(*SIZE)]
    for room, title in _ROOMS.items():
        head = "| kind | what it is | density | presets | parameters | papers |\n|---|---|---|---|---|---|\n"
        parts.append(f"## {title}\n\n{head}" + "".join(f"{row}\n" for row in sorted(found[room])))
    return "\n".join(parts)


def _row(kind: str) -> str:
    cls = GENERATORS.resolve(kind)
    own = cls.__doc__ or ""
    what = " ".join(own.strip().split("\n\n")[0].split("\n")).replace("|", "\\|")
    what = re.sub(r"\s+", " ", what)
    cited = dict.fromkeys(_ARXIV.findall((sys.modules[cls.__module__].__doc__ or "") + own))
    papers = ", ".join(f"[{number}](https://arxiv.org/abs/{number})" for number in cited) or "–"
    presets = ", ".join(f"`{name}`" for name in getattr(cls, "presets", {})) or "–"
    made = create(kind)
    density = "yes" if isinstance(made, DensityGenerator) else "no"
    return f"| `{kind}` | {what} | {density} | {presets} | {_parameters(made)} | {papers} |"


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
