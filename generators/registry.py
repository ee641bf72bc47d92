"""From the name of a kind to its class: the one table that YAML, model cards and tests share.

Built-in kinds are imported when they are asked for. A kind of one's own enters with `@register` when its module is
imported.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from generators.errors import HyperparameterError, UnknownKindError

_C = TypeVar("_C", bound=type)


class Registry:
    """Kinds of one sort of part, and the classes behind them.

    `what` names the sort in errors; `known` maps a kind to a class or to "module:Class", which is imported when it is
    asked for; `unknown` and `wrong` are the errors that an unknown kind and an unknown hyperparameter raise. `settings`
    maps a kind to "module:Class" of a dataclass with the same hyperparameters and checks, from which its class
    inherits, where to import that is much cheaper.
    """

    def __init__(
        self,
        what: str,
        known: Mapping[str, str | type],
        *,
        unknown: type[Exception] = UnknownKindError,
        wrong: type[Exception] = HyperparameterError,
        settings: Mapping[str, str] = types.MappingProxyType({}),
    ) -> None:
        self._what = what
        self._known: dict[str, str | type] = dict(known)
        self._unknown, self._wrong = unknown, wrong
        self._settings = dict(settings)

    def __contains__(self, kind: object) -> bool:
        return kind in self._known

    def kinds(self) -> tuple[str, ...]:
        """Every kind that is known now."""
        return tuple(self._known)

    def register(self, cls: _C) -> _C:
        """Class decorator: make a part of one's own known under its `kind`."""
        kind = cls.__dict__.get("kind")
        if not isinstance(kind, str):
            raise TypeError(f"{cls.__qualname__} needs a class attribute `kind: ClassVar[str]` of its own.")
        taken = self._known.get(kind)
        if taken is not None and _place(taken) != _place(cls):
            raise ValueError(f"The kind '{kind}' is taken by {_place(taken)}; give {_place(cls)} another name.")
        self._known[kind] = cls
        return cls

    def resolve(self, kind: object) -> type[Any]:
        """The class of a kind; an error names the nearest kinds."""
        found = self._known.get(kind) if isinstance(kind, str) else None
        if found is None:
            raise self._unknown(f"No {self._what} of kind {kind!r}. {nearest_names(str(kind), self._known)}")
        if isinstance(found, type):
            return found
        return _imported(found)

    def settings(self, kind: object) -> type[Any]:
        """The class that declares the hyperparameters of a kind: its own, or one that is imported faster."""
        return _imported(self._settings[kind]) if kind in self._settings else self.resolve(kind)

    def create(self, specification: str | Mapping[str, Any], /, **hyperparameters: Any) -> Any:
        """An unfitted part from its kind, or from ``{"kind": …, **hyperparameters}``; those beside it have precedence.

        A mapping given for a hyperparameter that is itself a dataclass, such as `training`, becomes that dataclass;
        what it does not mention stays as the class of the kind has it. A ``preset`` is the name of one of the sets of
        hyperparameters that a class has in `presets`; what is given beside it has precedence.
        """
        named = {"kind": specification} if isinstance(specification, str) else specification
        values = {**named, **hyperparameters}
        kind = values.pop("kind", None)
        if kind is None:
            raise self._unknown(
                f"A specification needs a 'kind', one of {', '.join(self._known)}; it has {sorted(values)}."
            )
        cls = self.resolve(kind)
        known = getattr(cls, "presets", None)
        if known is not None and "preset" in values:
            values = _with_preset(known, values, str(kind), self._wrong)
        return _construct(cls, values, str(kind), self._wrong)


