"""One training serves a whole scan, and what a resonance does to the flow stays out of the template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cathode.errors import ConfigError
from cathode.methods.sigma import Sigma, _joined
from cathode.region import Region
from cathode.runtime.store import Store
from cathode.search import Search
from generators.registry import create
from generators.tabular.flow_matching import FlowMatching

from ..toys import Discriminant, TrueGenerator, TrueMass, toy_events
from .asking import background


def generator(steps: int = 20) -> Any:
    training = {"steps": steps, "learning_rate": 2e-2, "batch_size": 512, "ema_decay": 0.9}
    return create({"kind": "flow_matching", "hidden": 16, "layers": 2, "sampling_steps": 4, "training": training})


def test_one_training_for_nine_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []
    plain = FlowMatching.fit

    def counted(self: Any, *arguments: Any, **settings: Any) -> Any:
        fits.append(len(arguments[0]))
        return plain(self, *arguments, **settings)

    monkeypatch.setattr(FlowMatching, "fit", counted)
    events = toy_events(9000, seed=1)
    store = Store.at(tmp_path / "store")
    for number in range(9):
        centre = 3100.0 + 100 * number
        Search(
            region=Region(centre - 200, centre + 200, sideband_low=2300.0, sideband_high=5300.0),
            method=Sigma(generator=generator(), classifier=Discriminant(), oversampling=1),
            mass_model=TrueMass(),
            folds=2,
            background_efficiencies=(0.05,),
            closure=False,
            workers=1,
        ).run(events, output=tmp_path / f"window_{number}", store=store)
    inside = (events.mass >= 2300) & (events.mass < 5300)
    assert fits == [int(inside.sum())]


def test_anchors_that_overlap_meet_halfway() -> None:
    (first, second) = _joined([(3.0, 4.0), (3.8, 5.0)])
    assert first == (3.0, pytest.approx(3.9, rel=1e-5))
    assert second == (pytest.approx(3.9), 5.0)
    assert first[1] < second[0]


def test_needs_a_velocity() -> None:
    beside = background(toy_events(2000, seed=1))
    for wrong in (TrueGenerator(), create({"kind": "maf"})):
        with pytest.raises(ConfigError, match="needs a flow along a velocity"):
            Sigma(generator=wrong).require(beside)
    for settings in ({"margin": -1.0}, {"margin": np.nan}, {"oversampling": 0.0}):
        with pytest.raises(ConfigError):
            Sigma(**settings)
