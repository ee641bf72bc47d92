"""Wall time per stage."""

import time

from cathode.runtime.timer import Timer


def test_every_stage_has_the_time_that_passed_in_it() -> None:
    timer = Timer()
    start = time.perf_counter()
    with timer("first"):
        time.sleep(0.02)
    with timer("second"):
        pass
    elapsed = time.perf_counter() - start
    assert list(timer.seconds) == ["first", "second"]
    assert 0.02 <= timer.seconds["first"] <= elapsed
    assert timer.seconds["second"] < timer.seconds["first"]
    assert sum(timer.seconds.values()) <= elapsed
