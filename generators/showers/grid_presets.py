"""Flows and flow matching on the voxels of showers at their published size and at a small one, as specifications.

Not all that is called published has the number of parameters that the CaloChallenge (2410.21611) lists: "l2lflows" has
1,807,372,362 for its third data set where 556,526,578 are listed, "conv_l2lflows" 191,831,530 for the second instead of
158,017,226, and "caloinn" 303,438,756 for the second and 18,884,148 for photons of the first instead of 270,999,370 and
18,821,350. What is said of them elsewhere does not tell where they differ.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from generators.errors import HyperparameterError
from generators.showers.presets import LAYERS, layer_bijection, layer_energies

Layers = Sequence[Sequence[int]]

#: Layers of calorimeters that published systems were made for, with CaloChallenge 2 and 3 and the core of ILD.
GRIDS: dict[str, list[list[int]]] = {
    **LAYERS,
    "ds2": [[16, 9]] * 45,
    "ds3": [[50, 18]] * 45,
    "ild-core": [[10, 10]] * 30,
}

#: GeV; what a voxel must have, where it is not a thousandth.
THRESHOLDS = {"ds2": 0.5e-6 / 0.033, "ds3": 0.5e-6 / 0.033, "ild-core": 1e-4}

#: Layers, angles and rings of a patch, the width of the transformer and the ratio of its hidden layers to that.
_PATCHES: dict[str, tuple[list[int], int, int]] = {
    "ds2": ([3, 16, 1], 480, 4),
    "ds3": ([3, 5, 2], 240, 3),
}

#: Of inductive CaloFlow: epochs and rates of the energies, and of the first layer and those that follow by role.
_RECIPES: dict[str, tuple[tuple[int, float], dict[str, list[tuple[int, float]]]]] = {
    "ds2": ((500, 1e-4), {"teacher": [(200, 1e-3), (60, 1e-3)], "student": [(400, 1e-3), (100, 5e-4)]}),
    "ds3": ((750, 1e-4), {"teacher": [(750, 1e-4), (60, 1e-4)], "student": [(400, 1e-4), (30, 1e-4)]}),
}


def inductive_caloflow(dataset: str, role: str, size: str, *, layers: Layers | None = None) -> dict[str, Any]:
    """Inductive CaloFlow (2305.11934), `role` "teacher" or "student", with its flow of the energies of layers.

    Published counts are those of sums: in CaloChallenge 2 of 24,519,512 parameters of the student, and in 3 of
    95,088,152 of the teacher, which has one hidden layer less than two in one of both flows of voxels, here the first.
    Training is that of CaloChallenge 2 but in 3, where rates are constant (published: halved after epochs 400 and 500).

    Raises
    ------
    HyperparameterError
        If there is no such system, as by all functions of this module.
    """
    published = _known("inductive_caloflow", dataset, size)
    if role not in ("teacher", "student"):
        raise HyperparameterError(f"There is no inductive CaloFlow {role!r}: a role is 'teacher' or 'student'.")
    of_energies, of_voxels = _RECIPES.get(dataset, _RECIPES["ds2"])
    more: dict[str, Any] = {"schedule": "constant"} if dataset == "ds3" else {}
    depths = (1 if published and dataset == "ds3" else 2, 2)
    first, following = (
        _teacher(published, depth, epochs, learning_rate=rate, **more)
        for depth, (epochs, rate) in zip(depths, of_voxels["teacher"], strict=True)
    )
    if role == "student":
        first, following = (
            _student(published, teacher, width, epochs, learning_rate=rate, **more)
            for teacher, width, (epochs, rate) in zip((first, following), (256, 384), of_voxels["student"], strict=True)
        )
    shapes = {"kind": "inductive_caloflow", "first": first, "following": following}
    # Published are energies alone; of ratios those of empty layers need room that the network has not.
    energies = layer_energies()
    if published:
        epochs, rate = of_energies
        energies = {**_teacher(True, 1, epochs, learning_rate=rate, **more), "bijection": layer_bijection()}
    return _chain(dataset, layers, energies, shapes)


def l2lflows(dataset: str, size: str, *, layers: Layers | None = None) -> dict[str, Any]:
    """L2LFlows (2302.11594): masked autoregressive flows of the layers, and of their energies."""
    published = _known("l2lflows", dataset, size)
    flow = {**_teacher(published, 1, 200), "blocks": 6 if published else 3}
    return _chain(dataset, layers, _energies(published), {"kind": "l2lflows", "generator": flow})


def conv_l2lflows(dataset: str, size: str, *, layers: Layers | None = None) -> dict[str, Any]:
    """Convolutional L2LFlows (2405.20407)."""
    published = _known("conv_l2lflows", dataset, size)
    flow: dict[str, Any] = {"kind": "image_flow"}
    if not published:
        training = {"epochs": None, "steps": 250, "batch_size": 128, "learning_rate": 3e-3, "clip": 100.0}
        flow |= {"blocks": 4, "hidden": 8, "embedded": 4, "strides": [[5, 2], [1, 2]], "training": training}
    return _chain(dataset, layers, _energies(published), {"kind": "conv_l2lflows", "flow": flow})


def caloinn(dataset: str, size: str, *, layers: Layers | None = None) -> dict[str, Any]:
    """CaloINN (2312.09290), without a chain: energies and voxels together."""
    published = _known("caloinn", dataset, size)
    own: dict[str, Any] = {"kind": "caloinn", **_where(dataset, layers)}
    if not published:
        training = {"epochs": None, "steps": 1000, "batch_size": 256, "learning_rate": 2e-3, "weight_decay": 1e-4}
        flow = {"kind": "coupling_spline", "blocks": 8, "hidden": 96, "layers": 2, "tail_bound": 10.0}
        own["flow"] = {**flow, "bijection": "standardise", "training": training}
    return own


def calodream(dataset: str, size: str, *, layers: Layers | None = None) -> dict[str, Any]:
    """CaloDREAM (2405.09629): a transformer of the energies of layers, and one on patches of the voxels."""
    published = _known("calodream", dataset, size)
    patch, width, ratio = _PATCHES.get(dataset, ([1, 10, 1], 480, 4))
    flow: dict[str, Any] = {"kind": "patch_flow", "patch": patch, "width": width, "ratio": ratio}
    energies: dict[str, Any] = {"kind": "calodream_energies", "bijection": layer_bijection()}
    if not published:
        training = {"epochs": None, "steps": 800, "batch_size": 64, "learning_rate": 2e-3, "ema_decay": 0.99}
        flow |= {"width": 48, "depth": 3, "heads": 4, "ratio": 2, "path": "trigonometric", "training": training}
        flow |= {"solver": "midpoint", "sampling_steps": 8}
        small = {"width": 64, "layers": 1, "feed": 64, "times": 16, "hidden": 64, "head_layers": 3, "steps": 6}
        energies |= {**small, "training": {**training, "batch_size": 256, "steps": 1000, "learning_rate": 4e-3}}
    return _chain(dataset, layers, energies, {"kind": "calodream", "flow": flow})


#: What makes each system, of a data set and a size.
GRID_SYSTEMS: dict[str, Callable[..., dict[str, Any]]] = {
    "l2lflows": l2lflows,
    "conv_l2lflows": conv_l2lflows,
    "caloinn": caloinn,
    "calodream": calodream,
}


def _known(system: str, dataset: str, size: str) -> bool:
    """Whether the published size is wanted; an unknown name is refused."""
    if dataset not in GRIDS or size not in ("published", "small"):
        raise HyperparameterError(
            f"There is no {system} ({dataset!r}, {size!r}): a data set is one of {', '.join(GRIDS)}, a size "
            "'published' or 'small'."
        )
    return size == "published"


def _where(dataset: str, layers: Layers | None) -> dict[str, Any]:
    own = GRIDS[dataset] if layers is None else layers
    return {"layers": copy.deepcopy([list(layer) for layer in own]), "threshold": THRESHOLDS.get(dataset, 1e-3)}


def _chain(dataset: str, layers: Layers | None, energies: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "showers", **_where(dataset, layers), "energies": energies, "shapes": shapes}


def _teacher(published: bool, hidden_layers: int, epochs: int, **recipe: Any) -> dict[str, Any]:
    """A flow of inductive CaloFlow; `recipe` is more of the published training."""
    if published:
        training: dict[str, Any] = {"epochs": epochs, "batch_size": 1000, "learning_rate": 1e-3, **recipe}
        return {"kind": "caloflow_teacher", "blocks": 8, "hidden": 256, "layers": hidden_layers, "training": training}
    training = {"epochs": None, "steps": 500, "batch_size": 200, "learning_rate": 4e-3}
    sizes = {"blocks": 4, "hidden": 64, "layers": hidden_layers, "dropout": 0.0, "tail_bound": 8.0}
    return {"kind": "caloflow_teacher", **sizes, "bijection": "standardise", "training": training}


def _student(published: bool, teacher: dict[str, Any], width: int, epochs: int, **recipe: Any) -> dict[str, Any]:
    """What draws faster than its teacher, and is `width` wide if published."""
    own: dict[str, Any] = {"kind": "caloflow_student", "teacher": teacher, "hidden": teacher["hidden"], "layers": 2}
    if published:
        return own | {"hidden": width, "training": {"epochs": epochs, "batch_size": 1000, **recipe}}
    return own | {"training": teacher["training"]}


def _energies(published: bool) -> dict[str, Any]:
    """The energies of layers in L2LFlows: six masked networks of 64 units."""
    if not published:
        return layer_energies()
    sizes = {"blocks": 6, "hidden": 64, "layers": 1, "dropout": 0.0}
    training = {"epochs": 2000, "batch_size": 1024, "learning_rate": 1e-3}
    return {"kind": "caloflow_teacher", **sizes, "bijection": layer_bijection(), "training": training}
