"""What generators are made of: states shared among the rows, kept and restored, and refusals that change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.base import under
from generators.errors import NonFiniteInputError, NotFittedError, ShapeError, TooFewRowsError
from generators.registry import create
from generators.testing.gaussian import gaussian_events

SPECIFICATION = {
    "kind": "affine_coupling",
    "blocks": 1,
    "hidden": 4,
    "training": {"steps": 12, "batch_size": 64, "best_states": 2, "epochs": None},
}


@pytest.fixture(scope="module")
def fitted() -> Any:
    return create(SPECIFICATION).fit(*gaussian_events(200, seed=1), seed=1)


def test_rows_are_shared_among_the_states(fitted: Any) -> None:
    seen: list[int] = []

    def drawn(network: Any, raw: torch.Tensor, c: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        seen.append(fitted.networks_.index(network))
        return c.new_full((len(c), 2), float(fitted.networks_.index(network)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitted, "drawn", drawn, raising=False)
        out = fitted.sample(np.full((101, 1), 3.0), seed=5)[:, 0]
    assert len(fitted.networks_) == 2
    assert sorted(np.bincount(out.astype(int))) == [50, 51]
    # No block of one state: both occur among the first and the last rows.
    assert 0 < out[:30].mean() < 1
    assert 0 < out[-30:].mean() < 1


def test_what_is_restored_is_what_was_fitted(fitted: Any) -> None:
    again = create(SPECIFICATION).restore(fitted.state())
    c = np.full((20, 1), 2.5)
    np.testing.assert_array_equal(again.sample(c, seed=2), fitted.sample(c, seed=2))
    assert again.train_losses_ == fitted.train_losses_
    assert again.best_epochs_ == fitted.best_epochs_
    assert fitted.state().keys() == again.state().keys()


def test_rows_of_weight_zero_are_not_there() -> None:
    x, c = gaussian_events(200, seed=1)
    w = np.ones(260)
    w[200:] = 0
    more = np.concatenate([x, np.full((60, 2), 1e9)]), np.concatenate([c, np.full((60, 1), 3.0)])
    with_them = create(SPECIFICATION).fit(*more, weights=w, seed=1).sample(c, seed=3)
    without = create(SPECIFICATION).fit(x, c, weights=np.ones(200), seed=1).sample(c, seed=3)
    np.testing.assert_array_equal(with_them, without)


def test_a_refusal_leaves_what_was_fitted(fitted: Any) -> None:
    x, c = gaussian_events(200, seed=1)
    before = fitted.sample(c, seed=1)
    for bad, error in (((x[:10], c[:10]), TooFewRowsError), ((np.where(x > 9, np.nan, x), c), NonFiniteInputError)):
        with pytest.raises(error):
            fitted.fit(*bad, seed=1)
    np.testing.assert_array_equal(fitted.sample(c, seed=1), before)
    for context in (np.zeros((3, 2)), np.zeros((3, 1, 1))):
        with pytest.raises(ShapeError, match=r"must be \(events, 1\)"):
            fitted.sample(context, seed=1)
    with pytest.raises(NotFittedError, match="fit or load"):
        create(SPECIFICATION).sample(c, seed=1)


def test_names_under_a_prefix() -> None:
    state = {"a.b": torch.ones(1), "a.c.d": torch.ones(1), "ab": torch.ones(1)}
    assert set(under("a.", state)) == {"b", "c.d"}
