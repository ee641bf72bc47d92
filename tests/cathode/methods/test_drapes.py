"""What of a sideband event stays is a setting, and what is made of one says of which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cathode.errors import ConfigError
from cathode.methods.drapes import Drapes
from generators.registry import create

from ..toys import Discriminant, TrueGenerator, toy_events
from .asking import background, stages, task


def generator() -> Any:
    training = {"steps": 20, "learning_rate": 2e-2, "batch_size": 512, "ema_decay": 0.9}
    return create({"kind": "flow_matching", "hidden": 8, "layers": 1, "sampling_steps": 2, "training": training})


def test_the_template_says_of_which_events_it_is_made() -> None:
    asked = task(toy_events(4000, seed=1))
    method = Drapes(generator=generator(), classifier=Discriminant(), start=0.05)
    template = method.template(asked, method.learn(asked.background, stages()), stages())
    assert template.origin is not None
    assert len(template.origin) == len(template) == 4 * len(asked.target)
    # Almost nothing is drawn anew, so copies of one event lie close together.
    order = np.argsort(template.origin, kind="stable")
    same = np.diff(template.origin[order]) == 0
    apart = np.linalg.norm(np.diff(template.x[order], axis=0), axis=1)
    assert np.median(apart[same]) < 0.4 * np.median(apart[~same])


def test_refuses_settings_and_parts_that_it_can_not_use() -> None:
    for wrong in ({"start": 0.0}, {"start": 1.5}, {"oversampling": 0.0}, {"reach": 1.0}):
        with pytest.raises(ConfigError):
            Drapes(**wrong)
    with pytest.raises(ConfigError, match="needs a flow along a velocity"):
        Drapes(generator=TrueGenerator()).require(background(toy_events(2000, seed=1)))
