"""What all sections of an analysis file have in common: their base, files, fractions."""

from __future__ import annotations

import os
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from analysis.io.paths import EMBEDDED
from cathode.config.truth_values import number_not_truth_value


def _located(value: Any, info: ValidationInfo) -> Any:
    """Absolute path of a file named in an analysis file: relative ones start from the folder of that file."""
    if not isinstance(value, str) or "://" in value or value.startswith(EMBEDDED):
        return value
    folder = (info.context or {}).get("folder")
    path = Path(os.path.expandvars(value)).expanduser()
    return str(folder / path) if folder is not None and not path.is_absolute() else str(path)


def _located_list(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        value = [value]
    return [_located(item, info) for item in value] if isinstance(value, list | tuple) else value


File = Annotated[str, BeforeValidator(_located)]
Files = Annotated[tuple[str, ...], BeforeValidator(_located_list), Field(min_length=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """Base of every section: immutable, and closed to keys that it does not know.

    A section that inherits from a dataclass has its fields as keys. What the section does not say of them itself, their
    type, default, description or bounds, is as they are declared there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    _numbers = field_validator("*", mode="before")(classmethod(number_not_truth_value))

    def __init_subclass__(cls, **settings: Any) -> None:
        """Give pydantic the descriptions and bounds of inherited fields, which it does not look for."""
        super().__init_subclass__(**settings)
        for each in (field for base in cls.__bases__ if is_dataclass(base) for field in fields(base)):
            default = cls.__dict__.get(each.name, each.default)
            if isinstance(default, FieldInfo):
                continue
            setattr(cls, each.name, Field(**({} if default is MISSING else {"default": default}), **each.metadata))
