"""The systems that `jets.py` measures, by the names of its table."""

from __future__ import annotations

from typing import Any

from generators.jets.adversarial_cloud import AdversarialCloud
from generators.registry import generator_class

#: Name in the table -> specification.
SYSTEMS: dict[str, dict[str, Any]] = {
    "mpgan": {"kind": "mpgan"},
    "mp_lfc": {"kind": "mpgan", "latent": 128},
    "epic_gan": {"kind": "epic_gan"},
    "mdma": {"kind": "mdma"},
    "igapt": {"kind": "igapt"},
    "deep_tree_gan": {"kind": "deep_tree_gan"},
    "deep_tree_gan2": {"kind": "deep_tree_gan2"},
    "tnf": {"kind": "tnf"},
    "tf": {"kind": "tnf", "blocks": 0},
    "epic_fm": {"kind": "epic_fm", "training": {"batch_size": 128, "ema_decay": 0.99}},
    "mdma_fm": {"kind": "mdma_fm", "training": {"batch_size": 128, "ema_decay": 0.99}},
    "autoregressive_cloud": {"kind": "autoregressive_cloud", "training": {"ema_decay": 0.99}},
    "jet_flow": {"kind": "jet_flow"},
    "fpcd": {"kind": "fpcd", "sampler": "midpoint", "sampling_steps": 16},
    "pc_jedi": {"kind": "pc_jedi", "schedule": "edm", "training": {"batch_size": 128, "ema_decay": 0.99}},
}
#: Those that can be distilled.
TEACHERS = ("epic_fm", "mdma_fm", "fpcd", "pc_jedi")
#: Published sizes whose speed is compared, the one to beat first.
PUBLISHED: dict[str, dict[str, Any]] = {
    "epic_fm": {"kind": "epic_fm"},
    "epic_gan": {"kind": "epic_gan", "preset": "published"},
    "mdma": {"kind": "mdma", "preset": "published"},
    "tnf": {"kind": "tnf", "preset": "published"},
    "jet_flow": {"kind": "jet_flow", "preset": "published"},
    "fpcd, 16 steps": {"kind": "fpcd", "preset": "published", "sampling_steps": 16},
    "fpcd, 1 step": {"kind": "fpcd", "preset": "published", "sampling_steps": 1},
    "mpgan": {"kind": "mpgan", "preset": "published"},
}


def with_preset(name: str, preset: str) -> dict[str, Any]:
    """The specification of a system of the table in the size of a preset, if it has any."""
    what = SYSTEMS[name]
    return {**what, "preset": preset} if getattr(generator_class(what["kind"]), "presets", None) else what


def is_adversarial(name: str) -> bool:
    """Whether a system of the table learns from a critic."""
    return issubclass(generator_class(SYSTEMS[name]["kind"]), AdversarialCloud)
