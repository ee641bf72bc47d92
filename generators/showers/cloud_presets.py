"""Systems of showers as points, at their published size and at one that a processor trains in minutes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from generators.errors import HyperparameterError
from generators.registry import create

#: A specification of "point_shapes" without its layers.
Specification = dict[str, Any]

#: What points that do not see each other are told in the small systems.
_ALONE: Specification = {"tells": ["energies", "counts", "centres", "radii"]}


def calo_clouds_1(size: str) -> Specification:
    """CaloClouds I (2305.04847): points that share a latent vector; the published one knows the energy and N alone."""
    points = {"kind": "calo_clouds_1", "preset": size}
    return {"points": points, **({"tells": []} if size == "published" else _ALONE)}


def calo_clouds_2(size: str) -> Specification:
    """CaloClouds II (2309.05704): points by themselves; the published one knows the energy and N alone."""
    points = {"kind": "calo_clouds_2", "preset": size}
    return {"points": points, **({"tells": []} if size == "published" else _ALONE)}


def calo_clouds_consistency(size: str) -> Specification:
    """The consistency model of CaloClouds II (2309.05704): one step.

    The published one learns between neighbours among 18 levels of noise of EDM, by one step of Heun, and its target is
    a mean of the network over its steps with a decay of 0.95. Here both ends are 1/4 of the way of the teacher apart,
    which makes two steps of midpoint in between; the target is the network itself, and the optimiser AdamW without
    decay in place of RAdam.
    """
    made = calo_clouds_2(size)
    training: dict[str, Any] = {"steps": 1_500, "batch_size": 128, "learning_rate": 1e-3, "clip": 10.0}
    if size == "published":
        training |= {"steps": 1_000_000, "batch_size": 256, "learning_rate": 1e-4, "schedule": "constant"}
    return {**made, "points": {"kind": "cloud_consistency", "teacher": made["points"], "training": training}}


def mdma(size: str) -> Specification:
    """MDMA on calorimeters (2305.15254): 549,460 parameters of the maker and 103,952 of the critic.

    The published critic has 8 heads and AdamW with a decay of 5e-6. Here it has as many heads as the maker, and Adam
    without a decay, as both sides have one optimiser.
    """
    points: dict[str, Any] = {"kind": "mdma"}
    if size == "small":
        points |= {"training": {"steps": 2_000, "batch_size": 64, "learning_rate": 1e-3}}
        return {"points": points}
    points |= {"hidden": 128, "critic_hidden": 64, "layers": 6, "critic_layers": 4, "heads": 16, "matching": 0.0}
    points |= {"loss": "wasserstein", "penalty": 10.0, "critic_steps": 3}
    points["training"] = {"epochs": 500, "steps": None, "batch_size": 64, "learning_rate": 1e-4, "ema_decay": None}
    return {"points": points, "tells": []}


def deep_tree(size: str) -> Specification:
    """DeepTree, the tree of 2312.00042 on calorimeters: 529,656 parameters of its maker for up to 6,000 points."""
    points: dict[str, Any] = {"kind": "deep_tree_gan2"}
    if size == "small":
        points |= {"branches": [2, 3, 5, 5], "features": [24, 16, 10], "pruned": [12, 1]}
        points["training"] = {"steps": 1_000, "batch_size": 64, "learning_rate": 5e-4}
        return {"points": points, "tells": ["energies"]}
    points |= {
        "root": 64,
        "branches": [2, 3, 4, 5, 5, 10],
        "features": [25, 15, 10, 8, 6],
        "overall": 10,
        "hidden": 100,
    }
    points |= {"pruned": [30, 6, 1], "heads": 16, "critic_width": 10, "critic_hidden": 100, "dropout": 0.3}
    points |= {"critic_steps": 5, "critic_rate": 3.0, "momentum": 0.9}
    points["training"] = {"epochs": 3_000, "steps": None, "batch_size": 200, "learning_rate": 1e-5, "ema_decay": None}
    points["training"] |= {"weight_decay": 1e-4, "schedule": "constant", "clip": None}
    return {"points": points, "tells": ["energies"]}


def all_showers(size: str) -> Specification:
    """A flow matching transformer like AllShowers (2601.11716), told the energies and numbers of points of layers.

    The numbers are those of PointCountFM. For 78 layers it has 383,364 parameters, 363,396 without these columns, and
    the published one 587,378: that has an embedding of layers, and a point attends to those of its own layer. It learns
    in batches of 256 by Ranger, from noise that was matched to the points by optimal transport; here batches are of 64,
    the optimiser is AdamW, and noise has nothing to do with the points.
    """
    steps = {"small": 1_200, "published": 100_000}[size]
    points: dict[str, Any] = {"kind": "all_showers", "training": {"steps": steps}}
    return {"counts": point_count_fm(size), "points": points, "tells": ["energies", "counts"]}


def point_count_fm(size: str) -> Specification:
    """The generator of numbers of points by layer of AllShowers."""
    numbers = {"kind": "chain", "bijections": [{"kind": "dequantise"}, {"kind": "quantile_normal"}]}
    counts: dict[str, Any] = {"kind": "point_count_fm", "bijection": numbers}
    if size == "small":
        counts |= {"widths": [64, 128, 64]}
        counts["training"] = {
            "epochs": None,
            "steps": 1_500,
            "batch_size": 512,
            "learning_rate": 4e-3,
            "ema_decay": 0.99,
        }
    return counts


def calo_point_flow(size: str) -> Specification:
    """CaloPointFlow with points in the plane (2403.15782)."""
    return {"points": {"kind": "calo_point_flow", "preset": size}, "tells": ["visible"]}


def calo_point_flow_2(size: str) -> Specification:
    """CaloPointFlow II: points have a radius, and their angles are all alike."""
    return {**calo_point_flow(size), "across": "ring"}


SYSTEMS: dict[str, Callable[[str], Specification]] = {
    made.__name__: made
    for made in (
        calo_clouds_1,
        calo_clouds_2,
        calo_clouds_consistency,
        calo_point_flow,
        calo_point_flow_2,
        mdma,
        deep_tree,
        all_showers,
    )
}


def point_shapes(system: str, size: str, **changes: Any) -> Specification:
    """The specification of shapes of showers by one of `SYSTEMS`; `size` is "published" or "small".

    Raises
    ------
    HyperparameterError
        If there is no such system.
    """
    if system not in SYSTEMS or size not in ("published", "small"):
        raise HyperparameterError(
            f"There is no system of points ({system!r}, {size!r}): it is one of {', '.join(SYSTEMS)}, and a size is "
            "'published' or 'small'."
        )
    return {"kind": "point_shapes", **copy.deepcopy(SYSTEMS[system](size)), **changes}


def unfitted(system: str, size: str) -> Any:
    """The unfitted generator of the clouds of a system."""
    return create(point_shapes(system, size)["points"])
