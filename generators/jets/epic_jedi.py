"""EPiC-JeDi: the diffusion of PC-JeDi with the network of EPiC (Buhmann et al., 2310.00049)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from generators.jets.diffusion import CloudDiffusion
from generators.jets.epic import WithEpic
from generators.registry import register


@register
@dataclass(kw_only=True, eq=False)
class EpicJeDi(WithEpic, CloudDiffusion):
    """Diffusion with the network of EPiC; the cost grows linearly with the number of constituents."""

    kind: ClassVar[str] = "epic_jedi"
