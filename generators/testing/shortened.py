"""The same generator with a training of a moment, for what does not depend on how much was learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from generators.registry import create


def shortened(generator: Any, **training: Any) -> Any:
    """An unfitted generator like this one that trains for 12 steps, or as `training` says; others inside of it too."""
    return create(shorter({"kind": generator.kind, **generator.hyperparameters()}, training))


def shorter(specification: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The specification, and those of the generators inside of it, with a training of a moment."""
    found = {
        name: shorter(value, changes) if isinstance(value, Mapping) and _has_training(value) else value
        for name, value in specification.items()
    }
    if "training" in found:  # that of an ensemble is that of its members
        found["training"] = {**found["training"], "epochs": None, "steps": 12, "best_states": 1, **changes}
    return found


def is_trained(generator: Any) -> bool:
    """Whether a generator, or one inside of it, is trained in steps: it has a `training` among its hyperparameters."""
    return _has_training(generator.hyperparameters())


def _has_training(values: Mapping[str, Any]) -> bool:
    return "training" in values or any(_has_training(v) for v in values.values() if isinstance(v, Mapping))


Make = Callable[[], Any]
