"""What generators warn of reaches the result of a search, with features by their names and nothing twice."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from cathode.runtime.heard import heard, in_words_of
from cathode.testing.toy import TrueGenerator, toy_events
from tests.cathode.toys import toy_search


def test_only_warnings_of_this_name_and_thread_are_kept() -> None:
    log = logging.getLogger("generators.some.part")
    with heard("generators") as said:
        log.warning("%d times odd", 3)
        log.info("as ever")
        logging.getLogger("analysis").warning("of another")
        other = threading.Thread(target=log.warning, args=("of another thread",))
        other.start()
        other.join()
    log.warning("too late")
    assert said == ["3 times odd"]


def test_a_feature_that_was_named_is_not_named_again() -> None:
    known = ("The feature 'a' has only 3 values, which no density on a line can have.",)
    said = ["x, column 0: odd.", "x, column 1: odd.", "x, column 7: of no feature."]
    assert in_words_of(("a", "b"), said, known) == ("The feature 'b': odd.", "x, column 7: of no feature.")


def warning_generator() -> Any:
    """A generator that says of every training how many events it had; its class goes along to other processes."""

    class Warns(TrueGenerator):
        def fit(self, x: Any, context: Any, **others: Any) -> Any:
            logging.getLogger("generators.toy").warning("%d events, the last of mass %.3f.", len(x), context[-1, 0])
            return super().fit(x, context, **others)

    return Warns()


def test_warnings_are_the_same_and_in_one_order_with_any_number_of_workers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cathode.search.installed", lambda part: True)
    events = toy_events(20_000, seed=5)
    told, logged = [], []
    for workers in (1, 4):
        caplog.clear()
        search = toy_search(generator=warning_generator(), folds=2, workers=workers)
        result = search.run(events)
        told.append([words for words in result.warnings if "of mass" in words])
        logged.append([record.getMessage() for record in caplog.records if record.name == "generators.toy"])
    # The window and the validation regions.
    assert len(set(told[0])) == 2
    assert told[0] == told[1] == logged[0] == logged[1]


def test_what_is_said_of_the_machine_is_in_no_result() -> None:
    log = logging.getLogger("generators.somewhere")
    with heard("generators") as said:
        log.warning("Compiled.", extra={"of_machine": True})
        log.warning("Odd.")
    assert said == ["Odd."]
