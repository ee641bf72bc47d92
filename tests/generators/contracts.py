"""The contracts of `generators.testing` as mix-ins of test classes, and what the parts of this package are tried with.

A new implementation is reviewed by adding its specification to one of the tuples below.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from generators.registry import create
from generators.testing import bijection, density, events, features
from generators.testing.bijection import log_det_by_autograd, typical
from generators.testing.contract import Contract
from generators.testing.gaussian import gaussian_events, gaussian_log_prob
from generators.testing.shortened import shorter

__all__ = [
    "BIJECTIONS",
    "DENSITIES",
    "FAMILIES",
    "BijectionContract",
    "DensityContract",
    "EventContract",
    "GeneratorContract",
    "column",
    "derivative",
    "gaussian_events",
    "gaussian_log_prob",
    "log_det_by_autograd",
    "name_of",
    "quick",
    "samples",
    "tested",
    "typical",
]

BIJECTIONS: tuple[dict[str, Any], ...] = (
    {"kind": "standardise"},
    {"kind": "logit"},
    {"kind": "logit", "epsilon": 1e-2},
    {"kind": "quantile_normal"},
    {"kind": "quantile_normal", "knots": 5},
    {"kind": "chain", "bijections": ["logit", "standardise"]},
    {"kind": "chain", "bijections": ["standardise", {"kind": "quantile_normal", "knots": 20}, "logit"]},
)


#: Small models that learn `gaussian_events` in seconds; the physics of each is tested at its real size elsewhere.
DENSITIES: tuple[dict[str, Any], ...] = (
    {
        "kind": "maf",
        "bijection": "quantile_normal",
        "blocks": 3,
        "hidden": 24,
        "training": {"epochs": 8, "batch_size": 128, "learning_rate": 3e-3, "schedule": "one_cycle", "best_states": 2},
    },
    {
        "kind": "autoregressive_spline",
        "blocks": 2,
        "hidden": 16,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": None},
    },
    {
        "kind": "coupling_spline",
        "blocks": 4,
        "hidden": 16,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": None},
    },
    {
        "kind": "affine_coupling",
        "blocks": 4,
        "hidden": 16,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": None},
    },
    {
        "kind": "iaf",
        "blocks": 2,
        "hidden": 16,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": None},
    },
)


def name_of(specification: dict[str, Any]) -> str:
    """Readable test identifier."""
    return "-".join(str(v) for v in specification.values() if isinstance(v, str | int | float))


def column(family: str, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One feature of a family that has broken somebody's preprocessing before; never constant for n ≥ 2."""
    x = {
        "normal": lambda: rng.standard_normal(n),
        "lognormal": lambda: np.exp(2 * rng.standard_normal(n)),
        "bounded": lambda: rng.beta(0.3, 3.0, n),
        "integers": lambda: rng.integers(0, 5, n).astype(float),
        "atom": lambda: np.where(rng.random(n) < 0.6, 0.0, rng.random(n)),
        "outlier": lambda: np.where(np.arange(n) == n - 1, 1e6, rng.standard_normal(n)),
    }[family]()
    x[0], x[-1] = x[0], x[-1] if x[-1] != x[0] else x[0] + 1
    return x


FAMILIES = ("normal", "lognormal", "bounded", "integers", "atom", "outlier")


@st.composite
def samples(draw: st.DrawFn) -> Tensor:
    """Training rows (N, D) in double precision, of any family, scale and offset per column."""
    n, d = draw(st.integers(2, 300)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = []
    for _ in range(d):
        scale = 10.0 ** draw(st.integers(-6, 6))
        columns.append(
            column(draw(st.sampled_from(FAMILIES)), n, rng) * scale + draw(st.sampled_from([0, 1, -3])) * scale
        )
    return torch.as_tensor(np.stack(columns, axis=1))


def derivative(bijection: Any, x: Tensor) -> Tensor:
    """dz/dx of every entry of an elementwise map, by autograd."""
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(bijection.forward(x)[0].sum(), x)
    return slope


def quick(specification: dict[str, Any], **changes: Any) -> Any:
    """The same kind of generator with a training of a moment."""
    return create(shorter(specification, changes))


def tested(contract: type[Contract], arguments: Callable[..., Contract]) -> Callable[[type], type]:
    """Class decorator: every check of a contract becomes a test of its own, which an heir may replace by its name.

    `arguments` takes the instance and the fixtures that its signature names, and gives the contract of the part.
    """

    def decorate(cls: type) -> type:
        for name in contract.names():
            setattr(cls, f"test_{name}", _test(name, arguments))
        return cls

    return decorate


def _test(name: str, arguments: Callable[..., Contract]) -> Callable[..., None]:
    def test(self: Any, **fixtures: Any) -> None:
        getattr(arguments(self, **fixtures), f"check_{name}")()

    test.__signature__ = inspect.signature(arguments)  # type: ignore[attr-defined]
    return test


def _bijection(self: Any, specification: dict[str, Any]) -> Contract:
    # The range of a sample does not know how often.
    return bijection.BijectionContract(lambda: create(specification), counts="logit" not in specification.values())


@tested(bijection.BijectionContract, _bijection)
class BijectionContract:
    """Mix-in: a test class that parametrises `specification` inherits all of it."""


def _events(self: Any, specification: dict[str, Any], fitted: Any) -> Contract:
    return events.EventContract(
        lambda: create(specification), events=self.events, fitted_on=self.fitted_on, fitted=fitted
    )


@tested(events.EventContract, _events)
class EventContract:
    """Mix-in with fixtures `specification` and `fitted`: what every generator must satisfy, whatever its events are.

    `events(n, seed)` gives x (n, *shape) and context; `fitted` was fitted on `fitted_on` of them with seed 10.
    """

    fitted_on: int
    events: Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]


@tested(
    features.FeatureContract,
    lambda self, specification, fitted: features.FeatureContract(lambda: create(specification), fitted=fitted),
)
class GeneratorContract:
    """Mix-in: a test class with fixtures `specification` and `fitted` (on 6,000 `gaussian_events`) inherits it all.

    Nothing here asks for a density.
    """


@tested(
    density.DensityContract,
    lambda self, specification, fitted: density.DensityContract(lambda: create(specification), fitted=fitted),
)
class DensityContract:
    """The same mix-in for generators that know their density."""
