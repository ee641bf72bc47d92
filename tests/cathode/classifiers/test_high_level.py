"""Observables that the transformer is told beside the constituents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.errors import NonFiniteError
from analysis.events import FloatArray
from analysis.metrics.sic_and_auc import auc
from cathode import observables
from cathode.classifiers import Transformer, load_classifier
from cathode.config import parse_config
from cathode.errors import ConfigError

from .test_transformer import TINY, dijets

Array = NDArray[np.float64]

PLACES = {"kind": "toy_places", "scale": 40.0}


@observables.register
@dataclass(frozen=True)
class Places(observables.Observables):
    """Azimuth of the hardest constituent: what the transformer can not see, since it knows no azimuth of an event."""

    kind: ClassVar[str] = "toy_places"

    scale: float = 1.0

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return ("sine", "nothing")

    def compute(self, x: FloatArray) -> FloatArray:
        sine = self.scale * np.sin(x[:, 0, 0, 2])
        return np.stack([sine, np.full_like(sine, 7.0)], axis=1)


def transformer(**changes: Any) -> Transformer:
    return Transformer(**{**TINY, "epochs": 12, "learning_rate": 1e-2, "high_level": PLACES, **changes})


@pytest.fixture(scope="module")
def question() -> tuple[Array, NDArray[np.bool_]]:
    """Events, and whether the hardest constituent of their first jet looks up."""
    x = dijets(1200, 6, seed=101)
    return x, np.sin(x[:, 0, 0, 2]) > 0


@pytest.fixture(scope="module")
def told(question: tuple[Array, NDArray[np.bool_]]) -> Transformer:
    x, y = question
    return transformer().fit(x[:600], y[:600], seed=102)


def test_what_constituents_do_not_show_is_seen(told: Transformer, question: tuple[Array, NDArray[np.bool_]]) -> None:
    x, y = question
    alone = transformer(high_level=None).fit(x[:600], y[:600], seed=102)
    found = auc(alone.score(x[600:]), y[600:])
    assert abs(found.value - 0.5) < 3 * found.error
    assert auc(told.score(x[600:]), y[600:]).value > 0.97


def test_its_unit_does_not_matter(told: Transformer, question: tuple[Array, NDArray[np.bool_]]) -> None:
    x, y = question
    # Eight times is exact in binary numbers, and a constant is no information in any unit.
    other = transformer(high_level={**PLACES, "scale": 320.0}).fit(x[:600], y[:600], seed=102)
    np.testing.assert_allclose(other.score(x[600:]), told.score(x[600:]), atol=1e-6)


def test_saved_and_loaded_it_is_told_the_same(
    told: Transformer, question: tuple[Array, NDArray[np.bool_]], tmp_path: Path
) -> None:
    saved = load_classifier(told.save(tmp_path / "told"))
    np.testing.assert_array_equal(saved.score(question[0][:50]), told.score(question[0][:50]))
    assert saved.hyperparameters() == told.hyperparameters()
    assert told.hyperparameters()["high_level"] == PLACES


def test_backbones_know_constituents_alone(question: tuple[Array, NDArray[np.bool_]], tmp_path: Path) -> None:
    """So any network can start from them, whatever it is told itself."""
    x, y = (part[:60] for part in question)
    folder = str(transformer(epochs=1).fit(x, y, seed=103).save(tmp_path / "told"))
    starts = [
        transformer(epochs=1, backbone=folder, high_level=high_level).fit(x, y, seed=104).ensemble_
        for high_level in (None, PLACES, "dijet_substructure")
    ]
    assert len({len(each.states[0][0]) for each in starts[1:]}) == 1
    assert len(starts[0].states[0][0]) < len(starts[1].states[0][0])
    lesson = {"observables": PLACES, "steps": 2}
    learned = transformer(pretraining=lesson).pretrained(x, seed=105)
    assert not any(name.startswith("high_level") for name in learned.start_)
    assert learned.fit(x, y, seed=106).score(x).std() > 0


def test_nothing_told_is_the_network_that_it_was(question: tuple[Array, NDArray[np.bool_]]) -> None:
    """What is told has random numbers of its own: without it no other number changes."""
    plain, more = (transformer().network(seed=3, observables=k).state_dict() for k in (0, 2))
    assert all((more[name] == value).all() for name, value in plain.items())
    assert len(more) > len(plain)


def test_bad_observables_are_refused(told: Transformer, question: tuple[Array, NDArray[np.bool_]]) -> None:
    with pytest.raises(ConfigError, match=r"No observables of kind 'toy_place'. .*toy_places"):
        transformer(high_level="toy_place")
    with pytest.raises(ConfigError, match="toy_places has no hyperparameter 'scales'"):
        transformer(high_level={"kind": "toy_places", "scales": 1})
    endless = transformer(high_level={**PLACES, "scale": np.inf})
    with pytest.raises(NonFiniteError, match="high_level, sine"):
        endless.fit(question[0][:60], question[1][:60], seed=107)
    assert not hasattr(endless, "ensemble_")


def test_the_file_names_them() -> None:
    text = (
        "data: {files: a.root}\nregion: {signal: [3300, 3700]}\nclassifier: {kind: transformer, high_level: toy_places}"
    )
    config = parse_config(text)
    assert config.classifier.build().hyperparameters()["high_level"] == {"kind": "toy_places"}
    again = parse_config(config.to_yaml())
    assert again.search().settings() == config.search().settings()
    with pytest.raises(ConfigError, match="No observables of kind 'toy_place'"):
        parse_config(text.replace("places", "place"))
