"""What can be said of a reweighting is declared once."""

from __future__ import annotations

import dataclasses

from cathode.config.template import ReweightingConfig
from cathode.template.reweighting import Reweighting
from cathode.template.reweighting_options import ReweightingOptions


def test_numbers_are_fields_of_python_and_keys_of_a_file() -> None:
    declared = {each.name: each for each in dataclasses.fields(ReweightingOptions)}
    python = {each.name: each for each in dataclasses.fields(Reweighting)}
    keys = ReweightingConfig.model_fields
    assert set(python) == set(keys) == {*declared, "classifier", "observables"}
    for name, each in declared.items():
        assert python[name].default == keys[name].default == each.default
        assert keys[name].description == each.metadata["description"]
    properties = ReweightingConfig.model_json_schema()["properties"]
    assert (properties["folds"]["minimum"], properties["clip"]["exclusiveMinimum"]) == (2, 1)


def test_what_a_file_says_is_what_is_built() -> None:
    built = ReweightingConfig.model_validate({"folds": 3, "clip": 4.5}).build()
    assert (built.folds, built.clip) == (3, 4.5)
