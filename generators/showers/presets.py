"""Systems of showers at their published size and at one that a processor trains in minutes, as specifications."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from generators.errors import HyperparameterError

#: Angles and rings of the layers (rows and columns, for CaloGAN) that published systems were made for.
LAYERS: dict[str, list[list[int]]] = {
    "ds1-photons": [[1, 8], [10, 16], [10, 19], [1, 5], [1, 5]],
    "ds1-pions": [[1, 8], [10, 10], [10, 10], [1, 5], [10, 15], [10, 16], [1, 10]],
    "calogan": [[3, 96], [12, 12], [12, 6]],
}

#: Hidden units of teacher and student.
_WIDTHS = {"ds1-photons": (378, 736), "ds1-pions": (533, 500), "calogan": (378, 504)}

_SIZES = ("published", "small")


def photons() -> list[list[int]]:
    """Layers of photons in CaloChallenge 1, those of a generator of showers unless others are given."""
    return copy.deepcopy(LAYERS["ds1-photons"])


def caloflow(dataset: str, role: str, size: str, *, layers: Sequence[Sequence[int]] | None = None) -> dict[str, Any]:
    """The specification of CaloFlow (2106.05285, 2110.11377) as a chain "showers".

    `dataset` is "ds1-photons", "ds1-pions" or "calogan"; `role` is "teacher" or "student"; `size` is "published", or
    "small" for a training of minutes on one core. `layers` replaces those of the data set.

    Raises
    ------
    HyperparameterError
        If there is no such system.
    """
    if dataset not in LAYERS or role not in ("teacher", "student") or size not in _SIZES:
        raise HyperparameterError(
            f"There is no CaloFlow ({dataset!r}, {role!r}, {size!r}): a data set is one of {', '.join(LAYERS)}, a role "
            f"'teacher' or 'student', a size one of {', '.join(_SIZES)}."
        )
    published = size == "published"
    widths = _WIDTHS[dataset] if published else (64, 128)
    voxels = {"blocks": 8 if published else 4, "hidden": widths[0], "layers": 1, "dropout": 0.05 if published else 0.0}
    training: dict[str, Any] = {"epochs": 100, "batch_size": 200, "learning_rate": 2e-3}
    if not published:
        training = {"epochs": None, "steps": 1500, "batch_size": 200, "learning_rate": 4e-3}
    flow: dict[str, Any] = {"kind": "caloflow_teacher", **voxels, "training": training}
    if role == "student":
        distilling = {**training, "batch_size": 175, "learning_rate": 1e-3 if published else 4e-3}
        flow = {"kind": "caloflow_student", "teacher": flow, "hidden": widths[1], "layers": 1, "training": distilling}
        flow["dropout"] = voxels["dropout"]
    return {
        "kind": "showers",
        "layers": copy.deepcopy(LAYERS[dataset] if layers is None else [list(layer) for layer in layers]),
        "energies": _energies(published),
        "shapes": {"kind": "voxel_shapes", "generator": flow},
    }


def _energies(published: bool) -> dict[str, Any]:
    """The first flow of CaloFlow: six blocks of 2 × 64 units; its logits have no room for empty layers, atoms have."""
    if not published:
        return layer_energies()
    return {
        "kind": "caloflow_teacher",
        "blocks": 6,
        "hidden": 64,
        "layers": 2,
        "dropout": 0.0,
        "bijection": layer_bijection(),
        "training": {"epochs": 100, "batch_size": 200, "learning_rate": 1e-3},
    }


def layer_bijection() -> dict[str, Any]:
    """What makes ratios of energies of layers normal: 0 and 1, however rare, have a probability of their own."""
    return {"kind": "chain", "bijections": [{"kind": "atoms", "values": [0.0, 1.0]}, "quantile_normal"]}


def layer_energies() -> dict[str, Any]:
    """A density of the ratios of the energies of layers, with empty layers as values of their own probability."""
    return {
        "kind": "autoregressive_spline",
        "bijection": layer_bijection(),
        "blocks": 3,
        "training": {"steps": 1200, "batch_size": 1024, "learning_rate": 6e-3},
    }


def hierarchical_sticks(layers: Sequence[Sequence[int]], size: str, **changes: Any) -> dict[str, Any]:
    """The specification of "hierarchical_sticks" for these layers: "small", or "large" for a longer training.

    Raises
    ------
    HyperparameterError
        If there is no such size.
    """
    sizes: dict[str, dict[str, Any]] = {
        "small": {},
        "large": {"hidden": 1024, "local": 40, "components": 5, "training": {"steps": 30_000, "learning_rate": 2e-3}},
    }
    if size not in sizes:
        raise HyperparameterError(f"There is no size {size!r} of hierarchical_sticks: {', '.join(sizes)}.")
    made = {"kind": "hierarchical_sticks", "layers": [list(layer) for layer in layers], **sizes[size]}
    return {**made, **changes}
