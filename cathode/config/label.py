"""The section `label` of an analysis file: what the figures of a report carry."""

from __future__ import annotations

from pydantic import Field

from cathode.config.section import Section


class LabelConfig(Section):
    """What stands above the figures of the report; what is not given is not drawn, and no number depends on it."""

    experiment: str | None = Field(default=None, min_length=1, description="name of the experiment, in bold")
    status: str | None = Field(
        default=None, min_length=1, description="of the result, such as Simulation or Preliminary, in italics"
    )
    luminosity: float | None = Field(default=None, gt=0, description="integrated, in inverse femtobarns")
    sqrt_s: float | None = Field(default=None, gt=0, description="centre-of-mass energy, GeV; drawn in TeV")
    process: str | None = Field(default=None, min_length=1, description="of the events, such as QCD dijets")
