"""Templates, and the process beside a search that trains the other generator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import psutil
import pytest

from analysis.folds import random_folds
from cathode.errors import TemplateError
from cathode.runtime.processes import in_parallel
from cathode.template.drawing import draw_at, draw_template

from ..toys import DRIFT, REGION, RESONANCE, TrueGenerator, TrueMass, toy_events


class TestTemplate:
    def test_lies_in_the_window_with_the_features_of_its_masses(self) -> None:
        events = toy_events(5_000, seed=1)
        beside_window = events[REGION.sideband(events.mass)]
        mass_model = TrueMass().fit(beside_window.mass, REGION, weights=beside_window.weights)
        template = draw_template(TrueGenerator(), mass_model, events=40_000, seeds=(1, 2))
        assert len(template) == 40_000
        assert REGION.signal(template.mass).all()
        slope = np.polyfit((template.mass - RESONANCE) / 1_000, template.x, 1)[0]
        assert slope == pytest.approx(DRIFT, abs=5 * 40_000**-0.5 / 0.115)

    def test_masses_and_features_have_their_own_seeds(self) -> None:
        mass_model = TrueMass().fit(np.full(9, 3_000.0), REGION, weights=np.ones(9))
        one, mass, x = (
            draw_template(TrueGenerator(), mass_model, events=50, seeds=seeds) for seeds in ((1, 2), (3, 2), (1, 3))
        )
        assert np.array_equal(one.mass, x.mass)
        assert not np.array_equal(one.mass, mass.mass)
        assert not np.array_equal(one.x, x.x)

    @pytest.mark.parametrize(("bad", "usable"), [(3, True), (30, False)])
    def test_few_overflows_are_dropped_and_many_refused(self, bad: int, usable: bool) -> None:
        class Overflowing(TrueGenerator):
            def sample(self, context: Any, *, seed: int) -> Any:
                x = super().sample(context, seed=seed)
                x[:bad, 1] = np.inf
                return x

        mass = np.linspace(3_300, 3_600, 10_000)
        if usable:
            template = draw_at(Overflowing(), mass, seed=1)
            assert np.array_equal(template.mass, mass[bad:])
            assert np.isfinite(template.x).all()
        else:
            with pytest.raises(TemplateError, match="30 of 10000 events with NaN or infinity"):
                draw_at(Overflowing(), mass, seed=1)

    @pytest.mark.parametrize(("size", "folds"), [(1_000, 5), (1_003, 5), (7, 3)])
    def test_folds_are_equal_and_random(self, size: int, folds: int) -> None:
        fold = random_folds(size, folds, seed=1)
        counts = np.bincount(fold, minlength=folds)
        assert counts.max() - counts.min() <= 1
        assert counts.sum() == size
        assert np.array_equal(fold, random_folds(size, folds, seed=1))
        if size > 100:
            assert not np.array_equal(fold, random_folds(size, folds, seed=2))
            assert abs(np.corrcoef(fold, np.arange(size))[0, 1]) < 0.15


class TestBeside:
    def test_single_core_computes_before_the_block(self) -> None:
        with in_parallel(1, os.getpid) as answer:
            assert answer.result(timeout=0) == os.getpid()

    def test_second_process_computes_and_reports_errors(self) -> None:
        with in_parallel(2, os.getpid) as answer:
            assert answer.result() != os.getpid()
        with in_parallel(2, int, "seven") as answer, pytest.raises(ValueError, match="seven"):
            answer.result()

    @pytest.mark.parametrize("payload", [0, 10_000_000])
    def test_an_error_in_the_block_ends_it_at_once(self, payload: int) -> None:
        """Otherwise the only worker would go on, and the next call or the end of the program would wait for it.

        A large argument may still be on its way when the worker dies.
        """

        def failing() -> None:
            with in_parallel(2, _sleep, 300, np.zeros(payload)):
                raise KeyboardInterrupt

        for _ in range(2):
            with in_parallel(2, os.getpid) as answer:
                worker = answer.result(timeout=120)
            with pytest.raises(KeyboardInterrupt):
                failing()
            assert not psutil.pid_exists(worker)

    def test_it_does_not_outlive_a_kill(self) -> None:
        script = (
            "import os, time\n"
            "from cathode.runtime.processes import in_parallel\n"
            "with in_parallel(2, os.getpid) as answer:\n"
            "    worker = answer.result()\n"
            "with in_parallel(2, time.sleep, 300) as answer:\n"
            "    while not answer.future.running(): time.sleep(0.05)\n"
            "    print(worker, flush=True)\n"
            "    time.sleep(300)\n"
        )
        search = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert search.stdout is not None
        worker = psutil.Process(int(search.stdout.readline()))
        assert worker.is_running()
        time.sleep(1)  # until the worker has begun
        search.send_signal(signal.SIGKILL)
        search.communicate()
        try:
            worker.wait(timeout=30)
        except psutil.TimeoutExpired:
            # Nobody may collect the orphan; a zombie does no more harm.
            assert worker.status() == psutil.STATUS_ZOMBIE


def _sleep(seconds: float, payload: Any) -> None:
    time.sleep(seconds)
