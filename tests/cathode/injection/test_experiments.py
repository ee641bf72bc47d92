"""What is kept of a search with an injected signal."""

from __future__ import annotations

import json

from cathode.injection.experiments import Injection, found_in
from cathode.injection.mixture import injected

from ..toys import REGION, toy_events, toy_search


def test_passing_events_are_those_of_the_injected_ones_that_pass() -> None:
    events = injected(toy_events(8_000, seed=1), toy_events(0, signal=400, seed=2), 300, seed=3)
    search = toy_search(closure=False, folds=2, background_efficiencies=(0.05,))
    result = search.run(events)
    found = found_in(search, events, 300, 0, result)
    assert events.truth is not None
    assert found.inside == int((events.truth & REGION.signal(events.mass)).sum())
    cut = found.cuts[0.05]
    assert 0.5 * found.inside < cut.passing <= found.inside
    assert cut.passing == round(cut.passing, 6)
    assert abs(cut.observed - cut.passing - cut.expected) < 6 * cut.expected**0.5
    assert Injection.from_dict(json.loads(json.dumps(found.to_dict()))) == found
