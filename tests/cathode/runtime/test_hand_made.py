"""Files of a run folder that were made or changed by hand: one named error at once, or an equal result."""

from __future__ import annotations

import copy
import io
import json
import random
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

import generators
from analysis.errors import AnalysisError
from analysis.events import Events
from cathode.classifiers import Mlp, load_classifier, storage
from cathode.classifiers.boosted_trees import BoostedTrees
from cathode.commands import sample_template
from cathode.diagnostics import Diagnostics
from cathode.errors import CathodeError
from cathode.scoring import Scorer
from cathode.template.mass_models import DijetFitMass, read_mass_model
from generators import artifact
from generators.errors import CheckpointError, GeneratorError
from generators.model_folder import sha256
from generators.training.checkpoint import read_checkpoint, write_checkpoint

from ..toys import small_flow_matching, toy_events, toy_search

NAMED = (CathodeError, GeneratorError, AnalysisError)

#: Seconds that a reader may take: a hang, or gigabytes, would take longer.
PATIENCE = 5.0

#: In the place of a value: other types, numbers beyond reason, and depth.
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**9,
    10**12,
    10**400,
    1e308,
    float("nan"),
    "",
    "no",
    [],
    {},
    [[[]]],
    {"kind": 3},
)


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(3_000, signal=40, seed=81)


