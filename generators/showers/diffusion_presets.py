"""Diffusion of showers at its published size and at a small one, and distilled, as specifications."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from generators.errors import HyperparameterError
from generators.showers.grid_presets import GRIDS, THRESHOLDS, Layers
from generators.showers.presets import layer_energies

_FIRST, _BACK = (0, 5, 10, 30, 50, 100, 200, 400, 600), (0, 50, 100, 200, 400, 600)
_FINE = (0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400)

#: Edges in mm of the rings of layers whose rings are not those of one grid (CaloChallenge 1).
RADII: dict[str, tuple[tuple[int, ...], ...]] = {
    "ds1-photons": (
        _FIRST,
        (0, 2, 4, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 90, 120, 150, 200),
        (0, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400),
        _BACK,
        (0, 100, 200, 400, 1000, 2000),
    ),
    "ds1-pions": (
        _FIRST,
        (0, 1, 4, 7, 10, 15, 30, 50, 90, 150, 200),
        (0, 5, 10, 20, 30, 50, 80, 130, 200, 300, 400),
        _BACK,
        (*_FINE, 1000, 2000),
        (*_FINE, 600, 1000, 2000),
        (0, 50, 100, 150, 200, 250, 300, 400, 600, 1000, 2000),
    ),
}

#: Channels of the largest network; others have those that a "cylindrical_diffusion" has by default.
_CHANNELS = {"ds3": [32, 32, 32, 32]}

_SHORT: dict[str, Any] = {"epochs": None, "batch_size": 64, "ema_decay": 0.99}


def calo_diffusion(
    dataset: str, size: str, *, layers: Layers | None = None, radii: Sequence[Sequence[float]] | None = None
) -> dict[str, Any]:
    """CaloDiffusion (2308.03876) with layer energies by a diffusion, as in version 2.0, or by a flow where it is small.

    `layers` and `radii` replace those of the data set. Without the latter small networks have rings of equal width,
    which need a coarser grid.

    Raises
    ------
    HyperparameterError
        If there is no such system.
    """
    published = _known("calo_diffusion", dataset, size)
    return _chain(dataset, layers, published, {"kind": "calo_diffusion", "flow": _flow(dataset, layers, radii, size)})


def calo_score(
    dataset: str, size: str, *, layers: Layers | None = None, radii: Sequence[Sequence[float]] | None = None
) -> dict[str, Any]:
    """One step of the same by progressive distillation, as CaloScore (2308.03847) makes of its own U-Net."""
    published = _known("calo_score", dataset, size)
    flow: dict[str, Any] = {"kind": "progressive", "teacher": _flow(dataset, layers, radii, size), "first_steps": 256}
    flow["training"] = {"epochs": 100, "steps": None, "batch_size": 128, "learning_rate": 4e-4}
    if not published:
        flow["first_steps"] = 8
        flow["training"] = {**_SHORT, "steps": 45, "learning_rate": 1e-3}
        flow["teacher"]["training"]["steps"] = 320
    return _chain(dataset, layers, published, {"kind": "calo_score", "flow": flow})


def _known(system: str, dataset: str, size: str) -> bool:
    """Whether the published size is wanted; an unknown name is refused."""
    if dataset not in GRIDS or size not in ("published", "small"):
        raise HyperparameterError(
            f"There is no {system} ({dataset!r}, {size!r}): a data set is one of {', '.join(GRIDS)}, a size "
            "'published' or 'small'."
        )
    return size == "published"


def _flow(dataset: str, layers: Layers | None, radii: Sequence[Sequence[float]] | None, size: str) -> dict[str, Any]:
    """The diffusion of voxels, in at most 50 evaluations where it is small."""
    made: dict[str, Any] = {"kind": "cylindrical_diffusion"}
    if radii is not None:
        made["radii"] = [list(edges) for edges in radii]
    if size == "small":
        if radii is None:
            own = GRIDS[dataset] if layers is None else layers
            made["radii"] = [list(range(rings + 1)) for _, rings in own]
        made["training"] = {**_SHORT, "steps": 500, "learning_rate": 2e-3}
        return made
    if radii is None and layers is None and dataset in RADII:
        made["radii"] = [list(edges) for edges in RADII[dataset]]
        made["images"] = ["radius", "layer", "angle"]
    if dataset in _CHANNELS:
        made["channels"] = list(_CHANNELS[dataset])
    return {**made, "sampler": "ancestral", "sampling_steps": 400}


def _chain(dataset: str, layers: Layers | None, published: bool, shapes: dict[str, Any]) -> dict[str, Any]:
    own = GRIDS[dataset] if layers is None else layers
    energies: dict[str, Any] = layer_energies()
    if published:
        energies = {"kind": "diffusion", "schedule": "cosine", "hidden": 256, "bijection": energies["bijection"]}
    return {
        "kind": "showers",
        "layers": copy.deepcopy([list(layer) for layer in own]),
        "threshold": THRESHOLDS.get(dataset, 1e-3),
        "energies": energies,
        "shapes": shapes,
    }
