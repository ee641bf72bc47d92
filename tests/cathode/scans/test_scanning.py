"""A scan gives the same table whoever does it, is continued after a kill, and finds a bump where nobody looked."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import cathode
from analysis.errors import TasksError
from analysis.tasks import executor
from cathode.errors import ConfigError, EmptyRegionError, InjectionError, RunFolderError
from cathode.scans import searching
from cathode.scans.plan import ScanPlan
from cathode.scans.scanning import collect_scan, plan_scan, run_scan, scan, tasks_of

from .conftest import PLAN


def table_of(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "scan.csv").read_bytes(), (folder / "scan.json").read_bytes()


def parsed(plan: Path, text: str) -> ScanPlan:
    return ScanPlan.parsed(text, name="plan", folder=plan.parent)


def test_a_bump_is_found_where_nobody_looked_and_workers_find_the_same(plan: Path) -> None:
    serial, two = plan.parent / "serial", plan.parent / "two"
    found = cathode.scan(plan, serial, workers=1)
    cathode.scan(plan, two, workers=2)
    assert table_of(serial) == table_of(two)
    assert found.failures == {}
    assert len(found.windows) == 3
    assert [each.asked.injected for each in found.searches] == [0] * 3 + [250] * 3
    rows = list(csv.DictReader(io.StringIO((serial / "scan.csv").read_text())))
    assert [float(row["low"]) for row in rows[:3]] == [2900.0, 3300.0, 3700.0]
    assert float(rows[3]["observed"]) == found.searches[3].cuts[0.05].observed
    without, with_signal = found.series
    peak, worth = with_signal.peak, with_signal.global_p
    assert peak is not None
    assert worth is not None
    assert peak.low <= 3500 < peak.high
    assert worth.quoted < 1e-3
    assert worth.by_windows == pytest.approx(3 * peak.p_value)
    assert without.global_p is not None
    assert without.global_p.quoted > 0.01
    there = [each for each in found.searches if each.asked.low == peak.low and each.asked.injected]
    assert all(each.inside > 200 and each.cuts[0.05].passing > 0.3 * each.inside for each in there)


@pytest.mark.slow
def test_dask_finds_the_same_with_a_worker_that_is_killed(plan: Path) -> None:
    pytest.importorskip("distributed")
    serial, shared = plan.parent / "serial", plan.parent / "shared"
    scan(plan, serial, workers=1)
    plan_scan(ScanPlan.read(plan), shared)
    by = executor(2, scheduler="dask")
    pids = by._client.run(os.getpid)  # type: ignore[attr-defined]
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    status = run_scan(shared, by)
    assert (status.done, status.failures) == (6, ())
    collect_scan(shared)
    assert table_of(serial) == table_of(shared)


def test_killed_in_the_middle_and_resumed_the_table_is_the_same(plan: Path) -> None:
    whole, killed = plan.parent / "whole", plan.parent / "killed"
    scan(plan, whole, workers=1)
    command = [sys.executable, "-m", "cathode", "scan", "run", str(plan), "-o", str(killed), "-w", "1", "--no-pages"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        done = killed / "searches" / "done"
        until = time.monotonic() + 120
        while running.poll() is None and time.monotonic() < until:
            if len(list(done.glob("[!.]*/result.json"))) >= 2:
                break
            time.sleep(0.02)
        running.kill()
    before = {path: path.stat().st_mtime_ns for path in done.glob("[!.]*/result.json")}
    assert 2 <= len(before) < 6
    with pytest.raises(TasksError, match=r"of 6 tasks are not done"):
        collect_scan(killed)
    status = run_scan(killed, executor(1), again=True)
    assert (status.done, status.left) == (6, 0)
    collect_scan(killed)
    assert table_of(killed) == table_of(whole)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_what_is_identical_is_trained_once_and_what_is_done_stays(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cathode.classifiers.boosted_trees import BoostedTrees

    trained = []
    original = BoostedTrees.fit

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        trained.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(BoostedTrees, "fit", counted)
    text = PLAN.partition("signals:")[0]
    methods = "\nmethods: {loose: {background_efficiencies: [0.1]}, tight: {background_efficiencies: [0.02]}}\n"
    output = plan.parent / "out"
    found = scan(parsed(plan, text + methods + "pages: false"), output, workers=1)
    # Three windows of two folds; the methods differ by their cuts alone.
    assert len(trained) == 6
    assert found.methods == ("loose", "tight")
    trained.clear()
    more = scan(parsed(plan, text + "seeds: [1, 2]" + methods + "pages: false"), output, workers=1)
    assert len(trained) == 6
    assert [each for each in more.searches if each.asked.seed == 1] == list(found.searches)


def test_experiments_are_scans_of_their_own_and_say_what_a_maximum_is_worth(plan: Path) -> None:
    text = PLAN + "background: {data.files: simulated.parquet}\nexperiments: 4\n"
    found = scan(parsed(plan, text), plan.parent / "out", workers=1)
    experiments = {each.asked.experiment for each in found.searches}
    assert experiments == set(range(5))
    assert [each.injected for each in found.series] == [0, 250]
    worth = found.series[1].global_p
    assert worth is not None
    assert worth.by_toys == worth.resolution == pytest.approx(1 / 5)
    # Windows of one experiment look at the same events; those of two at others.
    events = {(each.asked.experiment, each.asked.low): each.events for each in found.searches}
    assert len({events[number, 2900.0] for number in range(1, 5)}) > 2
    significances = np.array([each.cuts[0.05].significance for each in found.searches if each.asked.experiment])
    assert abs(significances.mean()) < 1


def test_a_window_that_fails_is_named_and_the_others_are_collected(plan: Path) -> None:
    output = plan.parent / "out"
    text = PLAN.partition("signals:")[0] + "pages: false"
    plan_scan(parsed(plan, text), output)
    run_scan(output, executor(1))
    events = pq.read_table(plan.parent / "events.parquet")
    pq.write_table(events.slice(1), plan.parent / "events.parquet")
    # A process that begins now.
    searching._read.cache_clear()
    first = tasks_of(output).tasks[0]
    for path in (output / "searches" / "done" / first.key).iterdir():
        path.unlink()
    (output / "searches" / "done" / first.key).rmdir()
    status = run_scan(output, executor(1))
    assert [failure.kind for _, failure in status.failures] == ["InjectionError"]
    with pytest.raises(TasksError, match="other events than when the scan was planned"):
        collect_scan(output)
    found = collect_scan(output, partial=True)
    assert len(found.searches) == 2
    assert len(found.windows) == 3
    (series,) = found.series
    assert series.windows[0].obstacle == "no search was done"
    # It was looked at, whatever became of it.
    assert series.global_p is not None
    assert series.global_p.windows == 3


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("low: 2900, high: 4100", "low: 5100, high: 5800", ConfigError, r"sidebands"),
        ("pages: false", "set: {region.sidebands: [100, 9000]}\nwindows: [[150, 200]]", ConfigError, "windows"),
        ("windows: {low: 2900, high: 4100, width: 400, step: 1}", "windows: [[2300.5, 2301]]", EmptyRegionError, "No"),
        ("injections: [250]", "injections: [900]", InjectionError, r"signals\.bump: 900 events .* 600 pass"),
        ("data.files: signal.parquet", "data.files: none.parquet", Exception, r"none\.parquet"),
        ("pages: false", "methods: {a: {clasifier: mlp}}", ConfigError, r"methods\.a: .*clasifier"),
        ("pages: false", "set: {calibration: c.json}", ConfigError, r"calibration: null"),
    ],
)
def test_what_can_not_be_scanned_is_named_before_anything_is_trained(
    plan: Path, old: str, new: str, error: type[Exception], words: str
) -> None:
    assert old in PLAN
    with pytest.raises(error, match=words):
        plan_scan(parsed(plan, PLAN.replace(old, new)), plan.parent / "out")
    assert not (plan.parent / "out" / "searches").exists()


def test_a_folder_of_no_scan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="cathode scan plan"):
        collect_scan(tmp_path)


def test_tasks_hold_nothing_but_what_decides_them(plan: Path) -> None:
    tasks = plan_scan(ScanPlan.read(plan), plan.parent / "out").tasks
    assert len({task.key for task in tasks}) == 6
    # More windows, also before the first one, more seeds and injections are added.
    more = PLAN.replace("low: 2900", "low: 2500").replace("[250]", "[50, 250]") + "seeds: [1, 2]\n"
    added = plan_scan(parsed(plan, more), plan.parent / "out").tasks
    assert len(added) == 24
    assert {task.key for task in tasks} < {task.key for task in added}
    others = plan_scan(parsed(plan, PLAN + "set: {folds: 3}\n"), plan.parent / "out").tasks
    assert not {task.key for task in tasks} & {task.key for task in others}
    json.dumps([dict(task.arguments) for task in tasks])
    assert {task.arguments["page"] for task in tasks} == {False}
