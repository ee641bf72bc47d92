"""The shape of the house: who may import whom, what nobody may call, what an import may cost."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("analysis", "generators", "cathode")

#: Top-level modules that a package must not name, in any function and under any condition.
FORBIDDEN_IMPORTS = {
    "analysis": {"generators", "cathode", "torch", "lightning_fabric", "nflows", "safetensors"},
    "generators": {"analysis", "cathode"},
    "cathode": set(),
}

#: Modules that write or read files which run code, and global plotting state.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "matplotlib.pyplot"}

#: The same for single functions, called or imported by name.
UNSAFE_CALLS = {"torch.load", "torch.save", "yaml.load", "yaml.unsafe_load", "joblib.load", "joblib.dump", "os.system"}

#: Built-ins that execute text, and print, which belongs to no library.
UNSAFE_NAMES = {"eval", "exec", "__import__", "print"}

#: What may be taken from numpy.random: the rest is global state.
SEEDED = {"Generator", "SeedSequence", "default_rng", "PCG64", "Philox", "BitGenerator"}

SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def violations(package: str, source: str) -> list[str]:
    """Everything in a module's source that the rules forbid, as "line: what"."""
    tree = ast.parse(source)
    found = []
    for line, module in imported(tree):
        if module.split(".")[0] in FORBIDDEN_IMPORTS[package]:
            found.append(f"{line}: imports {module}")
        if module in UNSAFE_MODULES | UNSAFE_CALLS or module.split(".")[0] in UNSAFE_MODULES:
            found.append(f"{line}: imports {module}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in UNSAFE_NAMES | UNSAFE_CALLS:
                found.append(f"{node.lineno}: calls {name}")
            if any(k.arg == "allow_pickle" and not _is_false(k.value) for k in node.keywords):
                found.append(f"{node.lineno}: allows pickle")
        if dotted(node).startswith(("np.random.", "numpy.random.")) and dotted(node).split(".")[2] not in SEEDED:
            found.append(f"{node.lineno}: uses {dotted(node)}")
    return found


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_keeps_the_rules(path: Path) -> None:
    assert violations(path.relative_to(ROOT).parts[0], path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("analysis", "def f():\n    import torch.nn"),
        ("analysis", "from generators import load"),
        ("generators", "from analysis.errors import nearest"),
        ("generators", "import cathode"),
        ("cathode", "import pickle"),
        ("cathode", "from matplotlib import pyplot as plt"),
        ("cathode", "import torch\ntorch.load('x')"),
        ("cathode", "from joblib import dump"),
        ("cathode", "model.score(eval('1'))"),
        ("analysis", "print('hello')"),
        ("analysis", "import numpy as np\nnp.random.seed(1)"),
        ("analysis", "np.load('x', allow_pickle=True)"),
    ],
)
def test_rules_can_be_broken(package: str, source: str) -> None:
    assert violations(package, source)


@pytest.mark.parametrize("package", PACKAGES)
def test_import_is_light(package: str) -> None:
    assert heavy_modules_after(f"import {package}") == []


@pytest.mark.skipif(importlib.util.find_spec("cathode.cli") is None, reason="there is no command line yet")
def test_help_of_the_command_line_is_light() -> None:
    run = (
        "import runpy; sys.argv = ['cathode', '--help']\n"
        "try: runpy.run_module('cathode', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code"
    )
    assert heavy_modules_after(run) == []


@pytest.mark.skipif(importlib.util.find_spec("cathode.cli") is None, reason="there is no command line yet")
def test_a_look_at_an_analysis_file_of_the_usual_parts_loads_what_reads_its_data_alone() -> None:
    run = (
        "from cathode.cli.app import app\napp(['config', 'check', 'cathode/configs/demo.yaml'], standalone_mode=False)"
    )
    assert heavy_modules_after(run) == ["uproot", "awkward"]


def heavy_modules_after(code: str) -> list[str]:
    """Which of the heavy libraries a fresh interpreter has loaded after `code`."""
    heavy = (
        "torch",
        "matplotlib",
        "sklearn",
        "uproot",
        "awkward",
        "scipy.stats",
        "nflows",
        "lightning_fabric",
        "ot",
        "vector",
        "sympy",
    )
    script = f"import sys\n{code}\nprint('loaded:', *(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip().splitlines()[-1].split()[1:]
