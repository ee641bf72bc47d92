"""L2LFlows (Diefenbacher et al., 2302.11594): a flow for every layer, given the layers before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override

from generators.flows.sizes import require_sizes
from generators.registry import create, register
from generators.showers.blocks import LayersBlock
from generators.showers.blockwise import Part
from generators.showers.given_layers import GivenLayersDensity


@register
@dataclass(kw_only=True, eq=False)
class L2LFlows(GivenLayersDensity):
    """Voxels of layers, each by a density of its own given its energy and the voxels of the `before` last layers.

    `generator` is the specification of such a density, masked autoregressive in the paper.
    """

    kind: ClassVar[str] = "l2lflows"

    before: int = 5
    generator: dict[str, Any] = field(
        default_factory=lambda: {"kind": "caloflow_teacher", "blocks": 6, "hidden": 256, "layers": 1}
    )

    @override
    def complete(self) -> None:
        require_sizes(self.kind, before=self.before)
        self.generator = self.completed(self.generator, "generator")

    @override
    def parts(self) -> list[Part]:
        return [
            Part([LayersBlock(self.known, [layer], seen=list(range(max(0, layer - self.before), layer)))], made)
            for layer in range(len(self.layers))
            for made in [create(self.generator)]
        ]
