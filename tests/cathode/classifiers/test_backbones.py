"""What a transformer learns before it is asked about data and template."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from analysis.errors import TooFewEventsError
from cathode.classifiers.backbones import SubstructureRegression, _Regression, bodies
from cathode.classifiers.network_ensemble import NetworkEnsemble
from cathode.errors import ConfigError
from generators.training.settings import TrainingSettings


def test_it_is_made_from_what_stands_in_a_configuration() -> None:
    made = SubstructureRegression.of({"steps": 7})
    assert made.steps == 7
    assert SubstructureRegression.of(made) is made
    given: Any
    for given, said in [({"step": 7}, "steps"), ("trees", "no mapping"), ({"steps": 0}, "at least 1")]:
        with pytest.raises(ConfigError, match=said):
            SubstructureRegression.of(given)


def test_too_few_events_are_refused() -> None:
    x = np.zeros((9, 1, 3, 3), np.float32)
    with pytest.raises(TooFewEventsError, match="needs at least 10"):
        SubstructureRegression().learned(lambda *_: torch.nn.Linear(1, 1), x, TrainingSettings(epochs=1), seed=1)


def test_the_loss_is_the_mean_squared_error() -> None:
    loss = _Regression(torch.nn.Identity())(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]]))
    assert float(loss) == pytest.approx(2.5)


def test_layers_that_answer_one_question_only_stay_behind() -> None:
    state = {name: torch.zeros(1) for name in ("embed.weight", "head.0.bias", "high_level.weight")}
    assert [set(body) for body in bodies(NetworkEnsemble([[state, {}]], [[]], [[]]))] == [{"embed.weight"}]
