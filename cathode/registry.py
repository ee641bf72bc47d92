"""The one table of exchangeable parts: role -> kind -> class, for YAML, Python and stored runs alike.

Parts that come with the package are imported when they are asked for. A part of one's own enters with
``@CLASSIFIERS.register`` and so on when its module is imported; on the command line, ``--plugin MODULE`` does that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from cathode.errors import ConfigError
from generators import registry as generators
from generators.registry import Registry

CLASSIFIERS = Registry(
    "classifier",
    {
        "boosted_trees": "cathode.classifiers.boosted_trees:BoostedTrees",
        "mlp": "cathode.classifiers.mlp:Mlp",
        "transformer": "cathode.classifiers.transformer:Transformer",
        "scikit_learn": "cathode.classifiers.scikit_learn:ScikitLearn",
        "deep_sets": "cathode.classifiers.deep_sets:DeepSets",
        "energy_flow": "cathode.classifiers.deep_sets:EnergyFlow",
        "shower_resnet": "cathode.classifiers.shower_resnet:ShowerResNet",
    },
    unknown=ConfigError,
    wrong=ConfigError,
)
OBSERVABLES = Registry(
    "observables",
    {
        "as_read": "cathode.observables:AsRead",
        "dijet_substructure": "cathode.observables:DijetSubstructure",
        "dijet_subjettiness": "cathode.observables:DijetSubjettiness",
        "noise": "cathode.observables:Noise",
        "shower_cells": "cathode.observables:ShowerCells",
        "shower_shapes": "cathode.observables:ShowerShapes",
    },
    unknown=ConfigError,
    wrong=ConfigError,
)
MASS_MODELS = Registry(
    "mass model",
    {
        "dijet_fit": "cathode.template.mass_models:DijetFitMass",
        "kde": "cathode.template.mass_models:KdeMass",
    },
    unknown=ConfigError,
    wrong=ConfigError,
)
METHODS = Registry(
    "method",
    {
        "cathode": "cathode.methods.cathode:Cathode",
        "cwola": "cathode.methods.cwola:Cwola",
        "anode": "cathode.methods.anode:Anode",
        "idealised": "cathode.methods.idealised:Idealised",
        "supervised": "cathode.methods.supervised:Supervised",
        "salad": "cathode.methods.salad:Salad",
        "sa_cwola": "cathode.methods.sa_cwola:SaCwola",
        "lacathode": "cathode.methods.lacathode:LaCathode",
        "curtains": "cathode.methods.curtains:Curtains",
        "feta": "cathode.methods.feta:Feta",
        "rad_ot": "cathode.methods.rad_ot:RadOt",
        "transit": "cathode.methods.transit:Transit",
        "sigma": "cathode.methods.sigma:Sigma",
        "drapes": "cathode.methods.drapes:Drapes",
        "r_anode": "cathode.methods.r_anode:RAnode",
        "paws": "cathode.methods.paws:Paws",
        "interplay": "cathode.methods.interplay:Interplay",
    },
    unknown=ConfigError,
    wrong=ConfigError,
)

#: Role of a part, as analysis files know it -> its table.
ROLES: dict[str, Registry] = {
    "generator": generators.GENERATORS,
    "classifier": CLASSIFIERS,
    "observables": OBSERVABLES,
    "mass_model": MASS_MODELS,
    "method": METHODS,
}


def role_of(default: Any) -> str | None:
    """The role of a part that a hyperparameter has by default, if it is one of those that hyperparameters hold."""
    kind = getattr(type(default), "kind", None)
    for role in ("generator", "classifier"):
        if kind in ROLES[role] and ROLES[role].resolve(kind) is type(default):
            return role
    return None


def made_part(role: str, given: Any, *, name: str) -> Any:
    """A part of a role: itself, or made of its kind or of ``{"kind": …, **hyperparameters}``.

    An estimator of scikit-learn becomes the classifier `scikit_learn`. `name` is what it was given as.

    Raises
    ------
    ConfigError, UnknownKindError, HyperparameterError
        If it is none; names the nearest known kind or hyperparameter, or what is missing.
    """
    if isinstance(given, str | Mapping):
        return ROLES[role].create(given)
    if role == "classifier" and hasattr(given, "predict_proba") and not hasattr(given, "hyperparameters"):
        return ROLES[role].create({"kind": "scikit_learn", "estimator": given})
    missing = [method for method in _METHODS_OF[role] if not callable(getattr(given, method, None))]
    if missing or isinstance(given, type):
        words = role.replace("_", " ")
        raise ConfigError(
            f"{name} = {given!r} is no {words}: it has no method {' and no '.join(missing or ['of an object'])}. Give "
            f"an object that has, or a kind, one of {', '.join(ROLES[role].kinds())}."
        )
    return given


def parts_of(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters of a class, with parts in the place of what they are made of, as by `made_part`.

    Only a hyperparameter that is a generator or a classifier by default is looked at. Without a kind, it is that of the
    default with other hyperparameters.
    """
    out = dict(values)
    for field in dataclasses.fields(cls):
        if field.name not in out or field.default_factory is dataclasses.MISSING:
            continue
        default, given = field.default_factory(), out[field.name]
        if (role := role_of(default)) is not None:
            if isinstance(given, Mapping) and "kind" not in given:
                given = {"kind": default.kind, **default.hyperparameters(), **given}
            out[field.name] = made_part(role, given, name=field.name)
    return out


def method_of(specification: Mapping[str, Any]) -> Any:
    """A method of its kind, with its parts."""
    kind = specification.get("kind")
    return METHODS.create({**parts_of(METHODS.resolve(kind), specification), "kind": kind})


#: What a part has to have, beyond which its own file says more.
_METHODS_OF = {
    "generator": ("fit", "sample"),
    "classifier": ("fit", "score", "save"),
    "mass_model": ("fit", "sample", "expected"),
    "observables": ("names", "compute"),
}

#: What learns the sidebands unless something else is named.
_USUAL = "autoregressive_spline"


def default_generator() -> Any:
    """What learns the sidebands unless something else is named."""
    return generators.create({"kind": _USUAL})


def default_generator_settings() -> Any:
    """The hyperparameters of the same, without what learns."""
    return generators.GENERATORS.settings(_USUAL)()
