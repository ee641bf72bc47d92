"""CaloScore (Mikuni & Nachman, 2206.11898; v2: 2308.03847): diffusion of showers, distilled to one step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override

from generators.errors import HyperparameterError
from generators.factorised.base import generator_of
from generators.registry import create, register
from generators.showers.blocks import LayersBlock
from generators.showers.blockwise import Part
from generators.showers.calo_diffusion import CylindricalDiffusion
from generators.showers.calodream import PatchFlow
from generators.showers.given_layers import GivenLayers
from generators.tabular.consistency import Consistency
from generators.tabular.progressive import Progressive

#: What can make few steps of many, and from what.
_STUDENTS, _TEACHERS = (Progressive.kind, Consistency.kind), (CylindricalDiffusion.kind, PatchFlow.kind)


@register
@dataclass(kw_only=True, eq=False)
class CaloScore(GivenLayers):
    """Voxels of all layers at once, given their energies, in one step: a diffusion of them, distilled. No density.

    `flow` is "progressive", as in the second version of CaloScore, or "consistency"; its `teacher` is a
    "cylindrical_diffusion" in the place of the U-Net of CaloScore, or a "patch_flow".
    """

    kind: ClassVar[str] = "calo_score"

    flow: dict[str, Any] = field(default_factory=lambda: {"kind": "progressive"})

    @override
    def complete(self) -> None:
        teacher = self.flow.get("teacher", {"kind": CylindricalDiffusion.kind})
        if self.flow.get("kind") not in _STUDENTS or teacher.get("kind") not in _TEACHERS:
            raise HyperparameterError(
                f"flow of {self.kind}: {self.flow!r} must be one of {', '.join(_STUDENTS)} with a teacher of "
                f"{', '.join(_TEACHERS)}."
            )
        made = generator_of({**self.flow, "teacher": {**teacher, "layers": self.layers}}, f"flow of {self.kind}")
        self.flow = {"kind": made.kind, **made.hyperparameters()}

    @override
    def parts(self) -> list[Part]:
        return [Part([LayersBlock(self.known, range(len(self.layers)))], create(self.flow))]
