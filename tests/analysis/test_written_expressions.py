"""Every expression of README, docs and configs on made events, against Python event by event."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import yaml

from analysis.features.dijets import DIJET_FEATURES, DIJET_MASS
from analysis.selection import compile_expression

from .event_by_event import Reference

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FILES = [*sorted((ROOT / "configs").glob("*.yaml")), *sorted((ROOT / "cathode" / "configs").glob("*.yaml"))]
EVENTS = 300
KEYS = ("selection", "mass", "weight", "truth")
Event = dict[str, Any]


def of_section(section: Any) -> Iterator[str]:
    """Expressions of a `data` section, or of the arguments of a call by their names."""
    if not isinstance(section, Mapping):
        return
    yield from (section[key] for key in KEYS if isinstance(section.get(key), str))
    features = section.get("features")
    if isinstance(features, Mapping):
        yield from (text for text in features.values() if isinstance(text, str))


def of_yaml(text: str) -> Iterator[str]:
    document = yaml.safe_load(text)
    if isinstance(document, Mapping):
        yield from of_section(document.get("data"))


def of_python(text: str) -> Iterator[str]:
    """Expressions that are written out where a function is called, or where a mapping of features is made."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in (*KEYS, "features"):
                    try:
                        yield from of_section({keyword.arg: ast.literal_eval(keyword.value)})
                    except ValueError:
                        continue
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "features":
            pairs = node.value if isinstance(node.value, ast.Dict) else ast.Dict([], [])
            yield from (v.value for v in pairs.values if isinstance(v, ast.Constant) and isinstance(v.value, str))


