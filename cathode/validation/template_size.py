"""How many true events the template is worth, from its features in the validation regions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cathode.result import FeatureTest, TemplateSize
from cathode.validation.features import SCORE

#: Standard deviations of chance that are allowed for at both ends.
_ERRORS = 2.0


def template_size(tests: Sequence[FeatureTest]) -> TemplateSize | None:
    """Events with as large a χ² of their own as the template, over that of data and draws; None without any test.

    The bins of a feature are quantiles of the data. n true events would add (bins − 1) · N / n to the χ² of a
    comparison of effective size N: the identity of the mean square over quantiles (`analysis.metrics.amplification`).
    All features in all regions are taken together, without the score, whose classifier has learned what differs.
    Features of one region may be the same feature, so their χ² are taken to fluctuate together.
    """
    used = [test for test in tests if test.feature != SCORE and test.size > 0]
    if not used:
        return None
    of_one_event = sum(test.ndof * test.size for test in used)
    beyond = sum(test.chi2 - test.ndof for test in used)
    together: dict[tuple[float, float], float] = {}
    for test in used:
        place = (test.low, test.high)
        together[place] = together.get(place, 0.0) + test.chi2 * math.sqrt(2 / test.ndof)
    error = _ERRORS * math.hypot(*together.values())
    # Less than nothing beyond chance is chance, too.
    low = of_one_event / (max(beyond, 0.0) + error)
    return TemplateSize(_events(of_one_event, beyond), low, _events(of_one_event, beyond - error))


def _events(of_one_event: float, beyond: float) -> float | None:
    return of_one_event / beyond if beyond > 0 else None
