import ast
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

import cathode
from cathode.errors import ResultError
from cathode.runtime.documents import Document


@dataclass(frozen=True)
class Part:
    value: float
    name: str = ""


@dataclass(frozen=True)
class Whole(Document):
    schema_version: ClassVar[int] = 3
    renamed: ClassVar[Mapping[int, Mapping[str, str]]] = {2: {"numbers": "values", "parts.number": "value"}}

    values: tuple[float, ...] = ()
    parts: tuple[Part, ...] = ()
    by_cut: dict[float, float] = field(default_factory=dict)


WHOLE = Whole((0.1, math.inf, -math.inf, 5e-324), (Part(1 / 3), Part(math.nan, "nan")), {0.01: 0.5})


def test_every_float_comes_back_to_the_last_bit() -> None:
    again = Whole.from_json(WHOLE.to_json())
    assert again.values == WHOLE.values
    assert again.by_cut == WHOLE.by_cut
    assert again.parts[0] == WHOLE.parts[0]
    assert math.isnan(again.parts[1].value)
    assert "NaN" not in WHOLE.to_json().replace('"NaN"', "")


def test_fields_of_an_older_version_get_their_names_in_every_element() -> None:
    old = {"schema_version": 2, "numbers": [1.5], "parts": [{"number": 2.5}, {"number": 3.5}], "by_cut": {}}
    assert Whole.from_json(json.dumps(old)) == Whole((1.5,), (Part(2.5), Part(3.5)))


@pytest.mark.parametrize("parts", [[3], None, "text", [[]], {"number": []}])
def test_what_no_version_wrote_is_refused(parts: object) -> None:
    with pytest.raises(ResultError, match="parts"):
        Whole.from_json(json.dumps({"schema_version": 2, "numbers": [1.5], "parts": parts}))
    with pytest.raises(ResultError, match="schema version"):
        Whole.from_json(json.dumps({"schema_version": 1, "parts": parts}))


def test_every_document_has_a_short_repr_and_a_table_for_notebooks() -> None:
    found = {}
    for file in Path(cathode.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and "Document" in [ast.unparse(base) for base in node.bases]:
                found[node.name] = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    assert len(found) > 7
    assert not [name for name, methods in found.items() if not {"__repr__", "_repr_html_"} <= methods]
