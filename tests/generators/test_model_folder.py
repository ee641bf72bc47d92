"""Folders of models: the same promises for generators and for classifiers, and the bytes of version 1."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.numpy import load as from_bytes

from cathode.classifiers import storage
from cathode.errors import ClassifierFolderError
from generators import artifact, model_folder
from generators.errors import ArtifactError
from generators.model_folder import CARD, WEIGHTS, FolderFormat, sha256


@dataclass
class Numbers:
    """A generator that is nothing but one tensor."""

    values: Any
    kind: ClassVar[str] = "some_kind"
    event_shape: ClassVar[tuple[int, ...]] = (2,)

    def hyperparameters(self) -> dict[str, Any]:
        return {"members": 2}

    def state(self) -> dict[str, Any]:
        return {"values": torch.as_tensor(self.values)}

    def restore(self, state: dict[str, Any]) -> Numbers:
        raise NotImplementedError


@dataclass(frozen=True)
class Sort:
    """One sort of model: how it is written, and what is raised of it."""

    write: Callable[[Path, np.ndarray], Any]
    format: FolderFormat[Any]
    error: type[Exception]
    card: str
    weights: str

    def read(self, folder: Path) -> np.ndarray:
        return from_bytes(self.format.read(folder)[1])["values"]


#: Folders that were written before both sorts shared a writer.
GENERATOR = """{
  "card_hash": "c959de45a51c1e8e86acabd597b230c9636fbb2373947945b51ecbfde4a6eb52",
  "columns": [
    "x",
    "y"
  ],
  "created": "2026-11-30T01:47:22+00:00",
  "data_hash": "abc",
  "event_shape": [
    2
  ],
  "format_version": 1,
  "hyperparameters": {
    "members": 2,
    "\\u00f6": [
      1.5,
      null
    ]
  },
  "kind": "some_kind",
  "seed": 7,
  "units": [
    "GeV",
    ""
  ],
  "versions": {
    "cathode-hep": "0.1.0",
    "nflows": "0.14",
    "numpy": "2.4.6",
    "python": "3.11.7",
    "safetensors": "0.8.0",
    "torch": "2.13.0+cpu"
  },
  "weights_hash": "ff87e16972fc6bb96465ca3c2d49646941f6e57db00baf4c7a2d02a49bb517c8"
}
"""
GENERATOR_WEIGHTS = (
    "cAAAAAAAAAB7ImEiOnsiZHR5cGUiOiJJNjQiLCJzaGFwZSI6WzEsMl0sImRhdGFfb2Zmc2V0cyI6WzAsMTZdfSwiYiI6eyJkdHlwZSI6IkYzMiIs"
    "InNoYXBlIjpbM10sImRhdGFfb2Zmc2V0cyI6WzE2LDI4XX19AQAAAAAAAAACAAAAAAAAAAAAAAAAAIA/AAAAQA=="
)
CLASSIFIER = """{
  "card_sha256": "0b02d59135f80f3e3a81496d16314a741359e4de40e6d687cb9d6313f0c16019",
  "created": "2026-11-30T01:47:11+00:00",
  "format_version": 1,
  "hyperparameters": {
    "members": 2,
    "\\u00f6": [
      1.5,
      null
    ]
  },
  "kind": "some_kind",
  "seed": 7,
  "versions": {
    "cathode-hep": "0.1.0",
    "numpy": "2.4.6",
    "scikit-learn": "1.9.1",
    "torch": "2.13.0+cpu"
  },
  "weights_sha256": "ec7480730921afce422d0b318acd4d25904c2586e39b61a6aba0def4813ab7b3"
}
"""
CLASSIFIER_WEIGHTS = (
    "cAAAAAAAAAB7ImEiOnsiZHR5cGUiOiJJNjQiLCJzaGFwZSI6WzEsMl0sImRhdGFfb2Zmc2V0cyI6WzAsMTZdfSwiYiI6eyJkdHlwZSI6IkY2NCIs"
    "InNoYXBlIjpbM10sImRhdGFfb2Zmc2V0cyI6WzE2LDQwXX19AQAAAAAAAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAA8D8AAAAAAAAAQA=="
)

SORTS = [
    pytest.param(
        Sort(
            lambda folder, values: artifact.save(Numbers(values), folder),
            artifact.FORMAT,
            ArtifactError,
            GENERATOR,
            GENERATOR_WEIGHTS,
        ),
        id="generator",
    ),
    pytest.param(
        Sort(
            lambda folder, values: storage.save_folder(folder, "some_kind", {"members": 2}, 7, {"values": values}),
            storage.FORMAT,
            ClassifierFolderError,
            CLASSIFIER,
            CLASSIFIER_WEIGHTS,
        ),
        id="classifier",
    ),
]
sorts = pytest.mark.parametrize("sort", SORTS)


@sorts
def test_folders_of_before_are_read_and_their_cards_would_be_written_so_again(sort: Sort, tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(sort.card, encoding="utf-8")
    (tmp_path / WEIGHTS).write_bytes(base64.b64decode(sort.weights))
    card, weights = sort.format.read(tmp_path)
    assert (card.kind, card.seed, card.hyperparameters) == ("some_kind", 7, {"members": 2, "ö": [1.5, None]})
    np.testing.assert_array_equal(from_bytes(weights)["b"], [0.0, 1.0, 2.0])
    assert sort.format.text(card) == sort.card


@sorts
def test_both_hashes_are_those_of_what_they_say(sort: Sort, tmp_path: Path) -> None:
    sort.write(tmp_path / "model", np.arange(5.0))
    content = json.loads((tmp_path / "model" / CARD).read_text())
    assert content[sort.format.weights_hash] == sha256((tmp_path / "model" / WEIGHTS).read_bytes())
    assert content["format_version"] == sort.format.version == 1
    assert sorted(entry.name for entry in (tmp_path / "model").iterdir()) == sorted([CARD, WEIGHTS])


@sorts
@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_every_altered_byte_is_found(sort: Sort, name: str, tmp_path: Path) -> None:
    sort.write(tmp_path / "model", np.arange(2.0))
    path = tmp_path / "model" / name
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << position % 8
        path.write_bytes(spoilt)
        with pytest.raises(sort.error, match=r"model"):
            sort.read(tmp_path / "model")
    path.write_bytes(whole)
    np.testing.assert_array_equal(sort.read(tmp_path / "model"), [0.0, 1.0])


@sorts
def test_a_card_of_another_version_is_named(sort: Sort, tmp_path: Path) -> None:
    sort.write(tmp_path / "model", np.arange(2.0))
    content = json.loads((tmp_path / "model" / CARD).read_text())
    del content[sort.format.card_hash]
    (tmp_path / "model" / CARD).write_text(sort.format._signed({**content, "format_version": 99}))
    with pytest.raises(sort.error, match="format version '99'; this release reads 1"):
        sort.read(tmp_path / "model")


@sorts
def test_a_folder_of_something_else_is_left_as_it_is(sort: Sort, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(sort.error, match=r"thesis\.tex"):
        sort.write(tmp_path, np.arange(2.0))
    with pytest.raises(sort.error, match="is a file"):
        sort.write(tmp_path / "thesis.tex", np.arange(2.0))
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


@sorts
def test_one_look_decides_whether_a_folder_is_foreign(
    sort: Sort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer may take the folder away between two looks; here it does so as soon as anybody has looked."""
    folder = tmp_path / "model"
    sort.write(folder, np.arange(2.0))
    looks = []

    def gone(look: Callable[..., Any]) -> Callable[..., Any]:
        def seen(place: Any, *args: Any, **kwargs: Any) -> Any:
            found = look(place, *args, **kwargs)
            if Path(place) == folder:
                looks.append(look.__name__)
                folder.rename(tmp_path / "elsewhere") if len(looks) == 1 else None
            return found

        return seen

    with monkeypatch.context() as patched:
        patched.setattr("generators.model_folder.os.listdir", gone(os.listdir))
        for name in ("exists", "is_dir", "is_file"):
            patched.setattr(Path, name, gone(getattr(Path, name)))
        sort.format._refuse_foreign(folder)
    assert looks == ["listdir"]


