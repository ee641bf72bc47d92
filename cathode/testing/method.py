"""What every method must satisfy, tried in the toy world."""

from __future__ import annotations

import dataclasses
import json
import shutil
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np

from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from cathode.methods.protocol import Background, Method, Task
from cathode.region import Interval
from cathode.registry import METHODS
from cathode.result import SearchResult
from cathode.runtime.run_folder import RESULT, RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.stages import Stages
from cathode.scoring import Scorer
from cathode.search import Search
from cathode.testing.toy import REGION, TrueMass, decisive, toy_auxiliary, toy_events
from cathode.validation.held_out import without_truth
from generators.testing.contract import Check, Contract, expect, run_all

FOLDS = 3
#: Folders of a run in which lies what was learned beside the window.
BESIDE = ("template", "validation")


class MethodContract(Contract):
    """`make` gives a method whose parts learn the toy in a moment: 12,000 events with three normal features.

    A method that is told beforehand what a signal is does not learn from the window, and says so. One whose background
    model reads all data, the window included, is not `held_out`: its classifiers alone are.
    """

    def __init__(self, make: Callable[[], Method], *, learns_from_window: bool = True, held_out: bool = True) -> None:
        self.make = make
        self.learns_from_window, self.held_out = learns_from_window, held_out

    def search(self, **changes: Any) -> Search:
        """A search by this method in which little else is left to chance."""
        usual: dict[str, Any] = {
            "region": REGION,
            "mass_model": TrueMass(),
            "folds": FOLDS,
            "background_efficiencies": (0.02,),
            "workers": 1,
            "seed": 3,
        }
        return Search(method=self.make(), **{**usual, **changes})

    @cached_property
    def events(self) -> Events:
        """Background with a signal, which is a third of the background in a small part of the window."""
        return toy_events(12_000, signal=250, seed=91, truth=True)

    @cached_property
    def auxiliary(self) -> dict[str, Events]:
        """The samples that are no data."""
        return toy_auxiliary()

    @cached_property
    def run(self) -> tuple[SearchResult, Path]:
        """One search of `events`, which most checks share, and its folder."""
        place = Path(mkdtemp())
        # It lives as long as the checks that share it.
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        folder = place / "run"
        return self.search().run(self.events, output=folder, auxiliary=self.auxiliary), folder

    def check_is_a_method(self) -> None:
        """It has what the protocol says, and is known under its kind."""
        method = self.make()
        expect(isinstance(method, Method), "A method has kind, needs, classifier, prepared, require, learn, fit, load.")
        known = METHODS.resolve(method.kind) if method.kind in METHODS else None
        expect(known is type(method), f"kind {method.kind!r} must lead to this class; is it registered?")

    def check_an_injected_signal_is_found(self) -> None:
        """250 events of a narrow resonance, four standard deviations away in its features."""
        result, _ = self.run
        cut, truth = result.primary, result.truth
        assert truth is not None
        expect(truth.auc > 0.85, f"Signal and background must be told apart, AUC > 0.85; it is {truth.auc:.3f}.")
        gained = (cut.signal_efficiency or 0.0) / max(cut.background_efficiency, 1e-9)
        expect(gained > 10, f"A cut must keep ten times more of the signal than of the background; it is {gained:.1f}.")
        expect(cut.significance > 3, f"An obvious signal must have more than 3 σ; it has {cut.significance:.1f}.")

    def check_no_signal_no_excess(self) -> None:
        """Background alone gives less than 3 σ."""
        found = self.search(seed=5).run(toy_events(12_000, seed=17), auxiliary=self.auxiliary).primary.significance
        expect(found < 3, f"Background alone must not give an excess; it gives {found:.1f} σ.")

    def check_same_seed_same_result(self) -> None:
        """Everything in the result repeats but the time it took."""
        again = self.search().run(self.events, auxiliary=self.auxiliary)
        expect(
            decisive(again) == decisive(self.run[0]), "The same seed must give the same result; see task and stages."
        )

    def check_interrupted_and_resumed_is_uninterrupted(self) -> None:
        """A run that lost its end is continued to the same result, and nothing is trained again."""
        result, folder = self.run
        before = {p: p.stat().st_mtime_ns for p in folder.rglob("card.json")}
        (folder / RESULT).unlink()
        again = self.search().run(self.events, output=folder, auxiliary=self.auxiliary)
        expect(decisive(again) == decisive(result), "A continued run must end in the same result.")
        after = {p: p.stat().st_mtime_ns for p in folder.rglob("card.json")}
        expect(before, "Nothing that was trained is in the run folder; use stages.at(…).")
        expect(after == before, "What was trained already was trained again; use stages.at(…).")

    def check_stored_scores_are_those_of_the_run(self) -> None:
        """`load` gives the scores back."""
        result, folder = self.run
        passes = Scorer.load(folder)(self.events).passes[0]
        found = float(self.events.weights[REGION.signal(self.events.mass) & passes].sum())
        due = result.primary.observed
        expect(found == due, f"The stored method must count the {due:g} events of the run; it counts {found:g}.")

    def check_no_event_is_scored_by_a_model_that_saw_its_fold(self) -> None:
        """Other events of the fold of an event that is changed beyond recognition keep their scores bit for bit."""
        events = self.events
        window = REGION.signal(events.mass)
        changed = np.flatnonzero(window)[100]
        x = events.x.copy()
        x[changed] += 4.0
        mine = fold_of(events.ids, FOLDS) == fold_of(events.ids[changed : changed + 1], FOLDS)
        other = window & ~mine
        mine &= window
        mine[changed] = False
        before, after = (self._scores(each) for each in (events, dataclasses.replace(events, x=x)))
        held_out = np.array_equal(before[mine], after[mine])
        expect(held_out == self.held_out, "Events were scored by a model that saw others of their fold.")
        used = not np.array_equal(before[other], after[other])
        expect(used == self.learns_from_window, "An event of the window changed nothing elsewhere.")

    def _scores(self, events: Events) -> FloatArray:
        """Scores of all events by a method that has searched the window; nothing of the search is in between."""
        chosen = self.search()
        observed = chosen.observables.observed(events)
        sideband = events[REGION.sideband(events.mass)]
        mass_model = TrueMass().fit(sideband.mass, REGION, weights=sideband.weights)
        task = Task(
            background=Background(sideband, chosen.observables, self.auxiliary, REGION.sideband),
            target=without_truth(observed[REGION.signal(events.mass)]),
            masses=lambda n, seed: mass_model.sample(n, seed=seed),
            folds=FOLDS,
            intervals=(Interval(REGION.low, REGION.high),),
        )
        stages = Stages(Seeds(3), RunFolder(None))
        fitted = chosen.method.fit(task, chosen.method.learn(task.background, stages), stages)
        return np.asarray(fitted.score(observed))

    def check_nothing_in_the_window_changes_what_is_learned_beside_it(self) -> None:
        """Closure and all that is stored of the background are the same bit for bit, whatever is in the window."""
        x = self.events.x.copy()
        x[REGION.signal(self.events.mass)] *= -3.0
        result, folder = self.run
        with TemporaryDirectory() as place:
            planted = self.search().run(
                dataclasses.replace(self.events, x=x), output=Path(place) / "run", auxiliary=self.auxiliary
            )
            expect(planted.closures == result.closures, "Events of the window changed the closure test beside it.")
            expect(planted.systematics == result.systematics, "Events of the window changed the systematic error.")
            same = planted.primary.thresholds == result.primary.thresholds
            expect(same != self.learns_from_window, "Events of the window were not used where they should be.")
            for name in BESIDE if self.held_out else BESIDE[1:]:
                stored = [_tensors(run / name) for run in (folder, Path(place) / "run")]
                expect(stored[0] == stored[1], f"Events of the window changed what was learned in {name}/.")

    def check_the_result_names_the_method_and_its_parts(self) -> None:
        """Kind and every field stand in the result."""
        result, folder = self.run
        stored = json.loads((folder / RESULT).read_text(encoding="utf-8"))["method"]
        method: Any = self.make()
        due = {"kind", *(f.name for f in dataclasses.fields(method))}
        expect(stored["kind"] == result.method["kind"] == method.kind, f"The result names {stored['kind']!r}.")
        expect(set(stored) == due, f"The result must name {sorted(due)}; it names {sorted(stored)}.")


def _tensors(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}


def method_checks(make: Callable[[], Method]) -> list[Check]:
    """What a method must satisfy; `make` gives one whose parts learn the toy of `cathode.testing.toy` in a moment."""
    return MethodContract(make).checks()


def check_method(make: Callable[[], Method]) -> None:
    """Run all of `method_checks`.

    Raises
    ------
    AssertionError
        Names every check that failed.
    """
    run_all(method_checks(make))