GENERATORS = Registry(
    "generator",
    {
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
        "progressive": "generators.tabular.progressive:Progressive",
        "zuko": "generators.tabular.zuko:ZukoFlow",
        "event_mixing": "generators.tabular.event_mixing:EventMixing",
        "event_transport": "generators.tabular.event_transport:EventTransport",
        "gan": "generators.tabular.gan:GenerativeAdversarialNetwork",
        "vae": "generators.tabular.vae:VariationalAutoencoder",
        "epic_fm": "generators.jets.epic_fm:EpicFM",
        "igapt": "generators.jets.igapt:IGAPT",
        "beyond_kinematics": "generators.jets.beyond_kinematics:BeyondKinematics",
        "mpgan": "generators.jets.mpgan:MPGAN",
        "epic_gan": "generators.jets.epic_gan:EpicGAN",
        "mdma": "generators.jets.mdma:MDMA",
        "deep_tree_gan": "generators.jets.deep_tree_gan:DeepTreeGAN",
        "deep_tree_gan2": "generators.jets.deep_tree_gan2:DeepTreeGAN2",
        "tnf": "generators.jets.tnf:TransformerFlow",
        "jet_flow": "generators.jets.jet_flow:JetFlow",
        "fpcd": "generators.jets.fpcd:FPCD",
        "attributed_jets": "generators.jets.attributed:AttributedJets",
        "fpcd_attributes": "generators.jets.fpcd_attributes:FPCDJets",
        "cloud_progressive": "generators.jets.progressive:CloudProgressive",
        "mdma_fm": "generators.jets.mdma_fm:MdmaFM",
        "epic_jedi": "generators.jets.epic_jedi:EpicJeDi",
        "pc_jedi": "generators.jets.pc_jedi:PCJeDi",
        "autoregressive_cloud": "generators.jets.autoregressive:AutoregressiveCloud",
        "cloud_consistency": "generators.jets.consistency:CloudConsistency",
        "factorised": "generators.factorised.columns:Factorised",
        "deep_ensemble": "generators.mixtures.deep_ensemble:DeepEnsemble",
        "hierarchical_sticks": "generators.showers.hierarchical_sticks:HierarchicalSticks",
        "caloflow_teacher": "generators.showers.caloflow:CaloFlowTeacher",
        "caloflow_student": "generators.showers.caloflow:CaloFlowStudent",
        "calo_clouds_1": "generators.showers.calo_clouds_1:CaloClouds1",
        "point_count_fm": "generators.showers.point_count_fm:PointCountFM",
        "calo_clouds_2": "generators.showers.calo_clouds_2:CaloClouds2",
        "all_showers": "generators.showers.all_showers:AllShowers",
        "calo_point_flow": "generators.showers.calo_point_flow:CaloPointFlow",
        "point_shapes": "generators.showers.point_shapes:PointShapes",
        "voxel_shapes": "generators.showers.voxel_shapes:VoxelShapes",
        "calo_gan": "generators.showers.calo_gan:CaloGAN",
        "bib_ae": "generators.showers.bib_ae:BibAutoencoder",
        "showers": "generators.showers.chain:ShowerChain",
        "inductive_caloflow": "generators.showers.inductive_caloflow:InductiveCaloFlow",
        "l2lflows": "generators.showers.l2lflows:L2LFlows",
        "image_flow": "generators.showers.conv_l2lflows:ImageFlow",
        "conv_l2lflows": "generators.showers.conv_l2lflows:ConvL2LFlows",
        "caloinn": "generators.showers.caloinn:CaloINN",
        "calodream_energies": "generators.showers.calodream_energies:CaloDreamEnergies",
        "patch_flow": "generators.showers.calodream:PatchFlow",
        "calodream": "generators.showers.calodream:CaloDream",
        "cylindrical_diffusion": "generators.showers.calo_diffusion:CylindricalDiffusion",
        "calo_diffusion": "generators.showers.calo_diffusion:CaloDiffusion",
        "calo_score": "generators.showers.calo_score:CaloScore",
        "full_phase_space": "generators.jets.full_phase_space:FullPhaseSpace",
        "iea_gan": "generators.pixels.iea_gan:IEAGAN",
        "pe_gan": "generators.pixels.pe_gan:PEGAN",
    },
    settings={
        "autoregressive_spline": "generators.tabular.spline_settings:AutoregressiveSplineSettings",
        "coupling_spline": "generators.tabular.spline_settings:CouplingSplineSettings",
    },
)
BIJECTIONS = Registry(
    "bijection",
    {
        "standardise": "generators.bijections.standardise:Standardise",
        "logit": "generators.bijections.logit:Logit",
        "quantile_normal": "generators.bijections.quantile:QuantileNormal",
        "affine": "generators.bijections.affine:Affine",
        "periodic": "generators.bijections.periodic:Periodic",
        "dequantise": "generators.bijections.dequantise:UniformDequantise",
        "joint_levels": "generators.bijections.joint_levels:JointLevels",
        "gated": "generators.bijections.gated:Gated",
        "variational_dequantise": "generators.bijections.variational:VariationalDequantise",
        "atoms": "generators.bijections.atoms:Atoms",
        "whiten": "generators.bijections.whiten:Whiten",
        "stick_breaking": "generators.bijections.stick_breaking:StickBreaking",
        "layer_ratios": "generators.bijections.layer_ratios:LayerRatios",
        "unit_logit": "generators.bijections.unit_logit:UnitLogit",
        "logarithm": "generators.bijections.logarithm:Logarithm",
        "readout": "generators.bijections.readout:Readout",
        "threshold": "generators.bijections.threshold:Threshold",
        "columns": "generators.bijections.columns:Columns",
        "chain": "generators.bijections.chain:Chain",
    },
)


