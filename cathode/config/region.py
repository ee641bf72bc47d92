"""The section `region` of an analysis file: where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cathode.config.section import Section
from cathode.errors import RegionError

if TYPE_CHECKING:
    from cathode.region import Region


class RegionConfig(Section):
    """Where to look, in GeV; all intervals are half-open."""

    signal: tuple[float, float] = Field(description="the window, [low, high]")
    sidebands: tuple[float | None, float | None] | None = Field(
        default=None, description="outer borders, null for none on that side; null alone uses every selected event"
    )
    veto: tuple[tuple[float, float], ...] = Field(
        default=(), description="ranges of mass that belong to no sideband, such as a known resonance"
    )
    sides: Literal["both", "below", "above"] = Field(
        default="both", description="below or above: one sideband alone, from which the background is extrapolated"
    )

    @field_validator("veto", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """One pair of numbers is one veto."""
        one = isinstance(value, list | tuple) and value and not any(isinstance(each, list | tuple) for each in value)
        return [value] if one else value

    @model_validator(mode="after")
    def _nested(self) -> Self:
        low, high = self.signal
        if not low < high:
            raise ValueError(f"signal must be [low, high] with low < high, got [{low:g}, {high:g}]")
        below, above = self.sidebands or (None, None)
        if self.sides == "both" and ((below is not None and below >= low) or (above is not None and above <= high)):
            raise ValueError(
                f"sidebands [{_edge(below)}, {_edge(above)}] must reach beyond signal [{low:g}, {high:g}] on both "
                "sides, unless sides: below or sides: above says that there is one sideband alone"
            )
        try:
            self.build()
        except RegionError as error:
            raise ValueError(str(error)) from error
        return self

    def build(self) -> Region:
        """What `cathode.Search` takes."""
        from cathode.region import Region

        return Region(*self.signal, *(self.sidebands or (None, None)), veto=self.veto, sides=self.sides)


def _edge(value: float | None) -> str:
    return "null" if value is None else f"{value:g}"
