"""The windows of a scan: sliding ones of a width, absolute or relative, or a list."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from cathode.config.section import Section

Pair = tuple[float, float]

#: Windows of a scan at most: more is a mistake of the step.
MOST = 10_000


class Windows(Section):
    """Either `edges`, or `low`, `high` and a width; masses in GeV."""

    edges: tuple[Pair, ...] = Field(default=(), description="a list of windows, [low, high] each")
    low: float | None = Field(default=None, gt=0, description="lower edge of the first window")
    high: float | None = Field(default=None, gt=0, description="no window reaches beyond")
    width: float | None = Field(default=None, gt=0, description="of every window, GeV")
    relative_width: Annotated[float, Field(gt=0, lt=2)] | None = Field(
        default=None, description="of every window, in units of its centre"
    )
    step: Annotated[float, Field(gt=0)] = Field(
        default=0.5, description="from one lower edge to the next, in units of the width; 1 leaves no overlap"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sliding = (self.low, self.high, self.width, self.relative_width)
        if self.edges and any(each is not None for each in sliding):
            raise ValueError("has a list and sliding windows as well; choose one")
        if not self.edges and (
            self.low is None or self.high is None or (self.width is None) == (self.relative_width is None)
        ):
            raise ValueError("needs low, high, and one of width and relative_width; or a list of [low, high]")
        found = self.windows
        if not found:
            raise ValueError(f"leaves no room for one window between {self.low:g} and {self.high:g} GeV")
        if len(found) > MOST:
            raise ValueError(f"makes more than {MOST:,} windows; widen the step")
        wrong = next(((low, high) for low, high in found if not 0 < low < high), None)
        if wrong is not None:
            raise ValueError(f"has [{wrong[0]:g}, {wrong[1]:g}]; a window needs 0 < low < high")
        if len(set(found)) < len(found):
            raise ValueError("names a window twice")
        return self

    @property
    def windows(self) -> tuple[Pair, ...]:
        """Edges of all windows by their lower edge, to ten digits.

        >>> Windows(low=3000, high=3500, width=200).windows
        ((3000.0, 3200.0), (3100.0, 3300.0), (3200.0, 3400.0), (3300.0, 3500.0))
        """
        if self.edges or self.low is None or self.high is None:
            return tuple(sorted(self.edges))
        found: list[Pair] = []
        low, number = self.low, 0
        while len(found) <= MOST:
            high = low + self.width if self.width is not None else low * self._ratio
            if high > self.high * (1 + 1e-9):
                break
            found.append((_round(low), _round(high)))
            number += 1
            # Multiplied and not added, so that errors of rounding do not add up.
            grown = (1 + self.step * (self._ratio - 1)) ** number
            low = self.low * grown if self.width is None else self.low + number * self.step * self.width
        return tuple(found)

    @property
    def _ratio(self) -> float:
        """Upper over lower edge of a window of the relative width: its centre is half of their sum."""
        half = 0.5 * (self.relative_width or 0.0)
        return (1 + half) / (1 - half)


def _round(edge: float) -> float:
    return float(f"{edge:.10g}") if math.isfinite(edge) else edge