@sorts
def test_simultaneous_saves_all_succeed_and_readers_see_whole_models(sort: Sort, tmp_path: Path) -> None:
    folder = tmp_path / "model"

    def hammer(number: int) -> None:
        for _ in range(30):
            sort.write(folder, np.full(1000, float(number)))
        os._exit(0)

    sort.write(folder, np.zeros(1000))
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            try:
                hammer(number)
            except BaseException as error:
                os.write(2, f"{error!r}\n".encode())
                os._exit(1)
        children.append(child)
    statuses: dict[int, int] = {}
    while len(statuses) < len(children):
        assert len(set(sort.read(folder).tolist())) == 1
        for child in children:
            if child not in statuses and (found := os.waitpid(child, os.WNOHANG))[0]:
                statuses[child] = os.waitstatus_to_exitcode(found[1])
    assert set(statuses.values()) == {0}
    assert len(set(sort.read(folder).tolist())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@sorts
def test_a_reader_that_finds_nothing_waits_for_a_rename(
    sort: Sort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One writer has moved the old model away, a second one has removed it, and the first is about to put its own."""
    folder = tmp_path / "model"
    sort.write(folder, np.arange(2.0))
    folder.rename(tmp_path / "about_to_be_there")
    pauses = []

    def put(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            (tmp_path / "about_to_be_there").rename(folder)

    monkeypatch.setattr(model_folder.time, "sleep", put)
    np.testing.assert_array_equal(sort.read(folder), [0.0, 1.0])
    assert len(pauses) == 2


@sorts
def test_a_reader_that_was_sent_to_the_old_model_looks_again(
    sort: Sort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the reading the new model took its place, and the old one is gone."""
    folder = tmp_path / "model"
    sort.write(folder, np.arange(2.0))
    true, asked = model_folder.whole, []

    def late(place: Path) -> Path:
        asked.append(place)
        return tmp_path / ".model.previous" if len(asked) == 1 else true(place)

    monkeypatch.setattr(model_folder, "whole", late)
    np.testing.assert_array_equal(sort.read(folder), [0.0, 1.0])


@sorts
def test_a_model_that_was_just_moved_aside_is_read_and_replaced(sort: Sort, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    sort.write(folder, np.arange(2.0))
    folder.rename(tmp_path / ".model.previous")
    np.testing.assert_array_equal(sort.read(folder), [0.0, 1.0])
    sort.write(folder, np.arange(3.0))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
