"""The exchangeable parts of an analysis: a kind and the hyperparameters of the class behind it.

A part's hyperparameters are the fields of its dataclass. They are declared there and nowhere else: this module derives
from them what an analysis file may say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from analysis.errors import nearest
from cathode.config.truth_values import number_not_truth_value
from cathode.errors import CathodeError, ConfigError
from cathode.registry import ROLES, default_generator, default_generator_settings, role_of
from generators.errors import GeneratorError
from generators.registry import field_type


class Component(BaseModel):
    """`kind` and any hyperparameters; what those may be is known only to the class that `kind` names."""

    model_config = ConfigDict(extra="allow", frozen=True)
    role: ClassVar[str]
    kind: str

    @model_validator(mode="before")
    @classmethod
    def _kind_alone(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What the file says beside `kind`."""
        return dict(self.model_extra or {})

    def filled(self) -> dict[str, Any]:
        """Kind and all hyperparameters, defaults included, in JSON types."""
        return {"kind": self.kind, **self._checked().model_dump(mode="json")}

    def looked_at(self) -> Any:
        """What has looked at the hyperparameters: the unfitted object, or its settings where these need no more.

        Raises
        ------
        pydantic.ValidationError
            As `build`.
        """
        checked = self._checked()
        usual = {
            f.name: default_generator_settings
            for f in _fields(checked.target)
            if f.default_factory is default_generator
        }
        try:
            seen = checked.make(**{name: make() for name, make in usual.items()})
        except (CathodeError, GeneratorError, ValueError, TypeError, AttributeError):
            # It has to see the generator itself, or it is wrong: then this says how.
            seen = checked.make()
        return seen if getattr(seen, "looked_at", True) else self.build()

    def build(self) -> Any:
        """The object itself, unfitted.

        Raises
        ------
        pydantic.ValidationError
            If a hyperparameter is unknown or of the wrong type; `load_config` says it in words.
        """
        return self._checked().make(component_class(self.role, self.kind))

    def _checked(self) -> Hyperparameters:
        return component_model(self.role, self.kind).model_validate(self.hyperparameters)


class GeneratorConfig(Component):
    """A generator of `generators.registry`."""

    role: ClassVar[str] = "generator"
    kind: str = "autoregressive_spline"


class ClassifierConfig(Component):
    """A classifier of `cathode.classifiers`."""

    role: ClassVar[str] = "classifier"
    kind: str = "boosted_trees"


class MassModelConfig(Component):
    """A mass model of `cathode.template.mass_models`."""

    role: ClassVar[str] = "mass_model"
    kind: str = "dijet_fit"


class ObservablesConfig(Component):
    """Observables of `cathode.observables`."""

    role: ClassVar[str] = "observables"
    kind: str = "as_read"


class MethodConfig(Component):
    """A method of `cathode.methods`; its parts stand in sections of their own."""

    role: ClassVar[str] = "method"
    kind: str = "cathode"

    def with_parts(self, parts: Mapping[str, Any]) -> Any:
        """The method with parts from sections of their own."""
        return self._checked().make(**parts)


#: Fields of a method that stand in sections of their own.
_ELSEWHERE = frozenset({"generator", "reweighting", "classifier", "oversampling"})


def kinds(role: str) -> tuple[str, ...]:
    """Names that `kind` may have for a part of this role."""
    return ROLES[role].kinds()


def component_class(role: str, kind: str) -> type:
    """The class behind a kind.

    Raises
    ------
    ConfigError
        If there is none; the message names the nearest.
    """
    _require_kind(role, kind)
    return ROLES[role].resolve(kind)


def _require_kind(role: str, kind: str) -> None:
    if kind not in kinds(role):
        raise ConfigError(f"kind: no {role.replace('_', ' ')} of kind {kind!r}. {nearest(kind, kinds(role))}")


class Hyperparameters(BaseModel):
    """Checked constructor arguments of `target`."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    _numbers = field_validator("*", mode="before")(classmethod(number_not_truth_value))

    target: ClassVar[type]

    def make(self, heir: type | None = None, /, **others: Any) -> Any:
        """Instance of `target`, or of a class that inherits its arguments; `others` are arguments that no file says."""
        values = {name: _made(getattr(self, name)) for name in type(self).model_fields}
        return (heir or self.target)(**values, **others)


def _made(value: Any) -> Any:
    if isinstance(value, Component):
        return value.build()
    return value.make() if isinstance(value, Hyperparameters) else value


def component_model(role: str, kind: str) -> type[Hyperparameters]:
    """What an analysis file may say of a part beside its kind.

    Raises
    ------
    ConfigError
        If there is no such kind; the message names the nearest.
    """
    _require_kind(role, kind)
    without = _ELSEWHERE if role == "method" else frozenset()
    declared: type = ROLES[role].settings(kind)
    return hyperparameter_model(declared, without=without)


@cache
def hyperparameter_model(cls: type, *, without: frozenset[str] = frozenset()) -> type[Hyperparameters]:
    """A pydantic model with the constructor fields of a dataclass: their types, their defaults, and no others.

    A field that is itself a dataclass becomes a section whose defaults are those of the field: naming one of its keys
    leaves the others as the class wants them.
    """
    return _model(cls, None, without)


def _model(cls: type, defaults: Any, without: frozenset[str] = frozenset()) -> type[Hyperparameters]:
    fields: dict[str, Any] = {}
    for spec in (f for f in _fields(cls) if f.name not in without):
        default = _default(spec) if defaults is None else getattr(defaults, spec.name)
        if (role := _role_of(default)) is not None:
            fields[spec.name] = _exchangeable(role, default)
        elif dataclasses.is_dataclass(default) and not isinstance(default, type):
            section = _model(type(default), default)
            fields[spec.name] = (section, Field(default_factory=section))
        else:
            fields[spec.name] = (field_type(cls, spec.name), default)
    made: type[Hyperparameters] = create_model(cls.__name__, __base__=Hyperparameters, **fields)
    made.target = cls
    return made


def _fields(cls: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(cls) if field.init]


def _role_of(default: Any) -> type[Component] | None:
    """What an analysis file says of a field whose default is an exchangeable part, or None if it is none."""
    role = role_of(default)
    return None if role is None else {each.role: each for each in (GeneratorConfig, ClassifierConfig)}[role]


def _exchangeable(component: type[Component], default: Any) -> tuple[Any, Any]:
    """Type and default of a field that holds a part: its kind and hyperparameters, or only some of the default's."""
    usual = {"kind": default.kind, **default.hyperparameters()}

    def filled(value: Any) -> Any:
        if isinstance(value, Component):
            return value
        said = {"kind": value} if isinstance(value, str) else value
        if not isinstance(said, Mapping):
            raise ValueError(f"must be a kind of {component.role}, or a mapping with a kind")
        try:
            return component.model_validate(said if "kind" in said else {**usual, **said}).filled()
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except ConfigError as error:
            raise ValueError(str(error)) from None

    return Annotated[component, BeforeValidator(filled)], Field(default_factory=lambda: component(**usual))


def _default(spec: dataclasses.Field[Any]) -> Any:
    if spec.default is not dataclasses.MISSING:
        return spec.default
    if spec.default_factory is not dataclasses.MISSING:
        return spec.default_factory()
    return ...
