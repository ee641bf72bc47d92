"""The file of a study: what is varied, around what, and by which numbers it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from cathode.config.section import File, Section
from cathode.config.yaml_text import parse
from cathode.errors import ConfigError

#: Metrics of generators of jets; all but the number of equivalent jets are better when they are small.
JET_METRICS = ("w1m", "w1p", "fpd", "equivalent_jets", "us_a_jet", "training_s", "parameters")
#: Metrics of the validation of a search: mean AUC of the closure test, and root mean square of the shifts.
SEARCH_METRICS = ("auc", "shift", "training_s")


class JetsOfStudy(Section):
    """The jets that generators of clouds learn from and are compared with."""

    file: File = Field(description="a file in the layout of JetNet, or embedded:top_jets")
    kind: str = Field(default="t", description="kind of jets, as the name of the file has it")
    train: int = Field(default=5_000, ge=100, description="jets to learn from")
    compared: int = Field(default=5_000, ge=100, description="other jets, and as many are drawn")


class RangeOfStudy(Section):
    """Numbers that a random choice draws one hyperparameter from."""

    low: float
    high: float
    scale: Literal["linear", "logarithmic"] = "linear"
    whole: bool = Field(default=False, description="whole numbers only")

    @model_validator(mode="after")
    def _ordered(self) -> RangeOfStudy:
        if not self.low < self.high or (self.scale == "logarithmic" and self.low <= 0):
            raise ValueError(f"low = {self.low} must be below high = {self.high}, and above 0 on a logarithmic scale")
        return self


class RandomOfStudy(Section):
    """How many variants are drawn instead of all of the grid."""

    variants: int = Field(ge=1)
    seed: int = 1


class StudyConfig(Section):
    """A grid, or a random choice, over hyperparameters by dotted paths such as `training.learning_rate`.

    With `jets` the variants are generators of clouds around the specification `generator`; with `analysis` they are
    searches around that analysis file, of which the validation is made and the window is never opened.
    """

    jets: JetsOfStudy | None = None
    generator: dict[str, Any] = Field(default_factory=dict, description="kind and hyperparameters that all have")
    analysis: File | None = None
    grid: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(
        default_factory=dict, description="path -> its values; all combinations are made"
    )
    variants: tuple[dict[str, Any], ...] = Field(
        default=(), description="values of several paths that belong together; each is combined with all of the grid"
    )
    ranges: dict[str, RangeOfStudy] = Field(default_factory=dict, description="path -> numbers, for a random choice")
    random: RandomOfStudy | None = None
    seeds: tuple[int, ...] = Field(default=(1,), min_length=1, description="trainings of each variant")
    metric: str = Field(default="", description="by which the table is sorted")

    @model_validator(mode="after")
    def _complete(self) -> StudyConfig:
        if (self.jets is None) == (self.analysis is None):
            raise ValueError("a study has either 'jets' and 'generator', or 'analysis'")
        if (self.jets is None) != (not self.generator):
            raise ValueError("'generator' belongs to 'jets', which need it")
        if not self.grid and not self.ranges and not self.variants:
            raise ValueError("nothing is varied: give 'grid', 'variants', or 'ranges' and 'random'")
        if self.ranges and self.random is None:
            raise ValueError("'ranges' are for a random choice: add 'random' with 'variants'")
        listed = {path for each in self.variants for path in each}
        twice = (set(self.grid) & set(self.ranges)) | (listed & (set(self.grid) | set(self.ranges)))
        if twice:
            raise ValueError(f"{', '.join(sorted(twice))}: varied in two places of the file")
        if self.metric and self.metric not in self.metrics:
            raise ValueError(f"metric '{self.metric}' is not one of {', '.join(self.metrics)}")
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured of every variant."""
        return SEARCH_METRICS if self.jets is None else JET_METRICS

    @property
    def sorted_by(self) -> str:
        """The metric by which the table is sorted."""
        return self.metric or self.metrics[0]


def load_study(path: str | Path) -> StudyConfig:
    """Read the file of a study; relative files start from its folder.

    Raises
    ------
    ConfigError
        If it can not be read, is no YAML, or says something that a study does not understand.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can not be read ({getattr(error, 'strerror', None) or error}).") from error
    document, _ = parse(text, str(path))
    if not isinstance(document, Mapping):
        raise ConfigError(f"{path}: expected the keys of a study, such as 'jets:', 'generator:' and 'grid:'.")
    try:
        return StudyConfig.model_validate(document, context={"folder": path.resolve().parent})
    except ValidationError as error:
        told = [
            f"{'.'.join(str(part) for part in each['loc']) or 'study'}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        ]
        raise ConfigError(f"{path}: {'; '.join(told)}.") from error
