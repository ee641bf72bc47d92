"""Contracts: the identities that every generator, bijection and layer of a flow must satisfy, those of others too.

Each contract is a list of named checks. Under pytest every check becomes a test of its own:

    @pytest.mark.parametrize("check", density_checks(lambda: MyDensity(hidden=16)), ids=str)
    def test_density(check):
        check()

`check_density(make)` and its like run all of them at once. A check that fails raises an AssertionError which says what
was promised and what was found. There is no need of pytest, and nothing is written but to temporary folders.

Budget: with the settings of a test a generator passes its contract in at most 10 CPU seconds. What needs more is too
large for a test; the physics of a model is tested at its real size elsewhere.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from generators.testing.bijection import bijection_checks as bijection_checks
    from generators.testing.bijection import check_bijection as check_bijection
    from generators.testing.contract import Check as Check
    from generators.testing.density import check_density as check_density
    from generators.testing.density import density_checks as density_checks
    from generators.testing.features import check_generator as check_generator
    from generators.testing.features import generator_checks as generator_checks
    from generators.testing.gaussian import gaussian_events as gaussian_events
    from generators.testing.gaussian import gaussian_log_prob as gaussian_log_prob
    from generators.testing.layer import check_layer as check_layer
    from generators.testing.layer import layer_checks as layer_checks

_HOME = {
    "Check": "contract",
    "bijection_checks": "bijection",
    "check_bijection": "bijection",
    "check_density": "density",
    "check_generator": "features",
    "check_layer": "layer",
    "density_checks": "density",
    "gaussian_events": "gaussian",
    "gaussian_log_prob": "gaussian",
    "generator_checks": "features",
    "layer_checks": "layer",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'generators.testing' has no attribute '{name}'")
    return getattr(importlib.import_module(f"generators.testing.{_HOME[name]}"), name)
