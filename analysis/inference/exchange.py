"""Results for the programs of others: HistFactory workspaces, datacards of combine, submissions to HEPData."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.inference.counting_model import CountingModel
from analysis.inference.limits import BANDS, UpperLimit

#: Version of the HistFactory schema.
_SCHEMA = "1.0.0"
#: Auxiliary events from which on it does not matter that they are whole.
_WHOLE = 25


def histfactory(channels: Mapping[str, CountingModel]) -> dict[str, Any]:
    """A workspace of HistFactory in JSON types, which pyhf and cabinetry read; the parameter of interest is `mu`.

    Every channel has its own auxiliary measurement of the background, as `CountingModel` says.
    """
    # Programs look for limits within bounds, which are 10 unless somebody says so.
    top = max(10.0, *(model.at_most() for model in channels.values()))
    strength = {"name": "mu", "bounds": [[0.0, top]], "inits": [1.0]}
    return {
        "channels": [_channel(name, model) for name, model in channels.items()],
        "observations": [{"name": name, "data": [model.observed]} for name, model in channels.items()],
        "measurements": [{"name": "search", "config": {"poi": "mu", "parameters": [strength]}}],
        "version": _SCHEMA,
    }


def datacard(channels: Mapping[str, CountingModel]) -> str:
    """A datacard of CMS combine with a gamma distribution for each background, or a log-normal one of a large error."""
    names = list(channels)
    rows: list[Sequence[object]] = [
        ["bin", *names],
        ["observation", *(f"{model.observed:g}" for model in channels.values())],
    ]
    processes: list[Sequence[object]] = [
        ["bin", *(name for name in names for _ in range(2))],
        ["process", *(("signal", "background") * len(names))],
        ["process", *((0, 1) * len(names))],
        ["rate", *(f"{rate:.6g}" for model in channels.values() for rate in (model.signal, model.background))],
    ]
    nuisances: list[Sequence[object]] = []
    for place, (name, model) in enumerate(channels.items()):
        if not model.error:
            continue
        events = (model.background / model.error) ** 2
        entries = ["-"] * (2 * len(names))
        # A gamma distribution counts whole events. Where rounding would change the error by more than a per cent, it is
        # a log-normal one of the same relative error.
        if events < _WHOLE:
            entries[2 * place + 1] = f"{math.exp(math.sqrt(math.log1p(1 / events))):.6g}"
            nuisances.append([f"background_{name}", "lnN", *entries])
            continue
        entries[2 * place + 1] = f"{model.background / round(events):.6g}"
        nuisances.append([f"background_{name}", "gmN", round(events), *entries])
    rule = ["-" * 60]
    head: list[Sequence[object]] = [
        [f"imax {len(names)} number of channels"],
        ["jmax 1 number of backgrounds"],
        [f"kmax {len(nuisances)} number of nuisance parameters"],
    ]
    lines = [*head, rule, *rows, rule, *processes, rule, *nuisances]
    return "\n".join(" ".join(map(str, line)) for line in lines) + "\n"


def hepdata_limits(limits: Mapping[float, UpperLimit], *, quantity: str, units: str = "") -> dict[str, Any]:
    """A table of HEPData of upper limits by mass in GeV, in JSON types; `quantity` is what is limited.

    Where an observed one is NaN, as of pseudo-experiments, there are expected ones alone.
    """
    ordered = sorted(limits)
    head = {"name": quantity, **({"units": units} if units else {})}
    level = f"{100 * limits[ordered[0]].confidence_level:g} % CL"
    median = BANDS.index(0.0)
    expected = []
    for mass in ordered:
        values = limits[mass].expected
        errors = [
            {
                "label": f"{deviation} sigma",
                "asymerror": {
                    "minus": values[median - deviation] - values[median],
                    "plus": values[median + deviation] - values[median],
                },
            }
            for deviation in (1, 2)
        ]
        expected.append({"value": values[median], "errors": errors})
    observed = [{"value": limits[mass].observed} for mass in ordered]
    seen = {
        "header": {**head, "name": f"observed {quantity}"},
        "qualifiers": [{"name": "LIMIT", "value": level}],
        "values": observed,
    }
    return {
        "independent_variables": [
            {"header": {"name": "MASS", "units": "GEV"}, "values": [{"value": m} for m in ordered]}
        ],
        "dependent_variables": [
            *([] if any(math.isnan(limits[mass].observed) for mass in ordered) else [seen]),
            {
                "header": {**head, "name": f"expected {quantity}"},
                "qualifiers": [{"name": "LIMIT", "value": level}],
                "values": expected,
            },
        ],
    }


def hepdata_submission(tables: Mapping[str, tuple[str, dict[str, Any]]], *, comment: str) -> dict[str, str]:
    """Files of a submission to HEPData, YAML text by file name: `submission.yaml` and one for each table.

    `tables` are by name, each with a description; `comment` is about all of them. Authors and records are added by
    whoever submits.
    """
    import yaml

    def text(content: Any) -> str:
        return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

    files: dict[str, str] = {}
    heads: list[dict[str, Any]] = [{"comment": comment}]
    for number, (name, (description, table)) in enumerate(tables.items(), start=1):
        file = f"table_{number}.yaml"
        files[file] = text(table)
        heads.append({"name": name, "description": description, "keywords": [], "data_file": file})
    return {"submission.yaml": "---\n" + "---\n".join(map(text, heads)), **files}


def _channel(name: str, model: CountingModel) -> dict[str, Any]:
    modifiers = []
    if model.error:
        modifiers.append({"name": f"background_{name}", "type": "shapesys", "data": [model.error]})
    return {
        "name": name,
        "samples": [
            {
                "name": "signal",
                "data": [model.signal],
                "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
            },
            {"name": "background", "data": [model.background], "modifiers": modifiers},
        ],
    }
