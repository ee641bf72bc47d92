"""What the documentation says to run, runs: its Python, and its commands in the order in which a page has them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.datasets import embedded
from cathode.cli.app import app
from tests.pages import EXTENDING, PAGES, ROOT, Command, blocks, commands, execute, name_of, run_as_typed
from tools.run_tutorials import GALLERY, TUTORIALS, page_of


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, whose modules can be imported; they are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for module in set(sys.modules) - before:
        if Path(getattr(sys.modules[module], "__file__", None) or ROOT).is_relative_to(tmp_path):
            del sys.modules[module]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a search: small networks lose more by sharing busy cores than they gain."""
    from cathode.runtime.processes import one_thread

    with one_thread():
        yield


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page registers is gone after its test."""
    import cathode.testing.toy  # noqa: F401 (what it registers stays)
    from cathode.registry import CLASSIFIERS, MASS_MODELS, METHODS, OBSERVABLES
    from generators import registry

    monkeypatch.setattr(registry.GENERATORS, "_known", dict(registry.GENERATORS._known))
    for table in (CLASSIFIERS, MASS_MODELS, METHODS, OBSERVABLES):
        monkeypatch.setattr(table, "_known", dict(table._known))


@pytest.mark.usefixtures("workplace", "registries", "one_thread")
def test_python_of_extending_runs() -> None:
    import numpy as np

    from analysis.events import Events
    from cathode.classifiers import load_classifier
    from generators.protocols import ConditionalGenerator, DensityGenerator

    defined = execute(EXTENDING)
    copula, fisher, more = defined["copula"], defined["Fisher"](), defined["more"]
    assert isinstance(copula, DensityGenerator)
    assert isinstance(defined["create"]({"kind": "gaussian_copula"}), ConditionalGenerator)
    # The toy of the page: two normal variables with correlation 0.6 whose logarithms drift with the mass.
    logs = np.log(defined["drawn"]) - defined["mass"] / 5000
    assert np.allclose(np.cov(logs.T), [[1, 0.6], [0.6, 1]], atol=0.1)
    assert np.allclose(logs.mean(axis=0), 0, atol=0.1)
    truth = np.log(defined["x"]) - defined["mass"] / 5000
    known = -0.5 * np.einsum("ni,ij,nj->n", truth, np.linalg.inv([[1, 0.6], [0.6, 1]]), truth)
    known -= np.log(2 * np.pi * 0.8) + np.log(defined["x"]).sum(axis=1)
    assert abs((copula.log_prob(defined["x"], defined["mass"]) - known).mean()) < 0.05

    of_copula, of_mass_model = defined["broken"]
    for failing in ("samples_follow_the_context", "log_prob_is_that_of_the_truth"):
        assert f"\n{failing}: " in of_copula
    assert of_copula.startswith("2 of 23 checks failed.")
    assert "biased" in of_mass_model

    assert isinstance(more, Events)
    assert more.columns[-1] == "tau21_min"

    rng = np.random.default_rng(1)
    y = np.repeat([1, 0], 2000)
    x = rng.standard_normal((4000, 3)) @ np.diag([1.0, 2.0, 3.0]) + np.outer(y, [1.0, 0.0, 0.0])
    fitted = fisher.fit(x, y, seed=1)
    assert abs(fitted.direction_[1:] / fitted.direction_[0]).max() < 0.1
    assert (load_classifier(fitted.save("fisher")).score(x) == fitted.score(x)).all()


@pytest.mark.slow
def test_commands_of_a_newcomer_run(workplace: Path) -> None:
    run_as_typed(ROOT / "docs" / "newcomer.md", workplace)
    own = json.loads((workplace / "runs" / "own" / "result.json").read_text(encoding="utf-8"))
    assert own["method"]["generator"]["kind"] == "drifting_normal"
    assert own["quick"]
    assert own["counts"]["signal_region"] > 1000
    assert (workplace / "runs" / "trial" / "report.html").is_file()


def test_commands_of_extending_run(workplace: Path) -> None:
    """In processes of their own, as typed: the second process of a search has to find the module as well."""
    run_as_typed(EXTENDING, workplace)
    intervals = json.loads((workplace / "moved.json").read_text(encoding="utf-8"))["closures"]
    # One mean drift is not good enough over all of the sidebands, and better than nothing.
    assert all(0.5 < interval["auc"] < 0.7 for interval in intervals)
    card = json.loads((workplace / "runs" / "moved" / "template" / "card.json").read_text(encoding="utf-8"))
    assert card["kind"] == "moved_sideband"
    assert card["hyperparameters"] == {"neighbours": 4000, "smearing": 0.1}
    assert (workplace / "moved.parquet").is_file()


OTHER_PAGES = [
    page
    for page in PAGES
    if page not in (EXTENDING, ROOT / "README.md", *map(page_of, (*TUTORIALS, GALLERY)))
    and blocks(page, language="python")
]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `runs/analysis` is a finished search, small and bad, and `ntuples` what it read."""
    place = tmp_path_factory.mktemp("docs")
    (place / "ntuples").mkdir()
    (place / "ntuples" / "dijets.root").symlink_to(embedded("dijets"))
    small = """
data: {files: ntuples/*.root, selection: event % 12 == 0, features: dijet, truth: isSignal}
region: {signal: [3300, 3700]}
template:
  generator: {kind: autoregressive_spline, blocks: 1, hidden: 16, training: {steps: 40, batch_size: 512}}
classifier: {kind: boosted_trees, members: 1, max_iter: 10, jobs: 1}
folds: 2
background_efficiencies: [0.01]
threads: 1
"""
    (place / "analysis.yaml").write_text(small, encoding="utf-8")
    from cathode.commands import run_analysis
    from cathode.config import load_config

    run_analysis(load_config(place / "analysis.yaml"), place / "runs" / "analysis", report=False)
    return place


