"""The exchangeable parts of an analysis: a kind and the hyperparameters of the class behind it.

A part's hyperparameters are the fields of its dataclass. They are declared there and nowhere else: this module derives
from them what an analysis file may say.
"""

from __future__ import annotations

import dataclasses
from importlib import import_module
from typing import Any, ClassVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from analysis.errors import nearest
from cathode.errors import ConfigError

MASS_MODELS = {
    "dijet_fit": "cathode.template.mass_models:DijetFitMass",
    "kde": "cathode.template.mass_models:KdeMass",
}


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

    def build(self) -> Any:
        """The object itself, unfitted.

        Raises
        ------
        pydantic.ValidationError
            If a hyperparameter is unknown or of the wrong type; `load_config` says it in words.
        """
        cls = component_class(self.role, self.kind)
        return hyperparameter_model(cls).model_validate(self.hyperparameters).make()


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


def kinds(role: str) -> tuple[str, ...]:
    """Names that `kind` may have for a generator, a classifier, observables or a mass model."""
    if role == "generator":
        from generators.registry import kinds as generator_kinds

        return generator_kinds()
    if role == "classifier":
        from cathode.classifiers import kinds as classifier_kinds

        return classifier_kinds()
    if role == "observables":
        from cathode.observables import kinds as observables_kinds

        return observables_kinds()
    return tuple(MASS_MODELS)


def component_class(role: str, kind: str) -> type:
    """The class behind a kind.

    Raises
    ------
    ConfigError
        If there is none; the message names the nearest.
    """
    if kind not in kinds(role):
        raise ConfigError(f"kind: no {role.replace('_', ' ')} of kind {kind!r}. {nearest(kind, kinds(role))}")
    if role == "generator":
        from generators.registry import generator_class

        cls: type = generator_class(kind)
        return cls
    if role == "classifier":
        from cathode.classifiers import classifier_class

        chosen: type = classifier_class(kind)
        return chosen
    if role == "observables":
        from cathode.observables import observables_class

        seen: type = observables_class(kind)
        return seen
    module, name = MASS_MODELS[kind].split(":")
    found: type = getattr(import_module(module), name)
    return found


class Hyperparameters(BaseModel):
    """Checked constructor arguments of `target`."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
    target: ClassVar[type]

    def make(self) -> Any:
        """Instance of `target`."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return self.target(**{n: v.make() if isinstance(v, Hyperparameters) else v for n, v in values.items()})


def hyperparameter_model(cls: type) -> type[Hyperparameters]:
    """A pydantic model with the constructor fields of a dataclass: their types, their defaults, and no others.

    A field that is itself a dataclass becomes a section whose defaults are those of the field: naming one of its keys
    leaves the others as the class wants them.
    """
    return _model(cls, None)


def _model(cls: type, defaults: Any) -> type[Hyperparameters]:
    hints = get_type_hints(cls)
    fields: dict[str, Any] = {}
    for spec in (f for f in dataclasses.fields(cls) if f.init):
        default = _default(spec) if defaults is None else getattr(defaults, spec.name)
        if dataclasses.is_dataclass(default) and not isinstance(default, type):
            section = _model(type(default), default)
            fields[spec.name] = (section, Field(default_factory=section))
        else:
            fields[spec.name] = (hints[spec.name], default)
    made: type[Hyperparameters] = create_model(cls.__name__, __base__=Hyperparameters, **fields)
    made.target = cls
    return made


def _default(spec: dataclasses.Field[Any]) -> Any:
    if spec.default is not dataclasses.MISSING:
        return spec.default
    if spec.default_factory is not dataclasses.MISSING:
        return spec.default_factory()
    return ...
