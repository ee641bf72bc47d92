"""Results that survive a round trip through JSON, exact to the last bit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from analysis.atomic import write_text
from cathode.errors import ResultError


class Document:
    """What a frozen dataclass tree needs to be stored; `schema_version` changes when an older text can not be read.

    Any dataclass of the tree may name properties in `derived`: they are written for readers of the text, and not read.
    """

    schema_version: ClassVar[int]
    #: Older version that can still be read -> path of a field in it, through lists -> the name of today.
    renamed: ClassVar[Mapping[int, Mapping[str, str]]] = {}

    def to_json(self) -> str:
        """JSON text with a schema version; NaN and infinity become strings, so that any parser reads it."""
        body = {"schema_version": self.schema_version, **plain(self)}
        return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`, exact to the last bit.

        Raises
        ------
        ResultError
            If the text is no JSON, has another schema version, or lacks or mistypes a field.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ResultError(f"Not a result: no valid JSON ({error}).") from error
        version = body.pop("schema_version", None) if isinstance(body, dict) else None
        names = cls.renamed.get(version) if isinstance(version, int) else None
        if names is not None:
            for path, name in names.items():
                _rename(body, path.split("."), name)
        elif version != cls.schema_version:
            raise ResultError(
                f"This is a result of schema version {version!r}; this version of the package reads "
                f"{cls.schema_version}. Read it with the version that wrote it, or run it again."
            )
        try:
            result: Self = TypeAdapter(cls).validate_python(body)
        except RecursionError as error:
            raise ResultError("Not a result: nested beyond reason.") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ResultError(
                f"Not a result: field '{place}': {first['msg']} ({error.error_count()} errors)."
            ) from error
        return result

    def write(self, path: Path) -> None:
        """Write `to_json` to a file, atomically."""
        write_text(path, self.to_json() + "\n")

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read what `write` wrote; a `ResultError` names the file."""
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ResultError(f"{path}: can not be read ({error}).") from error
        except ResultError as error:
            raise ResultError(f"{path}: {error}") from error


def _rename(body: Any, path: Sequence[str], name: str) -> None:
    """Give the field at `path` another name, in every element of a list on the way."""
    for each in body if isinstance(body, list) else [body]:
        if isinstance(each, dict) and path[0] in each:
            if len(path) == 1:
                each[name] = each.pop(path[0])
            else:
                _rename(each[path[0]], path[1:], name)


def plain(value: Any) -> Any:
    """Only what JSON knows. The strings for non-finite numbers are those that pydantic reads back as numbers."""
    if is_dataclass(value):
        names = (*(f.name for f in fields(value)), *getattr(value, "derived", ()))
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key if isinstance(key, str) else repr(float(key)): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if hasattr(value, "item"):  # a numpy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
