"""What generators warn of reaches the result of a search, with features by their names and nothing twice."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest

from cathode.classifiers.boosted_trees import BoostedTrees
from cathode.region import Region
from cathode.runtime.heard import heard, in_words_of
from cathode.search import Search
from cathode.testing.toy import toy_events
from generators import create


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


def test_a_warning_of_a_generator_is_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = create("gaussian_mixture", components=1, training={"steps": 5})
    fit = type(generator).fit

    def warns(self: object, *args: object, **kwargs: object) -> object:
        logging.getLogger("generators.tabular").warning("The generator has collapsed.")
        return fit(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(type(generator), "fit", warns)
    search = Search(
        region=Region(3300, 3700),
        generator=generator,
        classifier=BoostedTrees(members=1, max_iter=3, jobs=1),
        folds=2,
        background_efficiencies=(0.1,),
        closure=False,
        workers=1,
    )
    result = search.run(toy_events(4000, seed=3))
    assert np.count_nonzero([each == "The generator has collapsed." for each in result.warnings]) == 1


def test_what_is_said_of_the_machine_is_in_no_result() -> None:
    log = logging.getLogger("generators.somewhere")
    with heard("generators") as said:
        log.warning("Compiled.", extra={"of_machine": True})
        log.warning("Odd.")
    assert said == ["Odd."]
