"""The file of a scan: one analysis, windows, and what each of them is searched with."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from cathode.config import AnalysisConfig
from cathode.config.plans import Name, Overrides, PlanFile, distinct, of_reading
from cathode.errors import ConfigError
from cathode.scans.windows import Pair, Windows


class ScanPlan(PlanFile):
    """What `cathode scan` searches: every window by every method with every seed, in data with and without signals.

    >>> plan = ScanPlan(analysis="embedded:cheap", windows={"low": 3000, "high": 4000, "width": 400, "step": 0.5})
    >>> plan.edges[:2], len(plan.configs())
    (((3000.0, 3400.0), (3200.0, 3600.0)), 1)
    """

    example: ClassVar[str] = "scan"

    windows: Windows = Field(description="low, high, width or relative_width, step; or a list of [low, high]")
    methods: dict[Name, Overrides] = Field(
        default_factory=dict, description="name -> what is changed for this one; empty: the analysis as it is"
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(1,), min_length=1, description="each trains everything anew"
    )
    signals: dict[Name, Overrides] = Field(
        default_factory=dict, description="name -> what is changed to read this signal"
    )
    injections: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(), description="numbers of events of each signal that are put among the data, beside none"
    )
    background: Overrides | None = Field(
        default=None, description="what is changed to read simulated background, for background-only experiments"
    )
    experiments: int = Field(
        default=0, ge=0, description="scans of as many events drawn from the background, everything trained anew"
    )
    spectra: int = Field(
        default=1,
        ge=1,
        description="independent spectra that are looked at, this scan being one: a price of all of them",
    )
    pages: bool = Field(default=True, description="a report page of every window, of the first seed")

    @field_validator("windows", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """A list of windows alone."""
        return {"edges": value} if isinstance(value, list | tuple) else value

    @field_validator("seeds", "injections")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        distinct(value)
        return value

    @field_validator("signals", "background")
    @classmethod
    def _of_reading(cls, value: Any, info: Any) -> Any:
        if info.field_name == "signals":
            for name, changes in value.items():
                of_reading(name, changes)
        elif value is not None:
            of_reading("background", value)
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.signals) != bool(self.injections):
            raise ValueError("signals and injections belong together: samples, and numbers of events of them")
        if self.experiments and self.background is None:
            raise ValueError("experiments need a background: what is changed to read simulated background")
        if "background" in self.signals:
            raise ValueError("no signal can be called background")
        return self

    def configs(self) -> dict[str, AnalysisConfig]:
        """The analysis of every method, in the first window; of all windows it is known that they make sense.

        Raises
        ------
        ConfigError
            As `load_config`; names the method. Or if the analysis has a calibration, which is of one window.
        """
        methods = self.methods or {self.config({"region.signal": list(self.edges[0])}).method.kind: {}}
        found = {}
        for name, changes in methods.items():
            searched = [self._in(f"methods.{name}", changes, window) for window in self.edges]
            if searched[0].calibration is not None:
                raise ConfigError(
                    f"methods.{name}: the analysis has a calibration, which is of one window and one set of settings. "
                    "Write `set: {calibration: null}`; `background` and `experiments` are the calibration of a scan."
                )
            try:
                searched[0].search()
            except ConfigError as error:
                raise ConfigError(f"methods.{name}: {error}") from error
            found[name] = searched[0]
        return found

    @property
    def edges(self) -> tuple[Pair, ...]:
        """All windows."""
        return self.windows.windows

    def changes(self, sample: str) -> Overrides:
        """What is changed to read one of the signals, or the "background"."""
        return self.signals.get(sample, self.background or {})

    def sample(self, name: str, method: str | None = None) -> AnalysisConfig:
        """The analysis, or that of a method, as it reads one of the signals, or the "background"."""
        where = f"signals.{name}" if name in self.signals else name
        of_method = self.methods.get(method or "", {})
        return self._in(where, {**of_method, **self.changes(name)}, self.edges[0])

    def _in(self, where: str, changes: Overrides, window: Pair) -> AnalysisConfig:
        return self.named(where, {**changes, "region.signal": list(window)})
