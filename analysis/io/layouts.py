"""How ntuples name things: which layout a file has, and where its event numbers are."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from analysis.errors import AnalysisError, IdentifierError, nearest

_PHYSLITE_BRANCH = re.compile(r"\w+?Aux(?:Dyn)?[.:]\w+")


#: A features file of the LHC Olympics, see `analysis.datasets.lhco`.
LHCO = "lhco"

#: A file of showers, see `analysis.datasets.shower_table`.
CALOCHALLENGE = "calochallenge"


@dataclass(frozen=True)
class Layout:
    """A manner of naming: `identifiers` are the branches of run, luminosity block and event number.

    `truth` is an expression that is true for signal where the layout knows, if the file has its branch.
    """

    name: str
    identifiers: tuple[str, ...]
    truth: tuple[str, str] | None = None


LAYOUTS: dict[str, Layout] = {
    "nanoaod": Layout("nanoaod", ("run", "luminosityBlock", "event")),
    "physlite": Layout("physlite", ("EventInfo_runNumber", "EventInfo_lumiBlock", "EventInfo_eventNumber")),
    "flat": Layout("flat", ("run", "luminosityBlock", "event")),
    LHCO: Layout(LHCO, ("event",), truth=("label", "label == 1")),
    CALOCHALLENGE: Layout(CALOCHALLENGE, ("event",)),
}


def layout_of(names: Collection[str], declared: str = "auto") -> Layout:
    """The declared layout, or the one that the branch names of the file show.

    PHYSLITE-like: auxiliary stores `…AuxDyn.…`; NanoAOD-like: counters `nX` beside branches `X_…`; otherwise flat.
    """
    if declared != "auto":
        if declared not in LAYOUTS:
            raise AnalysisError(f"No layout '{declared}'. {nearest(declared, [*LAYOUTS, 'auto'])}")
        return LAYOUTS[declared]
    if any(_PHYSLITE_BRANCH.search(name) for name in names):
        return LAYOUTS["physlite"]
    prefixes = {name.split("_", 1)[0] for name in names if "_" in name}
    if any(f"n{prefix}" in names for prefix in prefixes):
        return LAYOUTS["nanoaod"]
    return LAYOUTS["flat"]


def event_numbers(
    layout: Layout, available: Mapping[str, str], declared: Sequence[str] | None, path: str
) -> tuple[str, ...]:
    """What numbers the events: (run, lumi, event), (run, event) or (event).

    Raises
    ------
    IdentifierError
        If the file has none of the usual ones and none were declared, or more than three were.
    """
    if declared is not None:
        if not 1 <= len(declared) <= 3:
            raise IdentifierError(
                f"identifiers={tuple(declared)!r}: name one to three branches, (run, lumi, event), (run, event) or "
                "(event)."
            )
        return tuple(declared)
    missing = [name for name in layout.identifiers if name not in available]
    if missing:
        raise IdentifierError(
            f"'{path}' (layout '{layout.name}') has no branch {', '.join(map(repr, missing))}, which would identify "
            "its events. Folds and score trees need such numbers: name yours by identifiers=('run', 'lumi', 'event'), "
            "or one or two of them, or choose identifiers='entry' to number the events by their file and their "
            f"position in it, which a skim or a merged file does not keep. {nearest(missing[-1], available)}"
        )
    return layout.identifiers
