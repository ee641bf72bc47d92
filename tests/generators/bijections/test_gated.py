"""Columns that depend on a discrete one: nothing without its gate, exact densities, round trips."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from generators.bijections.gated import Gated
from generators.errors import ConstantFeatureError, HyperparameterError, ShapeError
from generators.registry import create

#: Charge and type; the first and the last have no track.
KINDS = torch.tensor([[0.0, 1.0], [1.0, 2.0], [-1.0, 2.0], [0.0, 3.0]]).double()
SHARES = torch.tensor([0.3, 0.3, 0.2, 0.2])
PRESENT: dict[str, Any] = {"kind": "columns", "maps": {"0": "quantile_normal", "1": ["logarithm", "quantile_normal"]}}


def particles(n: int, seed: int) -> Tensor:
    """Charge and type, then a normal displacement and a log-normal error of what is charged."""
    g = torch.Generator().manual_seed(seed)
    kinds = KINDS[torch.multinomial(SHARES, n, replacement=True, generator=g)]
    track = (kinds[:, :1] != 0).double()
    normal = torch.randn(n, 2, generator=g, dtype=torch.float64)
    return torch.cat([kinds, track * torch.stack([2 * normal[:, 0], (0.3 * normal[:, 1]).exp()], dim=1)], dim=1)


@pytest.fixture(scope="module")
def fitted() -> Gated:
    made: Gated = Gated(levels=2, present=PRESENT).fit(particles(20_000, 1))
    return made


def log_normal(z: Tensor) -> Tensor:
    return -0.5 * (z.square() + math.log(2 * math.pi))


def noise(n: int, seed: int) -> Tensor:
    return torch.rand(n, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_there_and_back_with_any_noise(fitted: Gated) -> None:
    x = particles(2_000, 2)
    z, log_det = fitted.forward(x, noise=noise(2_000, 3))
    torch.testing.assert_close(fitted.inverse(z), x, rtol=1e-9, atol=1e-9)
    assert bool(torch.isfinite(z).all() & torch.isfinite(log_det).all())


def test_z_is_standard_normal(fitted: Gated) -> None:
    z, _ = fitted.forward(particles(20_000, 4), noise=noise(20_000, 5))
    assert float(z.mean(dim=0).abs().max()) < 0.03
    assert float((torch.corrcoef(z.t()) - torch.eye(4)).abs().max()) < 0.03
    assert float((z.std(dim=0) - 1).abs().max()) < 0.03


def test_density_is_the_share_times_that_of_the_track(fitted: Gated) -> None:
    """Of a neutral particle it is its share alone; of a charged one ln p of a normal and of a log-normal number."""
    x = particles(20_000, 6)
    z, log_det = fitted.forward(x, noise=noise(20_000, 7))
    log_p = log_normal(z).sum(dim=1) + log_det
    track = x[:, 0] != 0
    share = SHARES.double()[((x[:, None, :2] - KINDS).abs().sum(dim=2)).argmin(dim=1)].log()
    assert float((log_p - share)[~track].abs().max()) < 0.05
    d0, error = x[track, 2], x[track, 3]
    true = log_normal(d0 / 2) - math.log(2) + log_normal(error.log() / 0.3) - math.log(0.3) - error.log() + share[track]
    assert float((log_p[track] - true).median().abs()) < 0.02
    assert float((log_p[track] - true).abs().quantile(0.9)) < 0.25


def test_nothing_impossible_is_drawn_wherever_z_lies(fitted: Gated) -> None:
    x = fitted.inverse(6 * torch.randn(5_000, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(8)))
    neutral = x[:, 0] == 0
    assert not bool(x[neutral, 2:].any())
    assert bool((x[~neutral, 3] > 0).all())


def test_what_has_one_without_the_other_has_no_density(fitted: Gated) -> None:
    wrong = torch.tensor([[0.0, 1.0, 0.5, 0.0], [0.0, 1.0, 0.0, 0.1], [1.0, 2.0, 0.1, 0.0], [0.0, 2.0, 0.0, 0.0]])
    assert fitted.forward(wrong.double())[1].tolist() == [-math.inf] * 4


def test_a_saved_one_is_the_same(fitted: Gated) -> None:
    again = create(fitted.specification())
    again.load_state_dict(fitted.state_dict())
    z, _ = fitted.forward(particles(50, 9))
    torch.testing.assert_close(again.inverse(z), fitted.inverse(z), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([[0.0, 1.0], [1.0, 2.0], [1.0, 3.0]], r"1 rows \(first 0\) have zero in column 0"),
        ([[0.0, 0.0], [0.0, 0.0]], "is zero everywhere"),
        ([[0.0], [1.0]], "so that there are no others"),
        ([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]], "Columns 1 and on of Gated"),
    ],
)
def test_rows_that_do_not_fit_are_named(x: list[list[float]], said: str) -> None:
    with pytest.raises(Exception, match=said) as caught:
        Gated(levels=1).fit(torch.tensor(x).double())
    assert type(caught.value).__module__ == "generators.errors"
    assert isinstance(caught.value, ShapeError) or "Columns" in said


def test_a_flag_of_what_does_not_occur_is_no_hindrance_but_a_constant_of_another_column_is() -> None:
    """A sample without muons has a column of zeros."""
    x = torch.cat([particles(300, 10), torch.randn(300, 1)], dim=1)[:, [0, 1, 4, 2, 3]]
    x[:, 1] = 0.0
    for step in ({"kind": "gated", "levels": 2}, "joint_levels"):
        key = "0,1,3,4" if isinstance(step, dict) else "0,1"
        fitted = create({"kind": "columns", "maps": {key: step, "2": "standardise"}}).fit(x)
        z, _ = fitted.forward(x)
        torch.testing.assert_close(fitted.inverse(z), x, rtol=1e-6, atol=1e-6)
    x[:, 2] = 1.0
    with pytest.raises(ConstantFeatureError, match="x, column 2"):
        create({"kind": "columns", "maps": {"0,1,3,4": {"kind": "gated", "levels": 2}, "2": "standardise"}}).fit(x)


def test_a_gate_that_is_none_is_named() -> None:
    with pytest.raises(HyperparameterError, match="levels = 2 and gate = 2"):
        Gated(levels=2, gate=2)
