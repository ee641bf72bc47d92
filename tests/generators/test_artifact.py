"""Model folders: what is written comes back, what was touched is refused, a kill leaves a folder that loads."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch
from torch import Tensor

from generators import registry
from generators.artifact import FORMAT_VERSION, fingerprint, load, read_card, save
from generators.errors import ArtifactError, SaveError, UnknownKindError
from generators.model_folder import CARD, WEIGHTS


@dataclass
class Mean:
    """The smallest generator there is: it remembers a mean."""

    kind: ClassVar[str] = "mean_of_tests"
    width: float = 1.0

    def fit(self, x: np.ndarray) -> Self:
        self.mean_ = torch.as_tensor(x.mean(0))
        self.seed_, self.data_hash_ = 7, fingerprint(x)
        self.columns_, self.units_ = ["a", "b"], ["GeV", ""]
        return self

    def sample(self, context: np.ndarray) -> np.ndarray:
        return np.tile(self.mean_.numpy(), (len(context), 1))

    @property
    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.mean_.shape)

    def hyperparameters(self) -> dict[str, Any]:
        return asdict(self)

    def state(self) -> dict[str, Tensor]:
        return {"mean": self.mean_, "count": torch.tensor(3), "view": self.mean_[:1]}

    def restore(self, state: dict[str, Tensor]) -> Self:
        self.mean_ = state["mean"]
        return self


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.GENERATORS, "_known", {**registry.GENERATORS._known, Mean.kind: Mean})


@pytest.fixture
def fitted() -> Mean:
    return Mean(width=2.5).fit(np.random.default_rng(0).standard_normal((10, 2)))


@pytest.fixture
def folder(fitted: Mean, tmp_path: Path) -> Path:
    return save(fitted, tmp_path / "model")


def test_what_is_saved_comes_back(fitted: Mean, folder: Path) -> None:
    again = load(folder)
    assert type(again) is Mean
    assert again.width == 2.5
    assert torch.equal(again.mean_, fitted.mean_)
    for name in ("seed_", "data_hash_", "columns_", "units_"):
        assert getattr(again, name) == getattr(fitted, name)
    assert sorted(path.name for path in folder.iterdir()) == [CARD, WEIGHTS]


def test_saved_again_is_the_same_model(folder: Path, tmp_path: Path) -> None:
    other = save(load(folder), tmp_path / "copy")
    assert (other / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()
    one, two = read_card(folder), read_card(other)
    assert {**asdict(one), "created": ""} == {**asdict(two), "created": ""}


def test_card_says_what_the_model_is(fitted: Mean, folder: Path) -> None:
    card = json.loads((folder / CARD).read_text())
    assert card["kind"] == "mean_of_tests"
    assert card["hyperparameters"] == {"width": 2.5}
    assert card["event_shape"] == [2]
    assert (card["columns"], card["units"], card["seed"]) == (["a", "b"], ["GeV", ""], 7)
    assert card["data_hash"] == fitted.data_hash_
    assert card["format_version"] == FORMAT_VERSION
    assert {"python", "torch", "numpy", "nflows"} <= card["versions"].keys()
    assert card["created"].endswith("+00:00")


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_every_altered_byte_is_found(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_bytes()
    for position in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << position % 8
        path.write_bytes(spoilt)
        with pytest.raises(ArtifactError):
            load(folder)
    path.write_bytes(whole)
    assert torch.equal(load(folder).mean_, load(folder).mean_)


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
@pytest.mark.parametrize("edit", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b + b" "])
def test_truncated_and_extended_files_are_found(folder: Path, name: str, edit: Any) -> None:
    path = folder / name
    path.write_bytes(edit(path.read_bytes()))
    with pytest.raises(ArtifactError, match=name):
        load(folder)


def test_layout_of_the_card_is_part_of_it(folder: Path) -> None:
    content = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="altered"):
        load(folder)


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load(folder)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nowhere"):
        load(tmp_path / "nowhere")


def rewrite(folder: Path, *, weights: bytes | None = None, **changes: Any) -> None:
    """What somebody who knows the format can do: change the folder and make the hashes agree again."""
    import dataclasses
    import hashlib

    card = read_card(folder)
    if weights is not None:
        (folder / WEIGHTS).write_bytes(weights)
        changes["weights_hash"] = hashlib.sha256(weights).hexdigest()
    (folder / CARD).write_text(dataclasses.replace(card, **changes).to_json())


def test_other_format_version_is_named(folder: Path) -> None:
    rewrite(folder, format_version=99)
    with pytest.raises(ArtifactError, match="99"):
        load(folder)


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("executed",))


def test_pickle_under_the_name_of_weights_is_refused_and_not_executed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pickle

    rewrite(folder, weights=pickle.dumps(Payload()))
    with pytest.raises(ArtifactError):
        load(folder)
    assert "executed" not in capsys.readouterr().out


def test_hostile_headers_are_refused(folder: Path) -> None:
    for weights in (b"\xff" * 8 + b"{}", (10**9).to_bytes(8, "little") + b"{}", b"[" * 100_000):
        rewrite(folder, weights=weights)
        with pytest.raises(ArtifactError):
            load(folder)
    (folder / CARD).write_bytes(b"[" * 100_000)
    with pytest.raises(ArtifactError, match="not the card of"):
        load(folder)
    (folder / CARD).write_bytes(b" " * (2 << 20))
    with pytest.raises(ArtifactError, match="at most"):
        load(folder)


def test_weights_of_another_model_are_refused(folder: Path) -> None:
    from safetensors.torch import save as to_bytes

    rewrite(folder, weights=to_bytes({"other": torch.ones(2)}))
    with pytest.raises(ArtifactError, match="mean_of_tests"):
        load(folder)


def test_unknown_kind_and_hyperparameter_are_named(folder: Path) -> None:
    rewrite(folder, hyperparameters={"wide": 1})
    with pytest.raises(ArtifactError, match="'wide'"):
        load(folder)
    rewrite(folder, kind="mean_of_test")
    with pytest.raises(UnknownKindError, match="Nearest: mean_of_tests"):
        load(folder)


def test_folder_of_something_else_is_never_replaced(fitted: Mean, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtifactError, match=r"thesis\.tex"):
        save(fitted, tmp_path)
    with pytest.raises(ArtifactError, match="is a file"):
        save(fitted, tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_save_replaces_an_older_model_and_leaves_nothing_behind(fitted: Mean, folder: Path) -> None:
    fitted.mean_ = fitted.mean_ + 1
    save(fitted, folder)
    assert torch.equal(load(folder).mean_, fitted.mean_)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_failure_while_saving_keeps_the_older_model(
    fitted: Mean, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(folder).mean_

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("generators.atomic.os.fsync", fail)
    fitted.mean_ = fitted.mean_ + 1
    with pytest.raises(SaveError, match=rf"{folder}: can not be written \(No space left on device\)"):
        save(fitted, folder)
    assert torch.equal(load(folder).mean_, before)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_leftovers_are_removed_by_their_owner_only(fitted: Mean, folder: Path) -> None:
    """What a process of this machine left that is no more; not what others, or other machines, may still be writing."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())
    theirs = [f".model.{host}-{os.getpid()}-abcdefgh", ".model.elsewhere-1-abcdefgh", ".model.mine", ".other-abcdefgh"]
    theirs.append(f".other.{host}-{dead.pid}-abcdefgh")
    for name in (*theirs, f".model.{host}-{dead.pid}-abcdefgh"):
        (folder.parent / name).mkdir()
    save(fitted, folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == sorted([*theirs, "model"])


def test_kill_between_the_two_renames_loses_nothing(fitted: Mean, folder: Path) -> None:
    before = load(folder).mean_
    folder.rename(folder.with_name(f".{folder.name}.previous"))
    assert torch.equal(load(folder).mean_, before)
    save(fitted, folder)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


KILLS = """
import os, random, signal, sys, time
import torch
from generators import registry
from generators.artifact import load, save
{model}
registry.GENERATORS.register(Mean)
folder, rounds = sys.argv[1], int(sys.argv[2])
model = Mean()
model.mean_ = torch.zeros(20_000)
save(model, folder)
random.seed(1)
start = time.perf_counter()
save(model, folder)
one = time.perf_counter() - start
previous, turn = 0, 0
# On a busy machine a child may need many times as long as its parent did to save once: it gets ever more time.
while turn < rounds or (previous < rounds / 5 and turn < 10 * rounds):
    turn += 1
    child = os.fork()
    if child == 0:
        count = int(load(folder).mean_[0])
        while True:
            count += 1
            model.mean_ = torch.full((20_000,), float(count))
            save(model, folder)
    time.sleep(random.uniform(0.0, 3 * one * max(1.0, turn / rounds)))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    mean = load(folder).mean_
    assert (mean == mean[0]).all() and mean[0] >= previous, (turn, mean[0], previous)
    previous = mean[0]
assert previous >= rounds / 5, f"only {{previous}} complete saves: the kills came too early to prove anything"
"""


def test_killed_at_any_moment_the_folder_loads(tmp_path: Path) -> None:
    import inspect

    source = (
        "from dataclasses import asdict, dataclass\nfrom typing import Any, ClassVar, Self\nimport numpy as np\n"
        "from torch import Tensor\nfrom generators.artifact import fingerprint\n" + inspect.getsource(Mean)
    )
    script = tmp_path / "kills.py"
    script.write_text(KILLS.format(model=source))
    done = subprocess.run(
        [sys.executable, script, tmp_path / "model", "25"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_fingerprint_depends_on_every_value_type_and_shape() -> None:
    x = np.arange(6.0)
    reference = fingerprint(x)
    assert reference == fingerprint(x.copy())
    assert reference == fingerprint(x.astype(">f8"))
    assert reference == fingerprint(np.arange(12.0)[::2] / 2)
    touched = x.copy()
    touched[3] = np.nextafter(touched[3], 9)
    others = [fingerprint(touched), fingerprint(x.reshape(2, 3)), fingerprint(x.astype("f4")), fingerprint(x, None)]
    assert len({reference, *others}) == 5
