"""Inductive CaloFlow (Buckley et al., 2305.11934): one flow for the first layer, one for every next given the last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override

from generators.registry import create, register
from generators.showers.blocks import LayersBlock
from generators.showers.blockwise import Part
from generators.showers.given_layers import GivenLayersDensity


def _flow() -> dict[str, Any]:
    return {"kind": "caloflow_teacher", "blocks": 8, "hidden": 256, "layers": 2}


@register
@dataclass(kw_only=True, eq=False)
class InductiveCaloFlow(GivenLayersDensity):
    """Voxels of layers: p(first | its energy) · Π p(next | the one before, the energies of both, which it is).

    `first` is the density of the first layer and `following` that of all others of one shape, which learns them
    together; of a calorimeter with layers of different shapes there is one for each shape. With "caloflow_teacher" for
    both it is the teacher of the paper, with "caloflow_student" the student, trained layer by layer on the true layer
    before, as there.
    """

    kind: ClassVar[str] = "inductive_caloflow"

    first: dict[str, Any] = field(default_factory=_flow)
    following: dict[str, Any] = field(default_factory=_flow)

    @override
    def complete(self) -> None:
        self.first = self.completed(self.first, "first")
        self.following = self.completed(self.following, "following")

    @override
    def parts(self) -> list[Part]:
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for layer in range(1, len(self.layers)):
            before = self.known.sizes[layer - 1]
            by_shape.setdefault((*self.layers[layer], before), []).append(layer)
        parts = [Part([LayersBlock(self.known, [0])], create(self.first))]
        of_layer: dict[int, LayersBlock] = {}
        for layers in by_shape.values():
            for place, layer in enumerate(layers):
                seen, which = [layer - 1], (place, len(layers))
                of_layer[layer] = LayersBlock(self.known, [layer], beside=seen, seen=seen, one_of=which)
            parts.append(Part([of_layer[layer] for layer in layers], create(self.following)))
        return parts
