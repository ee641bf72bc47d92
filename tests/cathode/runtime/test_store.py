"""The store: what was trained once is not trained again, and nothing that differs is ever taken for equal."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from analysis.events import Events
from cathode.classifiers import BoostedTrees
from cathode.cli.app import app
from cathode.config import embedded_text, parse_config
from cathode.errors import RunFolderError, StoreError
from cathode.methods.cathode import Cathode
from cathode.runtime import keys
from cathode.runtime.keys import product_key
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.store import Store
from cathode.scoring import Scorer
from cathode.search import Search
from cathode.template.reweighting import Reweighting
from generators.registry import create
from generators.tabular.base import FeatureDensity
from generators.training import loop

from ..toys import REGION, TrueGenerator, TrueMass, decisive, small_flow_matching, toy_events

TREES = BoostedTrees(members=1, max_iter=5)


class InterruptionError(Exception):
    pass


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(5_000, signal=40, seed=71, truth=True)


def search(method: str = "cathode", **changes: Any) -> Search:
    usual: dict[str, Any] = {
        "region": REGION,
        "mass_model": TrueMass(),
        "generator": small_flow_matching(),
        "classifier": TREES,
        "folds": 2,
        "closure_members": 1,
        "background_efficiencies": (0.05,),
        "workers": 1,
    }
    settings = {**usual, **changes}
    return Search.of(method, **{name: value for name, value in settings.items() if value is not None})


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the fits of generators and of classifiers, and epochs."""
    count: Counter[str] = Counter()

    def counting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            count[name] += 1
            return original(*args, **kwargs)

        return counted

    monkeypatch.setattr(FeatureDensity, "fit", counting("generators", FeatureDensity.fit))
    monkeypatch.setattr(BoostedTrees, "fit", counting("classifiers", BoostedTrees.fit))
    monkeypatch.setattr(loop, "write_checkpoint", counting("epochs", loop.write_checkpoint))
    return count


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def trained(work: Counter[str]) -> tuple[int, int]:
    """Fits of generators and of classifiers since the last time."""
    found = work["generators"], work["classifiers"]
    work.clear()
    return found


def test_another_efficiency_in_another_folder_trains_nothing(
    events: Events, work: Counter[str], store: Path, tmp_path: Path
) -> None:
    search().run(events, output=tmp_path / "one", store=store)
    # Window and strips, each with two folds.
    assert trained(work) == (2, 4)
    other = search(background_efficiencies=(0.1, 0.02))
    found = other.run(events, output=tmp_path / "two", store=store)
    assert trained(work) == (0, 0)
    alone = other.run(events, output=tmp_path / "alone")
    assert trained(work) == (2, 4)
    assert decisive(found) == decisive(alone)
    same = (tmp_path / "two" / "scores.root", tmp_path / "alone" / "scores.root")
    assert Scorer.load(same[0].parent)(events).score.tolist() == Scorer.load(same[1].parent)(events).score.tolist()
    # Without any folder too, as a scan may do it.
    assert decisive(other.run(events, store=store)) == {**decisive(alone)}
    assert trained(work) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"classifier": BoostedTrees(members=1, max_iter=6)}, (0, 4)),
        ({"oversampling": 3}, (0, 4)),
        ({"closure": False}, (0, 0)),
        ({"closure_members": 2}, (0, 0)),
        ({"closure_repeats": 2}, (0, 2)),
        ({"region_fraction": 0.4}, (1, 2)),
        ({"generator": small_flow_matching(epochs=3)}, (2, 4)),
        ({"seed": 8}, (2, 4)),
    ],
    ids=str,
)
def test_what_depends_on_a_change_is_trained_again(
    events: Events, work: Counter[str], base: Path, tmp_path: Path, changes: Any, expected: tuple[int, int]
) -> None:
    shutil.copytree(base, tmp_path / "store")
    other = search(**changes)
    found = other.run(events, output=tmp_path / "two", store=tmp_path / "store")
    assert trained(work) == expected
    assert decisive(found) == decisive(other.run(events, output=tmp_path / "alone"))