@pytest.mark.parametrize("page", OTHER_PAGES, ids=name_of)
@pytest.mark.usefixtures("registries", "one_thread")
def test_python_of_other_pages_runs(page: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run_folder)
    execute(page)


#: Pages whose commands are typed as they stand, by the tests above: page -> whether that is slow.
AS_TYPED = {"docs/extending.md": False, "docs/newcomer.md": True}

#: A search in the full phase space takes minutes, however quick it is.
FEW_STEPS = shlex.join(
    word
    for each in (
        "data.selection=event % 8 == 0",
        "template.oversampling=1",
        "template.generator.constituents.training.steps=150",
        "template.generator.constituents.width=16",
        "template.generator.jets={kind: flow_matching, hidden: 16, layers: 1, training: {steps: 200}, "
        "bijection: {kind: chain, bijections: [dequantise, quantile_normal]}}",
        "template.reweighting=null",
        "observables=dijet_substructure",
        "classifier={kind: boosted_trees, members: 1, max_iter: 10}",
        "background_efficiencies=[0.1]",
        "folds=2",
        "threads=1",
    )
    for word in ("--set", each)
)

#: What of a command is made small, or is named otherwise in the folder of the tests.
SMALLER = (
    (r"--experiments \d+", "--experiments 20"),
    (r"(cathode calibrate (?!.*--experiments).*)", r"\1 --experiments 20"),
    (r"--windows \d+", "--windows 2"),
    (r"--workers \d+", "--workers 1"),
    (r"(--events|--jets|--showers|-n) \d+", r"\1 20"),
    (r"(--geometry ds1-photons) -n 20", r"\1 -n 200"),
    (r"(--geometry (?:calogan|ild) .*)-n 20", r"\1-n 2"),
    (r"(data simulate dijets(?!.*--events).*)", r"\1 --events 20"),
    (r"cathode demo", "cathode demo --quick"),
    (r"cathode run cathode/", f"cathode run {FEW_STEPS} {ROOT}/cathode/"),
    (r"generated.h5 reference.h5", "photons.h5 photons.h5"),
    (r"/scratch/group/store", "group_store"),
    (r"(cathode tasks .*)study", r"\1tasks/files"),
    (r"--task \d+", "--task 0"),
    (r"--generator autoregressive_spline", "--generator '{kind: autoregressive_spline, training: {steps: 20}}'"),
    (r"bijection: quantile_normal}", "bijection: quantile_normal, training: {epochs: 1}}"),
)

