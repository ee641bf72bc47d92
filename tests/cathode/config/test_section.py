"""Files named in an analysis file start from its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from cathode.config.section import File, Files, Fraction, Section


class Given(Section):
    one: File = "x"
    many: Files = ("x",)
    part: Fraction = 0.5


def test_relative_paths_start_from_the_folder_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", "/data")
    context = {"folder": Path("/analysis")}
    made = Given.model_validate(
        {"one": "a.root", "many": ["b/*.root", "$DATA/c.root", "root://h//d.root"]}, context=context
    )
    assert made.one == "/analysis/a.root"
    assert made.many == ("/analysis/b/*.root", "/data/c.root", "root://h//d.root")
    assert Given.model_validate({"many": "a.root"}, context=context).many == ("/analysis/a.root",)
    assert Given.model_validate({"one": "embedded:dijets"}, context=context).one == "embedded:dijets"


@pytest.mark.parametrize("given", [{"on": "a"}, {"part": 1.0}, {"part": 0.0}, {"part": float("nan")}, {"many": []}])
def test_other_keys_and_values_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Given.model_validate(given)
