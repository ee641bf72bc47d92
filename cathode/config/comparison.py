"""The section `comparison` of an analysis file: what `cathode compare` compares."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cathode.config.components import GeneratorConfig
from cathode.config.section import Section


class ComparisonConfig(Section):
    """What `cathode compare` compares in the sidebands; no other verb looks at it."""

    generators: tuple[GeneratorConfig, ...] = Field(default=(), description="the candidates")
    validation_regions: tuple[tuple[float, float], ...] | None = Field(
        default=None, min_length=1, description="held-out ranges of sideband mass; null takes those of the validation"
    )
    best_states: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(), description="numbers of best states to try of candidates that keep more"
    )
