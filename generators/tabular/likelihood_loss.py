"""Whether the loss that a generator is trained by is minus its log-density, which some trainings build on."""

from __future__ import annotations

from typing import Any

from generators.errors import HyperparameterError
from generators.tabular.base import TabularDensity, TabularGenerator
from generators.tabular.ensemble import Ensemble


def require_likelihood_loss(generator: TabularGenerator[Any]) -> None:
    """Refuse a generator, or an ensemble of those, whose loss is something else, such as a squared error.

    Flow matching and diffusion know their density, but are not trained by it.

    Raises
    ------
    HyperparameterError
        Names the kind, and what to take.
    """
    learner = generator.inner if isinstance(generator, Ensemble) else generator
    if not isinstance(learner, TabularDensity):
        raise HyperparameterError(
            f"'{learner.kind}' is not trained by its likelihood, which is needed here; take a flow or a mixture, such "
            "as gaussian_mixture or coupling_spline."
        )
