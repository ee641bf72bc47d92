"""Weak classifiers: they learn to tell data from template, and nothing else.

>>> from cathode.classifiers import create
>>> create({"kind": "boosted_trees", "members": 10}).members
10
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cathode.classifiers.backbones import SubstructureRegression as SubstructureRegression
    from cathode.classifiers.boosted_trees import BoostedTrees as BoostedTrees
    from cathode.classifiers.deep_sets import DeepSets as DeepSets
    from cathode.classifiers.deep_sets import EnergyFlow as EnergyFlow
    from cathode.classifiers.mlp import Mlp as Mlp
    from cathode.classifiers.pretraining import pretrain as pretrain
    from cathode.classifiers.protocol import Pretrainable as Pretrainable
    from cathode.classifiers.protocol import WeakClassifier as WeakClassifier
    from cathode.classifiers.protocol import classifier_class as classifier_class
    from cathode.classifiers.protocol import create as create
    from cathode.classifiers.protocol import kinds as kinds
    from cathode.classifiers.protocol import load_classifier as load_classifier
    from cathode.classifiers.protocol import register as register
    from cathode.classifiers.shower_resnet import ShowerResNet as ShowerResNet
    from cathode.classifiers.transformer import Transformer as Transformer

_WHERE = {
    "BoostedTrees": "boosted_trees",
    "DeepSets": "deep_sets",
    "EnergyFlow": "deep_sets",
    "Mlp": "mlp",
    "Pretrainable": "protocol",
    "ShowerResNet": "shower_resnet",
    "SubstructureRegression": "backbones",
    "Transformer": "transformer",
    "WeakClassifier": "protocol",
    "classifier_class": "protocol",
    "create": "protocol",
    "kinds": "protocol",
    "load_classifier": "protocol",
    "pretrain": "pretraining",
    "register": "protocol",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that naming a classifier loads neither scikit-learn nor torch."""
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
