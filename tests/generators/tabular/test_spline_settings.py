"""Hyperparameters of flows of splines."""

from __future__ import annotations

import pytest

from generators.errors import HyperparameterError
from generators.tabular.spline_flow import _UNIVARIATE
from generators.tabular.spline_settings import SPLINES, AutoregressiveSplineSettings, CouplingSplineSettings


def test_every_named_spline_is_there() -> None:
    assert tuple(_UNIVARIATE) == SPLINES


@pytest.mark.parametrize("cls", [AutoregressiveSplineSettings, CouplingSplineSettings])
@pytest.mark.parametrize(
    "wrong", [{"blocks": 0}, {"spline": "cubical"}, {"bins": 1}, {"bins": 501}, {"tail_bound": 0.0}]
)
def test_what_can_be_no_flow_is_refused_by_name(cls: type[AutoregressiveSplineSettings], wrong: dict[str, int]) -> None:
    ((name, _),) = wrong.items()
    with pytest.raises(HyperparameterError, match=name):
        cls(**wrong)  # type: ignore[arg-type]
