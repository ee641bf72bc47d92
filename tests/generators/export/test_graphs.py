"""Graphs of a fitted generator give what the generator gives, and NaN where it would raise an error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import ExportError
from generators.export.graphs import LogProb, Sampler
from generators.registry import create
from generators.testing.gaussian import gaussian_events


def fitted(kind: str, **hyperparameters: Any) -> Any:
    x, c = gaussian_events(400, seed=1)
    training = {"steps": 20, "batch_size": 128, "best_states": 2}
    return create({"kind": kind, **hyperparameters, "training": training}).fit(x, c, seed=1)


@pytest.fixture(scope="module")
def flow() -> Any:
    return fitted("affine_coupling", blocks=2, hidden=8)


def test_the_density_is_that_of_the_generator(flow: Any) -> None:
    graph = LogProb(flow)
    inputs = graph.examples(9, seed=3)
    expected = flow.log_prob(inputs["x"].numpy(), inputs["context"].numpy())
    np.testing.assert_allclose(graph(inputs).detach().numpy(), expected, rtol=1e-6)


def test_rows_that_can_not_be_used_become_nan_and_no_others(flow: Any) -> None:
    graph = LogProb(flow)
    inputs = graph.examples(4, seed=3)
    before = graph(inputs).detach()
    inputs["x"][1, 0], inputs["context"][2, 0] = torch.nan, torch.inf
    after = graph(inputs).detach()
    assert after.isnan().tolist() == [False, True, True, False]
    torch.testing.assert_close(after[[0, 3]], before[[0, 3]])


def test_every_row_chooses_its_own_state(flow: Any) -> None:
    graph = Sampler(flow)
    assert list(graph.shapes) == ["context", "noise", "choice"]
    inputs = graph.examples(6, seed=4)
    inputs["choice"] = torch.tensor([0.0, 0.49, 0.51, 0.999, 1.0, 0.2], dtype=torch.float64)
    out = graph(inputs).detach()
    for state in (0, 1):
        mine = [i for i, u in enumerate(inputs["choice"].tolist()) if (u >= 0.5) == bool(state)]
        alone = {**inputs, "choice": torch.full((6,), 0.25 + 0.5 * state, dtype=torch.float64)}
        torch.testing.assert_close(out[mine], graph(alone).detach()[mine])


def test_what_draws_in_other_ways_is_refused() -> None:
    odd: Any = SimpleNamespace(kind="odd", networks_=[object()])
    with pytest.raises(ExportError, match="This 'odd' draws in other ways"):
        Sampler(odd)
