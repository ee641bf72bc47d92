"""The examples run as they are, and each notebook says what its script says."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import jupytext
import nbformat
import pytest

from tools.run_tutorials import GALLERY, TUTORIALS, execute

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
#: Those that train nothing; the others take up to a minute each.
FAST = {GALLERY}


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {*TUTORIALS, GALLERY}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_script_and_notebook_are_one_text(self, path: Path) -> None:
        """`python tools/run_tutorials.py` makes them so."""
        notebook, script = nbformat.read(path, as_version=4), jupytext.read(path.with_suffix(".py"))
        assert [(c.cell_type, c.source) for c in notebook.cells] == [(c.cell_type, c.source) for c in script.cells]

    def test_no_output_is_stored(self, path: Path) -> None:
        code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert not [cell for cell in code if cell.outputs or cell.execution_count is not None]


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=() if path.stem in FAST else pytest.mark.slow) for path in NOTEBOOKS],
)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = execute(nbformat.read(path, as_version=4), tmp_path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs), "no figure was shown"
    expect(path.stem, "".join(o["text"] for o in outputs if o.output_type == "stream"))


def test_comparison_of_generators_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """A model that has learned nothing of the correlations is worse than one that has learned a little."""
    from cathode.runtime.processes import one_thread

    flow = "{kind: autoregressive_spline, training: {steps: %d, batch_size: 512, learning_rate: 0.01, ema_decay: 0.9}}"
    arguments = [flow % 100, flow % 2, "--thin", "20", "--members", "1"]
    with one_thread():
        runpy.run_path(str(ROOT / "examples" / "compare_generators.py"))["main"]([*arguments, "--json"])
    trained, untrained = json.loads(capsys.readouterr().out)["results"]
    assert trained["auc"] + 3 * trained["error"] < untrained["auc"]


@pytest.mark.slow
def test_search_for_anomalous_conditions_finds_the_loss(capsys: pytest.CaptureFixture[str]) -> None:
    """A few sensors with two and a half times their hits; the machine reports nothing."""
    from cathode.runtime.processes import one_thread

    with one_thread():
        runpy.run_path(str(ROOT / "examples" / "anomalous_conditions.py"))["main"](
            ["--events", "700", "--share", "0.2", "--json"]
        )
    found = json.loads(capsys.readouterr().out)
    normal, loss = found["normal"], found["loss"]
    assert normal["with_loss"] == 0
    assert loss["odd"] > 1.5 * normal["odd"]
    # A fifth of the events has one; of what is odd it is at least half.
    assert loss["with_loss"] > loss["odd"] / 2


def expect(name: str, text: str) -> None:
    """What a reader of the notebook should learn from its output."""
    if name == "search":
        tight = next(line for line in text.splitlines() if line.startswith("Background efficiency 0.001:"))
        observed, expected = re.match(r".*: (\S+) observed, (\S+) ", tight).groups()
        assert float(observed) > 3 * float(expected)
    if name == "template_quality":
        together = [float(line.split()[2]) for line in text.splitlines() if line.strip().startswith("all together")]
        spline, matching = together
        assert 0.49 < spline < matching
    if name == "own_data":
        passing, signal = map(int, re.search(r"(\d+) of \d+ events in the window pass, (\d+) of them", text).groups())
        assert passing > signal > 0.5 * passing
    if name == "methods_compared":
        found = dict(re.findall(r"^(\w+) +([\d.]+) ±", text, re.MULTILINE))
        assert set(found) == {"cathode", "cwola", "idealised", "supervised"}
        assert min(map(float, found.values())) > 2
    if name == "scan_and_limit":
        assert "3300–3700 GeV: local p" in text
    if name == "full_phase_space":
        data, template = map(float, re.findall(r"([\d.]+) of m_jj in the median", text))
        assert abs(data - template) < 0.02
    if name == "showers":
        assert float(re.search(r"AUC of the truth ([\d.]+)", text)[1]) > 0.9