def register(cls: _C) -> _C:
    """Class decorator: make `cls` known under its `kind`, as a generator if it can `sample`, else as a bijection."""
    if hasattr(cls, "sample"):
        table, other = GENERATORS, BIJECTIONS
    elif hasattr(cls, "inverse"):
        table, other = BIJECTIONS, GENERATORS
    else:
        raise TypeError(f"{cls.__qualname__} has neither `sample` nor `inverse`: no generator and no bijection.")
    kind = cls.__dict__.get("kind")
    if kind in other:
        raise ValueError(
            f"The kind '{kind}' is taken by {_place(other.resolve(kind))}; give {_place(cls)} another name."
        )
    return table.register(cls)


def generator_class(kind: str) -> type[Any]:
    """The class of a generator kind.

    Raises
    ------
    UnknownKindError
        Names the nearest kinds.
    """
    return GENERATORS.resolve(kind)


def bijection_class(kind: str) -> type[Any]:
    """The class of a bijection kind.

    Raises
    ------
    UnknownKindError
        Names the nearest kinds.
    """
    return BIJECTIONS.resolve(kind)


def kinds() -> tuple[str, ...]:
    """Every generator kind that is known now."""
    return GENERATORS.kinds()


def bijection_kinds() -> tuple[str, ...]:
    """Every bijection kind that is known now."""
    return BIJECTIONS.kinds()


def create(specification: str | Mapping[str, Any], /, **hyperparameters: Any) -> Any:
    """An unfitted generator or bijection from its kind, or from ``{"kind": …, **hyperparameters}``.

    >>> create("maf").kind, create("gaussian_mixture", components=4).components
    ('maf', 4)

    Raises
    ------
    UnknownKindError, HyperparameterError
        Name the nearest known kind or hyperparameter.
    """
    kind = specification if isinstance(specification, str) else specification.get("kind")
    return (BIJECTIONS if kind in BIJECTIONS else GENERATORS).create(specification, **hyperparameters)


def _imported(place: str) -> type[Any]:
    module, _, name = place.partition(":")
    resolved: type[Any] = getattr(importlib.import_module(module), name)
    return resolved


def _construct(cls: type[Any], values: Mapping[str, Any], place: str, wrong: type[Exception]) -> Any:
    """Instance of a dataclass from plain values, nested dataclasses included."""
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            raise wrong(f"{place} has no hyperparameter '{name}'. {nearest_names(str(name), fields)}")
        nested = field_type(cls, name) if isinstance(value, Mapping) else None
        if dataclasses.is_dataclass(nested) and isinstance(nested, type):
            value = _construct(nested, {**_defaults(fields[name]), **value}, f"{place}.{name}", wrong)
        arguments[name] = value
    absent = [
        name
        for name, field in fields.items()
        if name not in arguments
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if absent:
        raise wrong(f"{place} needs the hyperparameter '{absent[0]}'.")
    return cls(**arguments)


def _with_preset(
    known: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any], place: str, wrong: type[Exception]
) -> dict[str, Any]:
    """Hyperparameters with those of the preset that they name, where they do not say otherwise."""
    given = dict(values)
    name = given.pop("preset")
    if name not in known:
        raise wrong(f"{place} has no preset {name!r}. Known: {', '.join(known)}.")
    out = {key: dict(value) if isinstance(value, Mapping) else value for key, value in known[name].items()}
    for key, value in given.items():
        below = out.get(key)
        out[key] = {**below, **value} if isinstance(below, dict) and isinstance(value, Mapping) else value
    return out


def field_type(cls: type[Any], name: str) -> Any:
    """The type of one field of a dataclass; those of other fields may be known to type checkers alone."""
    owner = next(base for base in cls.__mro__ if name in inspect.get_annotations(base))
    alone = types.SimpleNamespace(__annotations__={name: inspect.get_annotations(owner)[name]})
    return typing.get_type_hints(alone, vars(sys.modules[owner.__module__]))[name]


def _defaults(field: dataclasses.Field[Any]) -> dict[str, Any]:
    """Plain values of the dataclass that a field has by default, none if it has no default."""
    if field.default_factory is not dataclasses.MISSING:
        return dataclasses.asdict(field.default_factory())
    return {} if field.default is dataclasses.MISSING else dataclasses.asdict(field.default)


def _place(entry: str | type) -> str:
    return entry if isinstance(entry, str) else f"{entry.__module__}:{entry.__qualname__}"


def nearest_names(name: str, known: Iterable[str]) -> str:
    """Sentence that names the known names closest to `name`."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"Nearest: {', '.join(close)}." if close else f"Known: {', '.join(names)}."
