"""Files of studies: what is wrong is named, what is shipped is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from cathode.errors import ConfigError
from cathode.study.study import _check_generator
from cathode.study.study_file import load_study
from cathode.study.variants import merged, variants

ROOT = Path(__file__).parents[3]
JETS = "jets: {file: embedded:top_jets}\ngenerator: {kind: mdma}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "expected the keys of a study"),
        ("grid: {width: [1]}\n", "either 'jets' and 'generator', or 'analysis'"),
        ("jets: {file: a}\ngrid: {width: [1]}\n", "'generator' belongs to 'jets'"),
        (JETS, "nothing is varied"),
        (JETS + "grid: {width: []}\n", r"grid\.width"),
        (JETS + "ranges: {width: {low: 2, high: 1}}\nrandom: {variants: 1}\n", r"low = 2\.0 must be below"),
        (JETS + "ranges: {width: {low: 0, high: 1, scale: logarithmic}}\nrandom: {variants: 1}\n", "above 0"),
        (JETS + "ranges: {width: {low: 1, high: 2}}\n", "add 'random'"),
        (JETS + "grid: {width: [1]}\nvariants: [{width: 2}]\n", "width: varied in two places"),
        (JETS + "grid: {width: [1]}\nmetric: beauty\n", "metric 'beauty' is not one of w1m"),
        (JETS + "grids: {width: [1]}\n", "grids"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_study(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can not be read"):
        load_study(tmp_path / "none.yaml")


def test_relative_files_start_from_the_folder_of_the_study(tmp_path: Path) -> None:
    found = load_study(written(tmp_path, "jets: {file: t.hdf5}\ngenerator: {kind: mdma}\ngrid: {width: [8]}\n"))
    assert found.jets is not None
    assert found.jets.file == str(tmp_path / "t.hdf5")


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_are_right(path: Path) -> None:
    study = load_study(path)
    found = variants(study)
    assert len(found) >= 12
    for each in found:
        _check_generator(merged(study.generator, each), each)