@pytest.fixture(scope="module")
def base(events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    search().run(events, store=folder / "store")
    return folder / "store"


def test_a_cut_on_the_events_trains_all_of_it_again(
    events: Events, work: Counter[str], base: Path, tmp_path: Path
) -> None:
    shutil.copytree(base, tmp_path / "store")
    search().run(events[events.x[:, 0] < 3.0], store=tmp_path / "store")
    assert trained(work) == (2, 4)


def test_methods_share_what_is_equal(events: Events, work: Counter[str], store: Path) -> None:
    flow = create({"kind": "linear_flow", "training": {"steps": 4}})
    reference = toy_events(4_000, seed=5)
    settings: dict[str, Any] = {"generator": flow, "closure": False}
    search(**settings).run(events, store=store, reference=reference)
    # Two folds, and two of the idealised detector, which is that of CWoLa as well.
    assert trained(work) == (1, 4)
    search("anode", **settings, classifier=None).run(events, store=store)
    assert trained(work) == (2, 0)
    search("cwola", closure=False, generator=None).run(events, store=store, reference=reference)
    assert trained(work) == (0, 2)


def test_reweighting_and_its_closures(events: Events, work: Counter[str], store: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"reweighting": Reweighting(classifier=TREES, folds=2), "closure": False}
    search(**settings).run(events, output=tmp_path / "one", store=store)
    assert trained(work)[1] > 4
    found = search(**settings, background_efficiencies=(0.1,)).run(events, output=tmp_path / "two", store=store)
    assert trained(work) == (0, 0)
    assert (tmp_path / "two" / "reweighting" / "closure_after.json").is_file()
    alone = search(**settings, background_efficiencies=(0.1,)).run(events)
    assert decisive(found) == decisive(alone)


def test_run_folders_survive_the_store(events: Events, store: Path, tmp_path: Path) -> None:
    search().run(events, output=tmp_path / "one", store=store)
    search(background_efficiencies=(0.1,)).run(events, output=tmp_path / "two", store=store)
    weights = tmp_path / "one" / "template" / "weights.safetensors"
    assert weights.stat().st_nlink == 3
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert {entry.runs for entry in Store.at(store).entries()} == {2}
    before = [Scorer.load(tmp_path / name)(events).score for name in ("one", "two")]
    shutil.rmtree(store)
    assert weights.stat().st_nlink == 2
    shutil.rmtree(tmp_path / "one")
    np.testing.assert_array_equal(Scorer.load(tmp_path / "two")(events).score, before[1])


def test_another_disk_gets_copies(
    events: Events, work: Counter[str], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", another)
    search().run(events, output=tmp_path / "one", store=store)
    trained(work)
    search(background_efficiencies=(0.1,)).run(events, output=tmp_path / "two", store=store)
    assert trained(work) == (0, 0)
    assert (tmp_path / "two" / "template" / "weights.safetensors").stat().st_nlink == 1


@pytest.mark.parametrize("harm", ["flipped", "missing", "listed", "empty"])
def test_what_was_altered_is_made_again(
    events: Events, work: Counter[str], base: Path, tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(base, tmp_path / "store")
    entry = next(
        path for path in (tmp_path / "store").glob("*/product/card.json") if "flow_matching" in path.read_text()
    )
    weights, listed = entry.parent / "weights.safetensors", entry.parent.parent / "entry.json"
    if harm == "flipped":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif harm == "missing":
        weights.unlink()
    elif harm == "listed":
        listed.write_text("[")
    else:
        listed.unlink()
    found = search().run(events, output=tmp_path / "run", store=tmp_path / "store")
    assert trained(work) == (1, 0)
    assert decisive(found) == decisive(search().run(events, store=base))


def test_a_store_that_can_not_be_written_is_a_warning(
    events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Store) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "_open", full)
    found = search(closure=False).run(events, output=None, store=tmp_path / "store")
    assert "a product can not be shared ([Errno 28] No space left on device)" in caplog.text
    monkeypatch.undo()
    assert decisive(found) == decisive(search(closure=False).run(events))


def test_what_can_not_be_told_apart_is_not_shared(events: Events, store: Path) -> None:
    search(generator=TrueGenerator(), closure=False).run(events, store=store)
    assert [entry.stage for entry in Store.at(store).entries()] == ["classifier", "classifier"]


class TestKeys:
    x = np.arange(12.0).reshape(6, 2)

    def key(self, part: Any = TREES, *arrays: Any, seed: int = 1, stage: str = "classifier", also: Any = None) -> Any:
        return product_key(stage, part, *(arrays or (self.x,)), seed=seed, also=also)

    def test_everything_that_decides_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        started = dataclasses.replace(TREES)
        started.start_ = {"weight": np.ones(2)}  # type: ignore[attr-defined]
        elsewhere = dataclasses.replace(TREES)
        elsewhere.start_ = {"weight": np.array([1.0, 2.0])}  # type: ignore[attr-defined]
        found = [
            self.key(),
            self.key(BoostedTrees(members=2, max_iter=5)),
            self.key(TREES, self.x + 1e-12),
            self.key(TREES, self.x.astype(np.float32)),
            self.key(TREES, self.x.T),
            self.key(TREES, self.x, self.x),
            self.key(seed=2),
            self.key(stage="closure"),
            self.key(also=["a"]),
            self.key(started),
            self.key(elsewhere),
            self.key(small_flow_matching()),
            self.key(Cathode(generator=small_flow_matching())),
            self.key(Cathode(generator=small_flow_matching(epochs=3))),
        ]
        assert None not in found
        assert len(set(found)) == len(found)
        assert self.key(dataclasses.replace(TREES)) == found[0]
        for name, value in (
            ("code_version", lambda modules: "other"),
            ("versions", lambda: {"torch": "9"}),
            ("FORMAT", 2),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(keys, name, value)
                assert self.key() not in found

    def test_parts_that_say_nothing_of_themselves_have_none(self) -> None:
        class Local:
            pass

        holder = dataclasses.replace(TREES)
        holder.start_ = Local()  # type: ignore[attr-defined]
        assert [self.key(Local()), self.key(TrueGenerator()), self.key(holder)] == [None, None, None]

    def test_the_code_of_a_plug_in_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import importlib

        text = "from dataclasses import dataclass\n@dataclass\nclass Part:\n    kind = 'mine'\n    a: int = 1\n"
        found = []
        monkeypatch.syspath_prepend(tmp_path)
        for number, code in enumerate((text, text + "# other\n")):
            (tmp_path / f"plug{number}_of_tests.py").write_text(code)
            found.append(self.key(importlib.import_module(f"plug{number}_of_tests").Part()))
        assert None not in found
        assert found[0] != found[1]


TWO = """
import sys, json
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from cathode.classifiers import BoostedTrees
from cathode.search import Search
from cathode.region import Region
from generators.registry import create
from analysis.events import Events
import numpy as np
rng = np.random.default_rng(1)
mass = 2300 - 1500 * np.log1p(-0.9 * rng.random(4000))
x = rng.normal(size=(4000, 2)).astype("f4")
ids = np.stack([np.ones(4000), np.ones(4000), np.arange(4000)], axis=1).astype("u8")
flow = create({"kind": "flow_matching", "hidden": 8, "layers": 1, "sampling_steps": 2,
               "training": {"steps": None, "epochs": 2, "batch_size": 512}})
print("ready", flush=True)
sys.stdin.readline()
result = Search.of(region=Region(3300.0, 3700.0), generator=flow, classifier=BoostedTrees(members=1, max_iter=5),
                   mass_model=__import__("cathode").KdeMass(), folds=2, closure_members=1, workers=1,
                   background_efficiencies=(float(sys.argv[3]),)).run(
    Events(x, mass, ("a", "b"), ids=ids), output=sys.argv[1], store=sys.argv[2])
print(result.counts.template)
"""


def test_two_processes_at_once_in_one_store(store: Path, tmp_path: Path) -> None:
    both = []
    for number, efficiency in enumerate(("0.1", "0.05")):
        command = [sys.executable, "-c", TWO, str(tmp_path / f"run{number}"), str(store), efficiency, ""]
        both.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    entries = Store.at(store).entries()
    assert Counter(entry.stage for entry in entries) == {"generator": 2, "classifier": 4}
    # Equal products, whoever made them.
    places = [tmp_path / f"run{number}" / "template" / "weights.safetensors" for number in range(2)]
    assert places[0].read_bytes() == places[1].read_bytes()
    assert [path.name for path in store.iterdir() if path.name.startswith(".")] == []


def stop_at(stage: str, call: int = 1) -> Callable[..., None]:
    calls: Counter[str] = Counter()

    def say(name: str, done: float, total: float, note: str = "") -> None:
        calls[name] += 1
        if name == stage and calls[name] == call:
            raise InterruptionError

    return say


class TestTakingOver:
    def interrupted(self, events: Events, folder: Path, store: Path | None, stage: str, call: int = 1) -> None:
        with pytest.raises(InterruptionError):
            search().run(events, output=folder, store=store, progress=stop_at(stage, call))

    def test_an_unfinished_run_of_other_settings(
        self, events: Events, work: Counter[str], store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        run = tmp_path / "run"
        self.interrupted(events, run, store, "evaluation")
        assert trained(work) == (2, 4)
        other = search(background_efficiencies=(0.1,))
        found = other.run(events, output=run, store=store)
        assert trained(work) == (0, 0)
        assert "held an unfinished search of other settings (background_efficiencies was [0.05])" in caplog.text
        assert decisive(found) == decisive(other.run(events))
        # A finished one stays who it is.
        with pytest.raises(RunFolderError, match="holds another search"):
            search().run(events, output=run, store=store)

    def test_nothing_of_the_other_settings_is_left(
        self, events: Events, work: Counter[str], store: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        self.interrupted(events, run, store, "evaluation")
        trained(work)
        other = search(generator=small_flow_matching(epochs=3), seed=9)
        assert decisive(other.run(events, output=run, store=store)) == decisive(other.run(events))
        assert trained(work) == (4, 8)

    def test_without_the_store_it_is_refused(self, events: Events, store: Path, tmp_path: Path) -> None:
        run = tmp_path / "run"
        self.interrupted(events, run, None, "evaluation")
        before = sorted(run.rglob("*"))
        for shared in (None, store):
            with pytest.raises(RunFolderError, match="holds another search"):
                search(seed=9).run(events, output=run, store=shared)
        assert sorted(run.rglob("*")) == before

    @pytest.mark.parametrize("mine", ["notes.txt", ".hidden", "plots/roc.pdf", "empty/"])
    def test_what_a_user_put_into_a_product_is_kept_and_named(self, mine: str, store: Path, tmp_path: Path) -> None:
        run, shelf = tmp_path / "run", Store.at(store)
        with RunFolder.claim(run, "one", {"seed": 1}, store=shelf):
            for number in (0, 1):
                product = run / "classifiers" / f"fold_{number}"
                product.mkdir(parents=True)
                (product / "card.json").write_text(f"card {number}")
                (product / "weights.safetensors").write_text(f"weights {number}")
                shelf.share(f"key{number}", product, stage="classifier", kind="toy")
        added = run / "classifiers" / "fold_1" / mine
        added.parent.mkdir(exist_ok=True)
        if mine.endswith("/"):
            added.mkdir()
        else:
            added.write_text("years of work")
        before = sorted(run.rglob("*"))
        first = mine.split("/")[0]
        with pytest.raises(RunFolderError, match=rf"'classifiers/fold_1/{re.escape(first)}' was made by no search"):
            RunFolder.claim(run, "two", {"seed": 2}, store=shelf)
        assert sorted(run.rglob("*")) == before
        shutil.rmtree(added) if mine.endswith("/") else added.unlink()
        if mine.startswith("plots"):
            added.parent.rmdir()
        with RunFolder.claim(run, "two", {"seed": 2}, store=shelf):
            assert not list(run.rglob("card.json"))

    def test_a_training_in_progress_goes_on_or_begins_anew(
        self, events: Events, work: Counter[str], store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name, changes, epochs in (("a", {"background_efficiencies": (0.1,)}, 1), ("b", {"seed": 9}, 2)):
            run = tmp_path / name
            self.interrupted(events, run, None, "generator")
            work.clear()
            other = search(**changes, closure=False)
            found = other.run(events, output=run, store=store / name)
            assert work["epochs"] == epochs
            assert decisive(found) == decisive(other.run(events))
        assert "The training begins anew." in caplog.text

    def test_a_trained_template_is_somebodys(self, store: Path, tmp_path: Path) -> None:
        with RunFolder.claim(tmp_path / "run", "one", {"seed": 1}):
            (tmp_path / "run" / "config.yaml").touch()
        with pytest.raises(RunFolderError, match="seed was 1"):
            RunFolder.claim(tmp_path / "run", "two", {"seed": 2}, store=Store.at(store))


class TestListAndPrune:
    @pytest.fixture
    def three(self, store: Path, tmp_path: Path) -> Store:
        """Products of 1, 2 and 3 kB, used 1, 2 and 3 days ago; the last one is in no run any more."""
        found = Store.at(store)
        for number in (1, 2, 3):
            product = tmp_path / f"run{number}" / "template"
            product.mkdir(parents=True)
            (product / "weights").write_bytes(bytes([number]) * 1000 * number)
            found.share(f"key{number}", product, stage="generator", kind="toy")
            used = time.time() - 86_400 * number
            os.utime(store / f"key{number}" / "entry.json", (used, used))
        shutil.rmtree(tmp_path / "run3")
        return found

    def test_what_is_listed(self, three: Store) -> None:
        found = three.entries()
        assert [(e.key, e.bytes, e.runs) for e in found] == [("key1", 1000, 1), ("key2", 2000, 1), ("key3", 3000, 0)]
        assert [round((time.time() - e.used) / 86_400) for e in found] == [1, 2, 3]

    @pytest.mark.parametrize(
        ("by", "removed"),
        [
            ({"days": 1.5}, ["key2", "key3"]),
            ({"size": 3_500}, ["key3"]),
            ({"size": 2_999}, ["key3", "key2"]),
            ({"size": 0}, ["key3", "key2", "key1"]),
            ({"unreferenced": True}, ["key3"]),
            ({"days": 100}, []),
            ({}, []),
        ],
        ids=str,
    )
    def test_pruning(self, three: Store, tmp_path: Path, by: dict[str, Any], removed: list[str]) -> None:
        assert [e.key for e in three.prune(**by, dry=True)] == removed
        assert len(three.entries()) == 3
        assert [e.key for e in three.prune(**by)] == removed
        assert {e.key for e in three.entries()} == {"key1", "key2", "key3"} - set(removed)
        assert (tmp_path / "run2" / "template" / "weights").read_bytes() == b"\x02" * 2000

    def test_use_is_noticed(self, three: Store, tmp_path: Path) -> None:
        assert three.fetch("key3", tmp_path / "elsewhere" / "template")
        assert three.entries()[0].key == "key3"
        assert not three.fetch("key4", tmp_path / "nowhere")
        assert not (tmp_path / "nowhere").exists()

    def test_the_command_line(self, three: Store) -> None:
        def called(*words: str) -> Any:
            return CliRunner().invoke(app, ["store", *words])

        root = str(three.root)
        shown = called("list", root).stdout
        assert "3 products, 0.0 MB, in the store." in shown
        assert [row["key"] for row in json.loads(called("list", root, "--json").stdout)] == ["key1", "key2", "key3"]
        assert called("prune", root).exit_code == 2
        assert "1 products, 0.0 MB, would be removed." in called("prune", root, "--unreferenced", "--dry-run").stdout
        assert [r["key"] for r in json.loads(called("prune", root, "--days", "1.5", "--json").stdout)] == [
            "key2",
            "key3",
        ]
        assert [entry.key for entry in three.entries()] == ["key1"]
        (three.root.parent / "thesis").mkdir()
        (three.root.parent / "thesis" / "draft.tex").touch()
        refused = called("prune", str(three.root.parent / "thesis"), "--size", "0")
        assert (refused.exit_code, "something else than a store" in refused.stderr) == (1, True)
        assert json.loads(called("list", str(three.root / "nowhere"), "--json").stdout) == []


def test_places_of_a_store(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    assert Store.beside(run, ".cathode-store").root == tmp_path / "runs" / ".cathode-store"
    assert Store.beside(run, tmp_path / "shared").root == tmp_path / "shared"
    for inside in (run, run / "store", "one/store"):
        with pytest.raises(StoreError, match="would lie in the run folder"):
            Store.beside(run, inside)
    (tmp_path / "file").touch()
    for foreign in (tmp_path / "file", tmp_path):
        with pytest.raises(StoreError, match="something else than a store"):
            Store.at(foreign)
    # Nothing is made before there is something to keep.
    assert not (tmp_path / "runs").exists()


def test_the_store_of_an_analysis_file(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"

    def place(**overrides: Any) -> Path | None:
        found = parse_config(embedded_text("example"), overrides=overrides).store_of(run)
        return None if found is None else found.root

    assert place() == tmp_path / "runs" / ".cathode-store"
    assert place(store=str(tmp_path / "shared")) == tmp_path / "shared"
    assert place(store=None) is None
    assert parse_config(embedded_text("demo")).store_of(run) is None
    with pytest.raises(StoreError, match="would lie in the run folder"):
        place(store="one")


def test_a_store_of_somebody_else_can_be_read(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "utime", refused)
    found = Store.at(base)
    assert found.fetch(found.entries()[0].key, tmp_path / "product")
    assert (tmp_path / "product" / "card.json").is_file()