#: Seconds of CPU at most each, in the fast tests.
FAST = (
    r"cathode config (check|example)( .*)?",
    r"cathode store (list|prune --unreferenced)",
    r"cathode data list",
    r"cathode data simulate (pixels|jets) .*",
    r"cathode data simulate dijets (?!.*vincia).*",
    r"cathode doctor",
    r"cathode export runs/\w+ --onnx exported",
    r"cathode prepare analysis\.yaml store( --workers \d+| --plan)?",
    r"cathode sample runs/analysis .*",
    r"cathode score runs/analysis .*",
    r"cathode tasks array store/files .*",
    r"cathode train analysis\.yaml .*",
    r"cathode validate analysis\.yaml .*",
    r"cathode tasks status (study|store/files)",
)

#: The others, in the slow ones.
SLOW = (
    r"cathode (audit|calibrate|compare) (?!.*--scheduler).*",
    r"cathode data simulate dijets .*vincia.*",
    r"cathode data simulate showers .*",
    r"cathode demo.*",
    r"cathode evaluate showers .*",
    r"cathode report runs/analysis",
    r"cathode run .*",
    r"cathode scan (plan|run|collect) .*",
    r"cathode study configs/.*",
    r"cathode tasks (run|resume|collect) study.*",
    r"cathode tasks array runs/scan/searches .*",
)

#: What is not run here -> why, with the file that runs it where there is one.
ELSEWHERE = {
    r"make (demo|test)": "installs an environment of its own: `.github/workflows/test.yml`",
    r"(git clone|cd|python -m venv|\.) .*": "makes an environment of its own: `.github/workflows/test.yml`",
    r"pip install .*": "wants the network: `Makefile`, release-check",
    r"cathode data fetch .*": "wants the network: `tests/analysis/test_datasets.py`",
    r"cathode .*--scheduler (slurm|htcondor)\.yaml": "wants a cluster: `tests/analysis/tasks/test_dask.py`",
    r"cathode .*--scheduler tcp:.*": "wants a scheduler: `tests/analysis/tasks/test_dask.py`",
    r"(sbatch|condor_submit) .*": "wants a cluster: `tests/analysis/tasks/test_batch.py`",
    r"python benchmarks/calibration\.py .*": "hours: `tests/benchmarks/test_calibration.py`",
    r"python benchmarks/null_suites\.py .*": "hours: `tests/benchmarks/test_null_suites.py`",
    r"python benchmarks/densities\.py .*": "hours, and simulated dijets that do not come with the package",
    r"python examples/(compare_generators|anomalous_conditions)\.py.*": "an example: `tests/test_examples.py`",
}


def classes_of(command: Command) -> list[str]:
    """Which of the tables have a command."""
    tables = {"fast": FAST, "slow": SLOW, "elsewhere": ELSEWHERE}
    return [name for name, table in tables.items() for each in table if re.fullmatch(each, str(command))]


def test_every_command_is_run_fast_or_slowly_or_has_a_reason() -> None:
    of_tables = [(page, each) for page in PAGES if name_of(page) not in AS_TYPED for each in commands(page)]
    assert len(of_tables) > 60
    assert not {f"{name_of(page)}: {each}" for page, each in of_tables if len(classes_of(each)) != 1}
    for pattern in (*FAST, *SLOW, *ELSEWHERE):
        assert any(re.fullmatch(pattern, str(each)) for _, each in of_tables), f"no command is {pattern}"
    for reason in ELSEWHERE.values():
        assert all((ROOT / file).is_file() for file in re.findall(r"`([^`]+)`", reason)), reason


