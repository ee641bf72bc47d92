"""Whether a cut on the score sculpts the mass spectrum of the sidebands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from analysis.errors import AnalysisError
from analysis.events import Events
from analysis.statistics.sculpting import mass_dependence, sculpting_test
from cathode.cut_and_count import Cut
from cathode.diagnostics import SculptingCurve
from cathode.region import Region
from cathode.result import Sculpting
from cathode.scoring import Scores

#: A background-only search fails the sculpting test this often by chance.
_SCULPTED = 0.01


@dataclass(frozen=True, eq=False)
class Shape:
    """Sculpting tests of all cuts that could be tested, and the ratios behind them."""

    tests: tuple[Sculpting, ...]
    curves: tuple[SculptingCurve, ...]


def sculpting(events: Events, scores: Scores, cuts: Sequence[Cut], region: Region, *, bins: int = 30) -> Shape:
    """Compare the sideband mass spectrum after every cut with the one before it.

    The window itself is left out: a signal there is what the cut is for. A cut that too few sideband events pass is
    not tested.
    """
    side = region.sideband(events.mass)
    tests: list[Sculpting] = []
    curves: list[SculptingCurve] = []
    for cut, passes in zip(cuts, scores.passes, strict=True):
        try:
            test = sculpting_test(events.mass[side], passes[side], weights=events.weights[side], bins=bins)
        except AnalysisError:
            continue
        passed = test.p_value > _SCULPTED
        other = mass_dependence(events.mass[side], passes[side], weights=events.weights[side])
        beyond = float(np.max(np.abs(test.ratio - 1) - 2 * test.error, initial=0.0))
        found = (cut.background_efficiency, test.chi2, test.ndof, test.p_value, passed)
        tests.append(Sculpting(*found, **asdict(other), largest=beyond))
        curves.append(
            SculptingCurve(
                background_efficiency=cut.background_efficiency, edges=test.edges, ratio=test.ratio, error=test.error
            )
        )
    return Shape(tuple(tests), tuple(curves))
