"""The JSON schema of an analysis file, for editors and for other programs."""

from __future__ import annotations

from typing import Any

from cathode.config.analysis import AnalysisConfig
from cathode.config.components import component_model, kinds

_ROLES = {
    "GeneratorConfig": "generator",
    "ObservablesConfig": "observables",
    "ClassifierConfig": "classifier",
    "MassModelConfig": "mass_model",
    "MethodConfig": "method",
}


def schema() -> dict[str, Any]:
    """JSON schema of the whole file, with the hyperparameters of every kind that is registered."""
    document = AnalysisConfig.model_json_schema()
    for name, role in _ROLES.items():
        variants = []
        for kind in kinds(role):
            variant = component_model(role, kind).model_json_schema(ref_template="#/$defs/{model}")
            variant["properties"] = {"kind": {"const": kind}, **variant["properties"]}
            variant["required"] = ["kind", *variant.get("required", [])]
            # Parts inside of a part are those of this loop.
            inner = variant.pop("$defs", {})
            document["$defs"].update({of: each for of, each in inner.items() if of not in _ROLES})
            variants.append(variant)
        document["$defs"][name] = {"anyOf": [{"enum": list(kinds(role))}, *variants], "title": role}
    return document
