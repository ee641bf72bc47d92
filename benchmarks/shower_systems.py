"""The systems that `showers.py` measures: each a function of the data set and its layers that gives a specification.

Another one is one more function under `@system`, named as the system is: it gets the name of the data set, such as
"ds1-photons", and [angles, rings] of its layers, and returns the specification of a generator of showers (N, V) in GeV
whose context is the incident energy in GeV. `threshold` and `order` know what else belongs to a data set.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from analysis.showers import geometry
from generators.showers import diffusion_presets
from generators.showers.cloud_presets import SYSTEMS as CLOUDS
from generators.showers.cloud_presets import point_shapes
from generators.showers.grid_presets import GRID_SYSTEMS, GRIDS, inductive_caloflow
from generators.showers.presets import LAYERS, caloflow, hierarchical_sticks, layer_energies

Shapes = list[list[int]]
System = Callable[[str, Shapes], dict[str, Any]]

SYSTEMS: dict[str, System] = {}

#: Layers that are empty most often first; those of other data sets are taken as they come.
_ORDERS = {"ds1-photons": [4, 3, 0, 1, 2]}


def system(function: System) -> System:
    """Decorator: what is measured under the name of the function."""
    SYSTEMS[function.__name__] = function
    return function


def threshold(dataset: str) -> float:
    """GeV below which a voxel is empty."""
    return geometry(dataset).threshold or 1e-6


def order(dataset: str, shapes: Shapes) -> list[int]:
    """Places of the layers, in the order in which their energies are decided."""
    return _ORDERS.get(dataset, list(range(len(shapes))))


def chain(dataset: str, shapes: Shapes, of_voxels: dict[str, Any]) -> dict[str, Any]:
    """Energies of layers by the flow of `layers`, and then the voxels by a generator of shapes."""
    known = {"layers": shapes, "order": order(dataset, shapes), "threshold": threshold(dataset)}
    return {"kind": "showers", **known, "energies": layer_energies(), "shapes": of_voxels}


@system
def layers(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """Of this the energies of layers alone are learned and compared."""
    return chain(dataset, shapes, {"kind": "hierarchical_sticks"})


@system
def sticks(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """One tree of energies from the shower to its voxels."""
    return hierarchical_sticks(shapes, "small", order=order(dataset, shapes), threshold=threshold(dataset))


@system
def coupling(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """A plain coupling flow over all voxels, with noise a fifth of the threshold in empty ones."""
    flow = {"kind": "coupling_spline", "blocks": 6, "hidden": 64, "tail_bound": 5.0, "bijection": "standardise"}
    flow["training"] = {"steps": 1500, "batch_size": 256, "learning_rate": 4e-3}
    known = {"noise": threshold(dataset) / 5, "turns": 8}
    return chain(dataset, shapes, {"kind": "voxel_shapes", **known, "generator": flow})


@system
def caloflow_teacher(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """CaloFlow, slow to draw from."""
    return _caloflow(dataset, shapes, "teacher")


@system
def caloflow_student(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """CaloFlow, quick to draw from."""
    return _caloflow(dataset, shapes, "student")


def _caloflow(dataset: str, shapes: Shapes, role: str) -> dict[str, Any]:
    made = caloflow(dataset if dataset in LAYERS else "ds1-photons", role, "small", layers=shapes)
    return {**made, "order": order(dataset, shapes), "threshold": threshold(dataset)}


@system
def icaloflow_teacher(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """Inductive CaloFlow, slow to draw from."""
    made = inductive_caloflow(_grid(dataset), "teacher", "small", layers=shapes)
    return _at(dataset, shapes, made)


@system
def icaloflow_student(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """Inductive CaloFlow, quick to draw from."""
    made = inductive_caloflow(_grid(dataset), "student", "small", layers=shapes)
    return _at(dataset, shapes, made)


@system
def l2lflows(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """A masked flow for every layer."""
    return _at(dataset, shapes, GRID_SYSTEMS["l2lflows"](_grid(dataset), "small", layers=shapes))


@system
def conv_l2lflows(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """A flow of convolutions for every layer."""
    return _at(dataset, shapes, GRID_SYSTEMS["conv_l2lflows"](_grid(dataset), "small", layers=shapes))


@system
def caloinn(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """One coupling flow of everything."""
    made = GRID_SYSTEMS["caloinn"](_grid(dataset), "small", layers=shapes)
    return {**made, "threshold": threshold(dataset)}


@system
def calodream(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """Flow matching by transformers."""
    return _at(dataset, shapes, GRID_SYSTEMS["calodream"](_grid(dataset), "small", layers=shapes))


@system
def calo_diffusion(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """Diffusion by convolutions of a cylinder, in 32 evaluations."""
    return _at(dataset, shapes, diffusion_presets.calo_diffusion(_grid(dataset), "small", layers=shapes))


@system
def calo_score(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """The same distilled to one evaluation."""
    return _at(dataset, shapes, diffusion_presets.calo_score(_grid(dataset), "small", layers=shapes))


def _grid(dataset: str) -> str:
    return dataset if dataset in GRIDS else "ds1-photons"


def _at(dataset: str, shapes: Shapes, made: dict[str, Any]) -> dict[str, Any]:
    return {**made, "order": order(dataset, shapes), "threshold": threshold(dataset)}


@system
def calo_gan(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """Adversarial, whole showers given the incident energy."""
    return {"kind": "calo_gan", "layers": shapes, "threshold": threshold(dataset)}


@system
def calo_gan_shapes(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """The same as shapes in layers whose energies are those of `layers`."""
    return chain(dataset, shapes, {"kind": "calo_gan"})


@system
def bib_ae(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """Autoencoder with critics and post-processor; latent variables are normal."""
    return {"kind": "bib_ae", "layers": shapes, "threshold": threshold(dataset)}


@system
def bib_ae_flow(dataset: str, shapes: Shapes) -> dict[str, Any]:
    """The same with a flow of latent variables and the energy of the shower."""
    return {**bib_ae(dataset, shapes), "flow": {"kind": "coupling_spline", "blocks": 4, "hidden": 32}}


def _points(name: str, dataset: str, shapes: Shapes) -> dict[str, Any]:
    made = point_shapes(name, "small")
    across = "grid" if geometry(dataset).name.startswith("ild") else "plane"
    return chain(dataset, shapes, {"across": across, **made})


#: Clouds of points: of CaloClouds I and II in 25 evaluations and in one, adversarial with a mean field and as a tree, a
#: transformer in 32 evaluations, and flows with a latent vector in one pass.
for _name in CLOUDS:
    SYSTEMS[_name] = partial(_points, _name)
