"""The section `validation` of an analysis file: how the template is tested."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from cathode.config.section import File, Fraction, Section


class ValidationConfig(Section):
    """How the template is tested before it is believed."""

    closure: bool = Field(
        default=True,
        description="repeat the search in validation regions; nothing is claimed without",
    )
    region_fraction: Fraction = Field(
        default=0.5, description="width of a validation region over the width of the window"
    )
    region_events: int = Field(
        default=1000,
        ge=1,
        description="events that a validation region needs that does not touch the window, and that have to lie beyond",
    )
    members: int = Field(default=10, ge=1, description="members of the classifier that measures closure")
    repeats: int = Field(
        default=1, ge=1, description="templates, with classifiers of their own, over which the test is averaged"
    )
    generators: int = Field(
        default=3,
        ge=1,
        description="generators, at most, each learned without its own validation regions alone",
    )
    idealised: File | None = Field(
        default=None, description="files of independent true background: the bound of any template"
    )

    @model_validator(mode="after")
    def _of_a_test_that_is_done(self) -> Self:
        if self.repeats > 1 and not self.closure:
            raise ValueError(f"repeats: {self.repeats} has no effect with closure: false. Remove one of them")
        return self
