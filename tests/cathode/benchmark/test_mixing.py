"""Signal among data: as strong as asked for, and where it may be."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.events import Events
from cathode.benchmark.mixing import mixed
from cathode.errors import InjectionError
from cathode.region import Region

REGION = Region(3000, 4000)


def events(number: int, low: float, high: float, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    return Events(rng.normal(size=(number, 1)), rng.uniform(low, high, number), ("x",))


@pytest.mark.parametrize("inside_only", [True, False])
def test_the_window_gets_its_strength_and_sidebands_what_goes_with_it(inside_only: bool) -> None:
    data, pool = events(40_000, 2000, 6000, 1), events(5_000, 2500, 4500, 2)
    found = mixed(data, pool, REGION, 4.0, inside_only=inside_only, seed=3)
    wanted = 4.0 * REGION.signal(data.mass).sum() ** 0.5
    assert found.inside == pytest.approx(wanted, abs=0.5 if inside_only else 4 * wanted**0.5)
    # Half of this signal lies in the window.
    assert found.injected == pytest.approx(wanted if inside_only else 2 * wanted, rel=0.05)
    truth = found.events.truth
    assert truth is not None
    assert REGION.signal(found.events.mass[truth]).all() == inside_only
    assert len(found.events) == len(data) + found.injected


def test_none_is_the_data_themselves_and_none_in_the_window_is_refused() -> None:
    data, pool = events(1_000, 2000, 6000, 1), events(100, 4500, 5000, 2)
    assert mixed(data, pool, REGION, 0.0, inside_only=True, seed=3).injected == 0
    with pytest.raises(InjectionError, match="None of 100"):
        mixed(data, pool, REGION, 1.0, inside_only=False, seed=3)
