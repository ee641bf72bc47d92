"""Every generator of showers by its name in the file of a search: it is trained for a moment, and a template drawn."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cathode.config import embedded_text, parse_config
from cathode.search import Search
from cathode.template.drawing import draw_template, train_generator
from generators.registry import generator_class, kinds
from generators.showers.cloud_presets import SYSTEMS, point_shapes

LAYERS = [[1, 8], [10, 16], [10, 19], [1, 5], [1, 5]]
TRAINING: dict[str, Any] = {"epochs": None, "steps": 3, "batch_size": 16, "ema_decay": None}

FLOW: dict[str, Any] = {"kind": "caloflow_teacher", "blocks": 1, "hidden": 8, "bins": 4, "bijection": "standardise"}
FLOW |= {"tail_bound": 8.0, "dropout": 0.0, "training": TRAINING}
STUDENT = {"kind": "caloflow_student", "teacher": FLOW, "hidden": 8, "dropout": 0.0, "training": TRAINING}
PATCHES = {"kind": "patch_flow", "patch": [1, 10, 1], "width": 12, "depth": 1, "heads": 2, "ratio": 1}
CYLINDER = {"kind": "cylindrical_diffusion", "channels": [8, 8, 8], "sampling_steps": 2, "training": TRAINING}
CYLINDER |= {"radii": [list(range(rings + 1)) for _, rings in LAYERS]}
HALVED = {"kind": "progressive", "teacher": CYLINDER, "first_steps": 1, "training": TRAINING}
IMAGES = {"kind": "image_flow", "blocks": 2, "hidden": 4, "embedded": 2, "strides": [[5, 2], [1, 2]]}
BOUNDS = {"kind": "chain", "bijections": ["atoms", "quantile_normal"]}
NUMBERS = {"kind": "chain", "bijections": ["dequantise", "quantile_normal"]}
COUNTS = {"kind": "point_count_fm", "widths": [8], "sampling_steps": 2, "bijection": NUMBERS, "training": TRAINING}
ALONE = {"kind": "calo_clouds_2", "widths": [8], "frequencies": 2, "sampling_steps": 2, "training": TRAINING}
#: As the generators of the clouds of `SYSTEMS`.
CLOUDS: dict[str, dict[str, Any]] = {
    "calo_clouds_1": {"latent": 2, "encoder_layers": 1, "encoder_hidden": 4, "prior_blocks": 2, "prior_hidden": 4}
    | {"widths": [8], "sampling_steps": 2},
    "calo_clouds_2": {key: value for key, value in ALONE.items() if key != "kind"},
    "cloud_consistency": {"teacher": ALONE},
    "calo_point_flow": {"latent": 2, "each": [4], "whole": [4], "blocks": 2, "prior_blocks": 1, "prior_hidden": 4}
    | {"set_each": [4], "set_whole": [4], "hidden": [4]},
    "mdma": {"width": 4, "hidden": 4, "critic_hidden": 4, "layers": 1, "critic_layers": 1, "heads": 2},
    "deep_tree_gan2": {"root": 4, "branches": [4, 4, 8], "features": [4, 4], "overall": 2, "hidden": 4}
    | {"pruned": [2, 1], "heads": 2, "critic_width": 2, "critic_hidden": 4},
    "all_showers": {"width": 8, "layers": 1, "heads": 2, "hidden": 8, "sampling_steps": 2},
}
#: Generators of shapes in layers of known energy.
SHAPES: dict[str, dict[str, Any]] = {
    "hierarchical_sticks": {"kind": "hierarchical_sticks", "hidden": 8, "local": 2, "training": TRAINING},
    "caloflow, teacher": {"kind": "voxel_shapes", "generator": FLOW},
    "caloflow, student": {"kind": "voxel_shapes", "generator": STUDENT},
    "inductive_caloflow": {"kind": "inductive_caloflow", "first": FLOW, "following": FLOW},
    "l2lflows": {"kind": "l2lflows", "generator": FLOW},
    "conv_l2lflows": {"kind": "conv_l2lflows", "flow": {**IMAGES, "training": TRAINING}},
    "calo_diffusion": {"kind": "calo_diffusion", "flow": CYLINDER},
    "calo_gan": {"kind": "calo_gan", "latent": 4, "widths": [2, 2, 2], "critic_widths": [2, 2, 2, 2]}
    | {"batch_features": [2, 2], "training": TRAINING},
    "calo_score": {"kind": "calo_score", "flow": HALVED},
    "calodream": {"kind": "calodream", "flow": {**PATCHES, "sampling_steps": 2, "training": TRAINING}},
    **{
        f"point_shapes, {kind}": {
            "kind": "point_shapes",
            "counts": COUNTS,
            "points": {"kind": kind, **sizes, "training": TRAINING},
        }
        for kind, sizes in CLOUDS.items()
    },
}
VOLUMES = {"kind": "bib_ae", "latent": 2, "active": 2, "encoder_widths": [2, 2], "decoder_widths": [2, 2, 2]}
VOLUMES |= {"hidden": [4], "critic_width": 2, "post_width": 2, "training": TRAINING}
ENERGIES = {"kind": "caloflow_teacher", "blocks": 1, "hidden": 8, "bijection": BOUNDS}
ENERGIES |= {"bins": 4, "dropout": 0.0, "tail_bound": 8.0, "training": TRAINING}
#: What makes whole showers.
SHOWERS: dict[str, dict[str, Any]] = {
    **{
        name: {"kind": "showers", "layers": LAYERS, "visible": 0, "energies": ENERGIES, "shapes": shapes}
        for name, shapes in SHAPES.items()
    },
    # It wants layers of one binning: as many voxels in other ones.
    "bib_ae": {"kind": "showers", "layers": [[23, 8]] * 2, "visible": 0, "energies": ENERGIES, "shapes": VOLUMES},
    "caloinn": {
        "kind": "caloinn",
        "layers": LAYERS,
        "visible": 0,
        "flow": {"kind": "coupling_spline", "blocks": 2, "hidden": 8, "bijection": "standardise", "training": TRAINING},
    },
}
SHOWERS["deep_ensemble"] = {"kind": "deep_ensemble", "generator": SHOWERS["hierarchical_sticks"], "members": 2}


def search(generator: dict[str, Any]) -> tuple[Search, Any]:
    changes = {"data.features": "voxels", "observables": "shower_shapes", "template.generator": generator}
    config = parse_config(embedded_text("showers"), overrides=changes)
    return config.search(), config


@pytest.fixture(scope="module")
def sideband() -> Any:
    made, config = search({"kind": "event_mixing"})
    events = config.read_events()
    return events[made.region.sideband(events.mass)][:300]


@pytest.mark.parametrize("name", SHOWERS)
def test_it_is_trained_and_a_template_is_drawn(name: str, sideband: Any) -> None:
    template = drawn(SHOWERS[name], sideband)
    assert (template.member is None) == (name != "deep_ensemble")


def shortened(points: dict[str, Any]) -> dict[str, Any]:
    """The same generator of clouds with a training of a moment, as its teacher has if there is one."""
    teacher = {"teacher": shortened(points["teacher"])} if "teacher" in points else {}
    return {**points, **teacher, "training": TRAINING}


#: Systems of points that take more than three seconds of a processor here.
LONG = {"calo_clouds_1", "calo_point_flow"}


@pytest.mark.parametrize(
    "system", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in SYSTEMS]
)
def test_systems_of_points_as_they_are(system: str, sideband: Any) -> None:
    """Places across and what points are told included, in their small networks."""
    made = point_shapes(system, "small", counts=COUNTS)
    shapes = {**made, "points": shortened(made["points"])}
    drawn({"kind": "showers", "layers": LAYERS, "visible": 0, "energies": ENERGIES, "shapes": shapes}, sideband)


def drawn(generator: dict[str, Any], sideband: Any) -> Any:
    """A template of a generator, which has been looked at."""
    made, _ = search(generator)
    fitted = train_generator(made.method.generator, sideband, seed=1)
    mass_model = made.mass_model.fit(sideband.mass, made.region)
    template = draw_template(fitted, mass_model, events=20, seeds=(1, 2))
    assert template.x.shape == (20, 368)
    assert np.isfinite(template.x).all()
    assert ((template.x == 0) | (template.x > 0.999e-3)).all()
    # The mass is the energy of the shower.
    assert template.x.sum(axis=1) == pytest.approx(template.mass, rel=1e-4)
    return template


def test_none_is_left_out() -> None:
    fields = {kind: {field.name for field in dataclasses.fields(generator_class(kind))} for kind in kinds()}
    shapes = {kind for kind in kinds() if fields[kind] >= {"layers", "given"}}
    assert shapes == {made["kind"] for made in [*SHAPES.values(), VOLUMES]}
    assert {made("small")["points"]["kind"] for made in SYSTEMS.values()} == set(CLOUDS)
