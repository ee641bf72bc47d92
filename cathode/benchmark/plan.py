"""The file of a benchmark: one analysis, what each method changes in it, signals, strengths and seeds."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from cathode.config import AnalysisConfig
from cathode.config.plans import Name, Overrides, PlanFile, distinct, of_reading
from cathode.errors import ConfigError


class BenchmarkPlan(PlanFile):
    """What `cathode benchmark` compares."""

    example: ClassVar[str] = "benchmark"

    methods: dict[Name, Overrides] = Field(min_length=1, description="name -> what is changed for this one")
    signals: dict[Name, Overrides] = Field(min_length=1, description="name -> what is changed to read this signal")
    strengths: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(0.0, 2.2), min_length=1, description="S/√B in the window before any cut"
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(1, 2, 3), min_length=1, description="each draws other signal events and trains anew"
    )
    signal_in_sidebands: bool = Field(
        default=True,
        description="false injects what lies in the window alone; then one training of the sidebands serves all "
        "signals and strengths",
    )

    @field_validator("strengths", "seeds")
    @classmethod
    def _distinct(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        distinct(value)
        return value

    @field_validator("signals")
    @classmethod
    def _of_reading(cls, value: dict[str, Overrides]) -> dict[str, Overrides]:
        for name, changes in value.items():
            of_reading(name, changes)
        return value

    def configs(self) -> dict[str, AnalysisConfig]:
        """The analysis of every method.

        Raises
        ------
        ConfigError
            As `load_config`; names the method. Or if a method reads other data or looks into another window.
        """
        found = {name: self.named(f"methods.{name}", changes) for name, changes in self.methods.items()}
        for name, config in found.items():
            try:
                config.search()
            except ConfigError as error:
                raise ConfigError(f"methods.{name}: {error}") from error
        first, *others = found
        for name in others:
            for part in ("data", "region"):
                mine, its = (getattr(found[each], part) for each in (name, first))
                if part == "data":
                    # Beside the data a method may read samples of its own, and other features of the same events.
                    mine, its = (each.model_copy(update={"auxiliary": {}, "features": None}) for each in (mine, its))
                if mine != its:
                    raise ConfigError(
                        f"methods.{name} changes `{part}`, in which all methods of a benchmark agree; only "
                        "data.features and data.auxiliary may differ."
                    )
        return found

    def signal(self, name: str) -> AnalysisConfig:
        """The analysis as it reads one of the signals."""
        return self.named(f"signals.{name}", self.signals[name])