def of_page(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if language == "yaml":
            yield from of_yaml(block)
        elif language == "python":
            yield from of_python(block)


def written() -> dict[str, None]:
    found = {DIJET_MASS: None, **dict.fromkeys(DIJET_FEATURES.values())}
    for page in PAGES:
        found |= dict.fromkeys(of_page(page))
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        found |= dict.fromkeys(of_yaml(text))
        # What stands in a comment is meant to be used.
        for line in re.findall(r"^ *# +((?:\w+): .*)$", text, re.MULTILINE):
            found |= dict.fromkeys(of_comment(line))
    return found


def of_comment(line: str) -> Iterator[str]:
    try:
        yield from of_section(yaml.safe_load(line))
    except yaml.YAMLError:
        return


@dataclass
class Dijets(Reference):
    """Knows the functions of two jets as well."""

    def _call(self, name: str, arguments: list[ast.expr], event: Mapping[str, Any]) -> Any:
        if name == "num" and isinstance(arguments[0], ast.Name) and arguments[0].id not in event:
            return len(event[f"{arguments[0].id}_pt"])
        if name not in OF_JETS:
            return super()._call(name, arguments, event)
        jets = [jet for argument in arguments for jet in jets_of(argument, event, len(arguments))]
        return OF_JETS[name](*jets[:2]) if len(jets) >= 2 else None

    def _kind(self, node: ast.expr) -> str:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OF_JETS:
            return "float"
        if isinstance(node, ast.Name) and node.id not in self.kinds:
            return "float"
        return super()._kind(node)


def jets_of(node: ast.expr, event: Mapping[str, Any], arguments: int) -> list[Mapping[str, float]]:
    """The leading two jets of a collection, one of its elements, or one group of branches."""
    name = ast.unparse(node.value if isinstance(node, ast.Subscript) else node)
    fields = {key[len(name) + 1 :].lower(): key for key in event if key.startswith(f"{name}_")}
    spelled = {"mass": "m", "tau1": "tau1_wta", "tau2": "tau2_wta", "tau3": "tau3_wta"}
    columns = {f: event[fields.get(f, fields.get(spelled.get(f, ""), fields["pt"]))] for f in FIELDS}
    if not isinstance(columns["pt"], list):
        return [columns]
    jets = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if isinstance(node, ast.Subscript):
        index = ast.literal_eval(node.slice)
        return [jets[index]] if -len(jets) <= index < len(jets) else []
    assert arguments == 1
    return sorted(jets, key=lambda jet: -jet["pt"])


FIELDS = ("pt", "eta", "phi", "mass", "tau1", "tau2", "tau3")


def mass_of(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    total = [0.0] * 4
    for jet in (a, b):
        x, y = jet["pt"] * math.cos(jet["phi"]), jet["pt"] * math.sin(jet["phi"])
        z = jet["pt"] * math.sinh(jet["eta"])
        energy = math.sqrt(x * x + y * y + z * z + jet["mass"] ** 2)
        total = [t + v for t, v in zip(total, (energy, x, y, z), strict=True)]
    return math.sqrt(max(0.0, total[0] ** 2 - total[1] ** 2 - total[2] ** 2 - total[3] ** 2))


def light(a: Mapping[str, float], b: Mapping[str, float]) -> Mapping[str, float]:
    return a if a["mass"] <= b["mass"] else b


def heavy(a: Mapping[str, float], b: Mapping[str, float]) -> Mapping[str, float]:
    return b if a["mass"] <= b["mass"] else a


def angle(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    return abs(math.remainder(a["phi"] - b["phi"], 2 * math.pi))


OF_JETS: dict[str, Any] = {
    "mjj": mass_of,
    "mj_light": lambda a, b: min(a["mass"], b["mass"]),
    "mj_heavy": lambda a, b: max(a["mass"], b["mass"]),
    "delta_mj": lambda a, b: abs(a["mass"] - b["mass"]),
    "tau21_light": lambda a, b: light(a, b)["tau2"] / (light(a, b)["tau1"] + 1e-5),
    "tau21_heavy": lambda a, b: heavy(a, b)["tau2"] / (heavy(a, b)["tau1"] + 1e-5),
    "tau32_light": lambda a, b: light(a, b)["tau3"] / (light(a, b)["tau2"] + 1e-5),
    "tau32_heavy": lambda a, b: heavy(a, b)["tau3"] / (heavy(a, b)["tau2"] + 1e-5),
    "delta_eta": lambda a, b: abs(a["eta"] - b["eta"]),
    "delta_phi": angle,
    "delta_r": lambda a, b: math.hypot(a["eta"] - b["eta"], angle(a, b)),
}


def events_for(tree: ast.expr, rng: np.random.Generator) -> list[Event]:
    """Events with every branch that an expression names; jets in no order, and not in every event."""
    functions = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in functions}
    listed = {ast.unparse(n.value) for n in ast.walk(tree) if isinstance(n, ast.Subscript)}
    collections = {ast.unparse(n.args[0]) for n in ast.walk(tree) if is_call_of(n, {"num"})}
    collections |= {n.id for n in ast.walk(tree) for n in jet_names(n)}
    collections |= {name.rsplit("_", 1)[0] for name in listed}
    counts = {re.sub(r"_(pt|eta)$", "", name): rng.integers(0, 4, EVENTS) for name in collections}
    made: dict[str, list[Any]] = {}
    for collection, count in counts.items():
        single = any(is_call_of(n, set(OF_JETS)) and len(n.args) == 2 for n in ast.walk(tree))
        for name in (*FIELDS, "other"):
            values = [values_of(name, 1 if single else int(n), rng) for n in count]
            made[f"{collection}_{name}"] = [v[0] for v in values] if single else values
    for name in names - {*made}:
        if name[1:] in counts:
            made[name] = [int(n) for n in counts[name[1:]]]
        elif name not in counts:
            prefix = next((c for c in counts if name.startswith(f"{c}_")), None)
            sizes = counts.get(prefix or "")
            made[name] = (
                values_of(name, EVENTS, rng) if sizes is None else [values_of(name, int(n), rng) for n in sizes]
            )
    return [dict(zip(made, row, strict=True)) for row in zip(*made.values(), strict=True)]


def is_call_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def jet_names(node: ast.AST) -> list[ast.Name]:
    if not (isinstance(node, ast.Call) and is_call_of(node, set(OF_JETS))):
        return []
    return [n for argument in node.args for n in ast.walk(argument) if isinstance(n, ast.Name)]


def values_of(name: str, n: int, rng: np.random.Generator) -> list[Any]:
    """Around what is usually asked of a branch of that name."""
    field = name.rsplit("_", 1)[-1].lower()
    if name.startswith("is") or field in ("event", "eventnumber"):
        return [int(v) for v in rng.integers(0, 2 if name.startswith("is") else 10**6, n)]
    if field in ("eta", "phi"):
        return [float(v) for v in rng.uniform(-3, 3, n)]
    scale = {"pt": 1000.0, "mass": 100.0}.get(field, 1.0)
    return [float(v) for v in scale * rng.exponential(size=n)]


def missing_as_none(text: str, events: list[Event]) -> list[Any]:
    columns = {name: ak.Array([event[name] for event in events]) for name in events[0]}
    column = compile_expression(text).evaluate(columns)
    assert column.offsets is None
    missing = np.zeros(len(events), dtype=bool) if column.missing is None else column.missing
    return [None if m else v for v, m in zip(column.values.tolist(), missing, strict=True)]


def test_the_expressions_are_found() -> None:
    found = written()
    assert "num(FatJet) >= 2 and FatJet_pt[0] > 1200 and abs(FatJet_eta[0]) < 2.5" in found
    assert "mu1_pt > 4 and mu2_pt > 4" in found
    assert "mjj(AnalysisLargeRJets)" in found
    assert len(found) > 20


@pytest.mark.parametrize("text", written())
def test_an_expression_of_the_documentation(text: str) -> None:
    tree = ast.parse(text, mode="eval").body
    events = events_for(tree, np.random.default_rng(1))
    reference = Dijets({})
    expected = [reference(tree, event) for event in events]
    assert any(value is not None for value in expected)
    for i, (ours, right) in enumerate(zip(missing_as_none(text, events), expected, strict=True)):
        same = ours is right if right is None or isinstance(right, bool) else ours == pytest.approx(right, rel=1e-6)
        assert same, (i, ours, right, events[i])


def test_the_selection_of_the_readme_is_known_by_hand() -> None:
    """Two jets, the first above 1200 GeV and central: counted here, without any evaluator."""
    text = "num(FatJet) >= 2 and FatJet_pt[0] > 1200 and abs(FatJet_eta[0]) < 2.5"
    assert text in (ROOT / "README.md").read_text(encoding="utf-8")
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 4, 2000)
    pt = [[float(v) for v in rng.uniform(500, 2000, n)] for n in counts]
    eta = [[float(v) for v in rng.uniform(-6, 6, n)] for n in counts]
    right = [len(p) >= 2 and p[0] > 1200 and -2.5 < e[0] < 2.5 for p, e in zip(pt, eta, strict=True)]
    passing = compile_expression(text).passing({"FatJet_pt": ak.Array(pt), "FatJet_eta": ak.Array(eta)})
    assert passing.tolist() == right
    assert 100 < sum(right) < 400
