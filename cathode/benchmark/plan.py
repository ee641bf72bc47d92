"""The file of a benchmark: one analysis, what each method changes in it, signals, strengths and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, ValidationError, field_validator

from cathode.config import AnalysisConfig, embedded_text, load_config, parse_config
from cathode.config.messages import Places, message
from cathode.config.section import EMBEDDED, File, Section
from cathode.errors import ConfigError

#: Values of an analysis file by their path in it, as `--set` takes them.
Overrides = dict[str, Any]
#: They are names of files too.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]


class BenchmarkPlan(Section):
    """What `cathode benchmark` compares."""

    analysis: File = Field(description="analysis file whose data hold no signal; embedded:NAME for one of the package")
    set: Overrides = Field(default_factory=dict, description="what is changed in it for all methods")
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

    _folder: Path | None = PrivateAttr(default=None)
    _source: Path | None = PrivateAttr(default=None)

    @field_validator("strengths", "seeds")
    @classmethod
    def _distinct(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"names one twice: {list(value)}")
        return value

    @field_validator("signals")
    @classmethod
    def _of_reading(cls, value: dict[str, Overrides]) -> dict[str, Overrides]:
        for name, changes in value.items():
            wrong = [path for path in changes if not path.startswith("data.")]
            if wrong:
                raise ValueError(f"{name} changes {wrong[0]}; a signal changes how it is read, data.… alone")
        return value

    @property
    def source(self) -> Path | None:
        """The file that this was read from."""
        return self._source

    def config(self, changes: Mapping[str, Any]) -> AnalysisConfig:
        """The analysis with what is changed in it for all, and these changes.

        Raises
        ------
        ConfigError
            As `load_config`.
        """
        overrides = {**self.set, **changes}
        if not self.analysis.startswith(EMBEDDED):
            return load_config(self.analysis, overrides)
        name = self.analysis.removeprefix(EMBEDDED)
        return parse_config(embedded_text(name), name=f"{name}.yaml", folder=self._folder, overrides=overrides)

    def configs(self) -> dict[str, AnalysisConfig]:
        """The analysis of every method.

        Raises
        ------
        ConfigError
            As `load_config`; names the method. Or if a method reads other data or looks into another window.
        """
        found = {name: self._named("methods", name, changes) for name, changes in self.methods.items()}
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
        return self._named("signals", name, self.signals[name])

    def _named(self, where: str, name: str, changes: Mapping[str, Any]) -> AnalysisConfig:
        try:
            return self.config(changes)
        except ConfigError as error:
            raise ConfigError(f"{where}.{name}: {error}") from error

    @classmethod
    def parsed(cls, text: str, *, name: str, folder: Path | None = None, source: Path | None = None) -> Self:
        """From YAML text; `name` stands in error messages.

        Raises
        ------
        ConfigError
            If it is no YAML, or says something that a benchmark does not understand.
        """
        places = Places(name, text)
        try:
            plan = cls.model_validate(places.document, context={"folder": folder})
        except ValidationError as error:
            raise ConfigError("\n".join(message(each, cls, places) for each in error.errors())) from error
        plan._folder, plan._source = folder, source
        return plan

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """From a file; relative paths start from its folder.

        Raises
        ------
        ConfigError
            As `parsed`, or if the file can not be read.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path}: can not be read ({error}). `cathode config example benchmark` prints a file to start from."
            ) from error
        return cls.parsed(text, name=str(path), folder=path.resolve().parent, source=path)
