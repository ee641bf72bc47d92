"""From the name of a kind to its class: the one table that YAML, model cards and tests share.

Built-in kinds are imported when they are asked for. A kind of one's own enters with `@register` when its module is
imported.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from generators.errors import HyperparameterError, UnknownKindError

_GENERATORS: dict[str, str | type] = {
    "maf": "generators.tabular.maf:MaskedAutoregressiveFlow",
    "autoregressive_spline": "generators.tabular.spline_flow:AutoregressiveSplineFlow",
    "coupling_spline": "generators.tabular.spline_flow:CouplingSplineFlow",
    "iaf": "generators.tabular.affine_flow:InverseAutoregressiveFlow",
    "affine_coupling": "generators.tabular.affine_flow:AffineCouplingFlow",
    "ensemble": "generators.tabular.ensemble:Ensemble",
    "flow_matching": "generators.tabular.flow_matching:FlowMatching",
    "diffusion": "generators.tabular.diffusion:Diffusion",
    "planar": "generators.tabular.planar:PlanarFlow",
    "radial": "generators.tabular.radial:RadialFlow",
    "linear_flow": "generators.tabular.linear_flow:LinearFlow",
    "gaussian_mixture": "generators.tabular.gaussian_mixture:GaussianMixture",
    "elementwise": "generators.tabular.elementwise:ElementwiseFlow",
    "residual": "generators.tabular.residual:ResidualFlow",
    "consistency": "generators.tabular.consistency:Consistency",
    "zuko": "generators.tabular.zuko:ZukoFlow",
    "event_mixing": "generators.tabular.event_mixing:EventMixing",
    "event_transport": "generators.tabular.event_transport:EventTransport",
    "gan": "generators.tabular.gan:GenerativeAdversarialNetwork",
    "vae": "generators.tabular.vae:VariationalAutoencoder",
    "epic_fm": "generators.jets.epic_fm:EpicFM",
    "mdma_fm": "generators.jets.mdma_fm:MdmaFM",
    "epic_jedi": "generators.jets.epic_jedi:EpicJeDi",
    "pc_jedi": "generators.jets.pc_jedi:PCJeDi",
    "autoregressive_cloud": "generators.jets.autoregressive:AutoregressiveCloud",
    "cloud_consistency": "generators.jets.consistency:CloudConsistency",
    "full_phase_space": "generators.jets.full_phase_space:FullPhaseSpace",
}

_BIJECTIONS: dict[str, str | type] = {
    "standardise": "generators.bijections.standardise:Standardise",
    "logit": "generators.bijections.logit:Logit",
    "quantile_normal": "generators.bijections.quantile:QuantileNormal",
    "affine": "generators.bijections.affine:Affine",
    "periodic": "generators.bijections.periodic:Periodic",
    "dequantise": "generators.bijections.dequantise:UniformDequantise",
    "variational_dequantise": "generators.bijections.variational:VariationalDequantise",
    "atoms": "generators.bijections.atoms:Atoms",
    "whiten": "generators.bijections.whiten:Whiten",
    "columns": "generators.bijections.columns:Columns",
    "chain": "generators.bijections.chain:Chain",
}

_C = TypeVar("_C", bound=type)


def register(cls: _C) -> _C:
    """Class decorator: make `cls` known under its `kind`, as a generator if it can `sample`, else as a bijection."""
    kind = cls.__dict__.get("kind")
    if not isinstance(kind, str):
        raise TypeError(f"{cls.__qualname__} needs a class attribute `kind: ClassVar[str]` of its own.")
    if hasattr(cls, "sample"):
        table = _GENERATORS
    elif hasattr(cls, "inverse"):
        table = _BIJECTIONS
    else:
        raise TypeError(f"{cls.__qualname__} has neither `sample` nor `inverse`: no generator and no bijection.")
    known = {**_GENERATORS, **_BIJECTIONS}.get(kind)
    if known is not None and _place(known) != _place(cls):
        raise ValueError(f"The kind '{kind}' is taken by {_place(known)}; give {_place(cls)} another name.")
    table[kind] = cls
    return cls


def generator_class(kind: str) -> type[Any]:
    """The class of a generator kind.

    Raises
    ------
    UnknownKindError
        Names the nearest kinds.
    """
    return _resolve(kind, _GENERATORS, "generator")


def bijection_class(kind: str) -> type[Any]:
    """The class of a bijection kind.

    Raises
    ------
    UnknownKindError
        Names the nearest kinds.
    """
    return _resolve(kind, _BIJECTIONS, "bijection")


def kinds() -> tuple[str, ...]:
    """Every generator kind that is known now."""
    return tuple(_GENERATORS)


def bijection_kinds() -> tuple[str, ...]:
    """Every bijection kind that is known now."""
    return tuple(_BIJECTIONS)


def create(specification: Mapping[str, Any]) -> Any:
    """An unfitted generator or bijection from ``{"kind": …, **hyperparameters}``.

    A mapping given for a hyperparameter that is itself a dataclass, such as `training`, becomes that dataclass; what it
    does not mention stays as the class of the kind has it.

    Raises
    ------
    UnknownKindError, HyperparameterError
        Name the nearest known kind or hyperparameter.
    """
    hyperparameters = dict(specification)
    kind = hyperparameters.pop("kind", None)
    if kind is None:
        raise UnknownKindError(f"A specification needs a 'kind'; it has {sorted(hyperparameters)}.")
    cls = _resolve(kind, {**_GENERATORS, **_BIJECTIONS}, "generator or bijection")
    return _construct(cls, hyperparameters, str(kind))


def _construct(cls: type[Any], values: Mapping[str, Any], place: str) -> Any:
    """Instance of a dataclass from plain values, nested dataclasses included."""
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    arguments: dict[str, Any] = {}
    types = typing.get_type_hints(cls)
    for name, value in values.items():
        if name not in fields:
            raise HyperparameterError(f"{place} has no hyperparameter '{name}'. {_nearest(str(name), fields)}")
        nested = types[name]
        if isinstance(value, Mapping) and dataclasses.is_dataclass(nested) and isinstance(nested, type):
            value = _construct(nested, {**_defaults(fields[name]), **value}, f"{place}.{name}")
        arguments[name] = value
    absent = [
        name
        for name, field in fields.items()
        if name not in arguments
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if absent:
        raise HyperparameterError(f"{place} needs the hyperparameter '{absent[0]}'.")
    return cls(**arguments)


def _defaults(field: dataclasses.Field[Any]) -> dict[str, Any]:
    """Plain values of the dataclass that a field has by default, none if it has no default."""
    if field.default_factory is not dataclasses.MISSING:
        return dataclasses.asdict(field.default_factory())
    return {} if field.default is dataclasses.MISSING else dataclasses.asdict(field.default)


def _resolve(kind: object, table: dict[str, str | type], what: str) -> type[Any]:
    found = table.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise UnknownKindError(f"No {what} of kind {kind!r}. {_nearest(str(kind), table)}")
    if isinstance(found, type):
        return found
    module, _, name = found.partition(":")
    resolved: type[Any] = getattr(importlib.import_module(module), name)
    return resolved


def _place(entry: str | type) -> str:
    return entry if isinstance(entry, str) else f"{entry.__module__}:{entry.__qualname__}"


def _nearest(name: str, known: Iterable[str]) -> str:
    """Sentence that names the known names closest to `name`."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"Nearest: {', '.join(close)}." if close else f"Known: {', '.join(names)}."
