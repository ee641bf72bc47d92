"""Files of verbs that make many searches: one analysis, and what is changed in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, PrivateAttr, ValidationError

from analysis.io.paths import EMBEDDED
from cathode.config.analysis import AnalysisConfig
from cathode.config.documents import embedded_text, load_config, parse_config
from cathode.config.messages import Places, message
from cathode.config.section import File, Section
from cathode.errors import ConfigError

#: Values of an analysis file by their path in it, as `--set` takes them.
Overrides = dict[str, Any]
#: They are names of files too.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]


class PlanFile(Section):
    """What every such file has; `example` is the one that comes with the package."""

    example: ClassVar[str]

    analysis: File = Field(description="analysis file; embedded:NAME for one of the package")
    set: Overrides = Field(default_factory=dict, description="what is changed in it for all methods")

    _folder: Path | None = PrivateAttr(default=None)
    _source: Path | None = PrivateAttr(default=None)

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

    def named(self, where: str, changes: Mapping[str, Any]) -> AnalysisConfig:
        """As `config`; errors say where in the file the changes stand."""
        try:
            return self.config(changes)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error

    @classmethod
    def parsed(cls, text: str, *, name: str, folder: Path | None = None, source: Path | None = None) -> Self:
        """From YAML text; `name` stands in error messages.

        Raises
        ------
        ConfigError
            If it is no YAML, or says something that such a file does not understand.
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
                f"{path}: can not be read ({error}). `cathode config example {cls.example}` prints a file to start "
                "from."
            ) from error
        return cls.parsed(text, name=str(path), folder=path.resolve().parent, source=path)


def of_reading(name: str, changes: Overrides) -> None:
    """Refuse changes of a sample that concern something else than how it is read, by a ValueError."""
    wrong = [path for path in changes if not path.startswith("data.")]
    if wrong:
        raise ValueError(f"{name} changes {wrong[0]}; a signal changes how it is read, data.… alone")


def distinct(values: tuple[float, ...]) -> None:
    """Refuse a list that names one twice, by a ValueError."""
    if len(set(values)) < len(values):
        raise ValueError(f"names one twice: {list(values)}")