def test_every_block_is_of_a_language_that_is_run_or_shown() -> None:
    """`console`, `python` and `yaml` are run or read; `text` is output, `bash` and `cpp` are for other machines."""
    found = {m for page in PAGES for m in re.findall(r"^```(\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)}
    assert found <= {"console", "python", "yaml", "text", "bash", "cpp"}


SCAN = """
analysis: analysis.yaml
windows: [[3000, 3400], [3300, 3700]]
methods: {cathode: {}}
seeds: [1]
"""

COMPARISON = """
data: {files: ntuples/*.root, selection: event % 12 == 0, features: dijet}
region: {signal: [3300, 3700]}
validation: {members: 1}
folds: 2
comparison:
  generators:
    - {kind: autoregressive_spline, blocks: 1, hidden: 16, training: {steps: 20}}
    - {kind: coupling_spline, blocks: 2, hidden: 16, training: {steps: 20}}
"""


@pytest.fixture
def typed(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder of a reader, with small files in the place of those that pages name."""
    place = tmp_path / "reader"
    shutil.copytree(run_folder, place, symlinks=True)
    for folder in ("more", "other"):
        (place / folder).mkdir()
        (place / folder / "dijets.root").symlink_to(embedded("dijets"))
    (place / "runs" / "dijets").symlink_to(place / "runs" / "analysis")
    (place / "cheap.yaml").symlink_to(place / "analysis.yaml")
    (place / "scan.yaml").write_text(SCAN, encoding="utf-8")
    (place / "dijets.yaml").write_text(COMPARISON, encoding="utf-8")
    study = (ROOT / "configs" / "studies" / "deeptree_branching.yaml").read_text(encoding="utf-8")
    study = study.replace("1000", "100").replace("steps: 2000", "steps: 3").replace("seeds: [1, 2]", "seeds: [1]")
    (place / "configs" / "studies").mkdir(parents=True)
    (place / "configs" / "studies" / "deeptree_branching.yaml").write_text(study, encoding="utf-8")
    monkeypatch.chdir(place)
    planned = CliRunner().invoke(app, ["prepare", "analysis.yaml", "tasks", "--plan"])
    assert planned.exit_code == 0, planned.output
    return place


def smaller(command: Command) -> list[str]:
    """The arguments of `cathode` that are typed in the place of those of a page."""
    text = str(command)
    for pattern, instead in SMALLER:
        text = re.sub(pattern, instead, text)
    return shlex.split(text)[1:]


def type_commands(page: Path, classes: set[str]) -> None:
    """Type the commands of these classes in their order; a file that is there already is not written over."""
    for command in commands(page):
        if not classes & set(classes_of(command)):
            continue
        arguments = smaller(command)
        done = CliRunner().invoke(app, arguments)
        # With --strict a validation that failed is told by 3.
        allowed = (0, 3) if "--strict" in arguments else (0,)
        assert done.exit_code in allowed, f"{shlex.join(arguments)}: {done.output} {done.exception!r}"
        if command.into and not Path(command.into).exists():
            Path(command.into).write_text(done.stdout, encoding="utf-8")


def pages_with(*classes: str) -> list[Path]:
    found = [page for page in PAGES if name_of(page) not in AS_TYPED]
    return [page for page in found if any(set(classes) & set(classes_of(each)) for each in commands(page))]


@pytest.mark.parametrize("page", pages_with("fast"), ids=name_of)
@pytest.mark.usefixtures("typed", "registries", "one_thread")
def test_fast_commands_run(page: Path) -> None:
    type_commands(page, {"fast"})


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("slow"), ids=name_of)
@pytest.mark.usefixtures("typed", "registries", "one_thread")
def test_all_commands_run(page: Path) -> None:
    type_commands(page, {"fast", "slow"})