@pytest.fixture(scope="module")
def made(events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    search = toy_search(
        generator=small_flow_matching(epochs=1),
        classifier=BoostedTrees(members=1, max_iter=3, jobs=1),
        mass_model=DijetFitMass(),
        folds=2,
        background_efficiencies=(0.1,),
        closure=False,
    )
    search.run(events, output=folder)
    x, y = np.random.default_rng(1).normal(size=(200, 2)), np.arange(200) % 2
    Mlp(hidden=4, layers=2, epochs=1, best_epochs=1).fit(x, y, seed=1).save(folder / "mlp")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def template(run: Path) -> Any:
    return generators.load(run / "template").sample(np.full((3, 1), 3500.0), seed=1)


def masses(run: Path) -> Any:
    return read_mass_model(run / "mass_model.json").sample(5, seed=1)


def trees(run: Path) -> Any:
    return load_classifier(run / "classifiers" / "fold_0").score(np.zeros((2, 3)))


def mlp(run: Path) -> Any:
    return load_classifier(run / "mlp").score(np.zeros((2, 2)))


def scores(run: Path) -> Any:
    return Scorer.load(run)(toy_events(50, seed=82)).score


def thresholds(run: Path) -> Any:
    return Scorer.load(run).cuts[0].thresholds


def figures(run: Path) -> Any:
    return Diagnostics.load(run / "diagnostics.npz").scores


def drawn(run: Path) -> Any:
    return sample_template(run, 5, seed=1)[0].x


def outcome(read: Callable[[Path], Any], run: Path) -> Any:
    """What a reader gives, or the named error that it ends with, at once."""
    start = time.monotonic()
    try:
        found: Any = read(run)
    except NAMED as error:
        found = error
    assert time.monotonic() - start < PATIENCE
    assert not isinstance(found, NAMED) or len(str(found)) < 2_000
    return found


def assert_named_or_equal(read: Callable[[Path], Any], run: Path, before: Any, what: object) -> bool:
    """Whether it was an error."""
    after = outcome(read, run)
    assert isinstance(after, NAMED) or np.array_equal(after, before, equal_nan=True), what
    return isinstance(after, NAMED)


FILES: dict[str, Callable[[Path], Any]] = {
    "template/card.json": template,
    "template/weights.safetensors": template,
    "mass_model.json": masses,
    "classifiers/fold_0/card.json": trees,
    "classifiers/fold_1/weights.safetensors": scores,
    "mlp/card.json": mlp,
    "mlp/weights.safetensors": mlp,
    "result.json": thresholds,
    "diagnostics.npz": figures,
    "search.json": drawn,
}


@pytest.mark.parametrize("name", FILES)
def test_cut_binary_or_nested_files_are_named(name: str, run: Path) -> None:
    path, read = run / name, FILES[name]
    before, content = read(run), (run / name).read_bytes()
    cuts = [content[: len(content) * part // 7] for part in range(7)]
    odd = [
        b"\x80\x04\x95" + bytes(range(256)),
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"null",
        b"{}",
        b"[]",
        b'"',
        b"7" * 9_999,
    ]
    for changed in (*cuts, content[:-1], content + b"x", *odd):
        path.write_bytes(changed)
        assert_named_or_equal(read, run, before, changed[:20])
    path.unlink()
    path.mkdir()
    if name != "search.json":
        assert_named_or_equal(read, run, before, "a folder")


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value of a document is; of a long list the first."""
    entries = node.items() if isinstance(node, dict) else enumerate(node[:1]) if isinstance(node, list) else ()
    for key, value in entries:
        yield (*at, key)
        yield from places(value, (*at, key))


def changes(document: Any, each: int = 2) -> Iterator[tuple[Any, Any]]:
    """A document with each of its values left out, and replaced by so many odd ones; beside what was done."""
    rng = random.Random(3)
    for place in places(document):
        for odd in ("left out", *rng.sample(ODD, each)):
            changed = copy.deepcopy(document)
            parent = changed
            for key in place[:-1]:
                parent = parent[key]
            if odd == "left out":
                del parent[place[-1]]
            else:
                parent[place[-1]] = copy.deepcopy(odd)
            yield (place, odd), changed


@pytest.mark.parametrize("each", [1, pytest.param(len(ODD), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["mass_model.json", "result.json", "search.json"])
def test_documents_without_a_hash_are_checked_entry_by_entry(name: str, each: int, run: Path) -> None:
    """An odd value that no reader needs changes nothing; a number in range gives another result, but no other error."""
    document = json.loads((run / name).read_text())
    errors = 0
    for _, changed in changes(document, each):
        (run / name).write_text(json.dumps(changed))
        errors += isinstance(outcome(FILES[name], run), NAMED)
    assert errors > (0 if name == "search.json" else 20)


def signed_template(run: Path, content: dict[str, Any]) -> None:
    content.pop("card_hash", None)
    try:
        text = artifact.FORMAT.text(artifact.Card(**content))
    except (TypeError, ValueError):  # NaN has no place in a card
        return
    (run / "template" / "card.json").write_text(text)


def signed_classifier(run: Path, place: str, content: dict[str, Any]) -> None:
    content.pop("card_sha256", None)
    try:
        (run / place / "card.json").write_text(storage.FORMAT.text(storage.Card(**content)))
    except (TypeError, ValueError):
        return


def test_signed_cards_of_absurd_generators_are_named(run: Path) -> None:
    """Whoever knows the format can make the hashes agree; sizes still have to agree with the tensors."""
    document = json.loads((run / "template" / "card.json").read_text())
    errors = 0
    for _, changed in changes(document):
        signed_template(run, changed)
        errors += isinstance(outcome(template, run), NAMED)
    assert errors > 30
    for name, size in (("layers", 10**9), ("layers", 10**5), ("hidden", 10**12), ("hidden", 10**5), ("layers", 1_000)):
        absurd = copy.deepcopy(document)
        absurd["hyperparameters"][name] = size
        signed_template(run, absurd)
        assert isinstance(outcome(template, run), NAMED), (name, size)


@pytest.mark.parametrize(("place", "read"), [("classifiers/fold_0", trees), ("mlp", mlp)])
def test_signed_cards_of_absurd_classifiers_are_named(run: Path, place: str, read: Callable[[Path], Any]) -> None:
    document = json.loads((run / place / "card.json").read_text())
    for _, changed in changes(document):
        signed_classifier(run, place, changed)
        outcome(read, run)
    if read is mlp:
        for name, size in (
            ("layers", 10**9),
            ("layers", 10**5),
            ("hidden", 10**12),
            ("hidden", 10**5),
            ("members", 10**9),
        ):
            absurd = copy.deepcopy(document)
            absurd["hyperparameters"][name] = size
            signed_classifier(run, place, absurd)
            assert isinstance(outcome(read, run), NAMED), (name, size)


def arrays_changed(arrays: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Arrays left out, of other shapes, types and lengths, and with NaN."""
    for name, array in arrays.items():
        yield (name, "left out"), {k: v for k, v in arrays.items() if k != name}
        odd = [
            array.ravel()[:0],
            array[..., None],
            np.concatenate([array.ravel()] * 2),
            array.astype("S4"),
        ]
        odd += [np.zeros_like(array)] if array.dtype.kind in "biuf" else []
        odd += [np.full(array.shape, np.nan, array.dtype)] if array.dtype.kind == "f" else []
        for other in odd:
            yield (name, other.dtype, other.shape), {**arrays, name: other}
    yield "one more", {**arrays, "one.more": np.zeros(3)}
    yield "none", {}


@pytest.mark.parametrize(("place", "read"), [("classifiers/fold_0", trees), ("mlp", mlp), ("template", template)])
def test_signed_tensors_of_other_shapes_are_named(run: Path, place: str, read: Callable[[Path], Any]) -> None:
    weights = run / place / "weights.safetensors"
    arrays = load_arrays(weights.read_bytes())
    document = json.loads((run / place / "card.json").read_text())
    errors = 0
    for _, changed in arrays_changed(arrays):
        if any(array.dtype.kind == "S" for array in changed.values()):
            continue
        data = save_arrays({name: np.ascontiguousarray(array) for name, array in changed.items()})
        weights.write_bytes(data)
        content = copy.deepcopy(document)
        if place == "template":
            content["weights_hash"] = sha256(data)
            signed_template(run, content)
        else:
            content["weights_sha256"] = sha256(data)
            signed_classifier(run, place, content)
        errors += isinstance(outcome(read, run), NAMED)
    assert errors > len(arrays)


def test_arrays_of_figures_of_other_shapes_are_named(run: Path) -> None:
    path = run / "diagnostics.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    errors = 0
    for _, changed in arrays_changed(arrays):
        np.savez(path, **changed)
        # Any of them may be absent, and one without the others has the shape that it likes.
        errors += isinstance(outcome(figures, run), NAMED)
    assert errors > 2 * len(arrays)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("scores.npy", header.getvalue())
    assert isinstance(outcome(figures, run), NAMED)


def test_a_state_of_a_training_made_by_hand_is_named(tmp_path: Path) -> None:
    """Its hash agrees, its content does not."""
    data = toy_events(1_000, seed=83)
    path = tmp_path / "state.checkpoint"
    generator = small_flow_matching(epochs=2)

    def interrupted(progress: Any) -> None:
        raise KeyboardInterrupt

    def fit() -> None:
        copy.deepcopy(generator).fit(data.x, data.context, seed=1, checkpoint=path)

    with pytest.raises(KeyboardInterrupt):
        copy.deepcopy(generator).fit(data.x, data.context, seed=1, monitor=interrupted, checkpoint=path)
    whole = read_checkpoint(path)
    fit()
    for part in whole:
        for odd in (None, 7, {}, [], "x", [[1.0]]):
            write_checkpoint(path, {**whole, part: odd})
            # Some of them mean the same as what was there.
            with suppress(CheckpointError):
                fit()
            write_checkpoint(path, {name: value for name, value in whole.items() if name != part})
            with pytest.raises(CheckpointError, match="state"):
                fit()


def test_events_for_other_features_are_refused_as_ever(run: Path, events: Events) -> None:
    with pytest.raises(CathodeError, match="in this order"):
        Scorer.load(run)(replace(events, columns=("a", "b", "c")))
