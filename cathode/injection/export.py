"""Limits as files for the programs of others."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.atomic import write_text
from analysis.inference.exchange import datacard, hepdata_limits, hepdata_submission, histfactory
from analysis.inference.limits import UpperLimit
from analysis.outputs import check_output_folder
from cathode.injection.limit import InjectedLimit


def write_limits(limits: Sequence[InjectedLimit], folder: Path | str, *, mass: float) -> tuple[Path, ...]:
    """Write HistFactory workspaces, datacards and a submission to HEPData; returns the paths.

    Cuts are of the same events, so each has a workspace and a datacard of its own, whose strength is the number of
    signal events that pass. HEPData gets limits on signal events before the cut, at a `mass` in GeV. Of
    pseudo-experiments these are expected ones alone, and the others see just that.

    Raises
    ------
    OutputError
        If the folder can not be written.
    """
    place = Path(folder)
    check_output_folder(place)
    texts: dict[str, str] = {}
    tables = {}
    remarks = [text for each in limits for text in each.remarks]
    for each in limits:
        name = f"{each.background_efficiency:g}".replace(".", "p").replace("-", "m")
        channel = {f"cut_{name}": each.model}
        texts[f"workspace_{name}.json"] = json.dumps(histfactory(channel), indent=1)
        texts[f"datacard_{name}.txt"] = datacard(channel)
        limit = replace(each.passing, observed=each.observed, expected=each.expected)
        tables[f"Limit at background efficiency {each.background_efficiency:g}"] = _table(limit, mass)
    texts |= {
        f"hepdata/{name}": text
        for name, text in hepdata_submission(
            tables, comment=" ".join(["Limits of a search whose cut was learned, from injections of signal.", *remarks])
        ).items()
    }
    for name, text in texts.items():
        write_text(place / name, text)
    return tuple(place / name for name in texts)


def _table(limit: UpperLimit, mass: float) -> tuple[str, dict[str, object]]:
    quantity = "signal events before the cut"
    kinds = "expected" if math.isnan(limit.observed) else "observed and expected"
    return f"Upper limit on {quantity}, {kinds}", hepdata_limits({mass: limit}, quantity=quantity)
