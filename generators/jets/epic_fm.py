"""EPiC-FM: flow matching with equivariant point clouds (Buhmann et al., 2310.00049)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from generators.jets.epic import WithEpic
from generators.jets.flow_matching import CloudFlowMatching
from generators.registry import register


@register
@dataclass(kw_only=True, eq=False)
class EpicFM(WithEpic, CloudFlowMatching):
    """Flow matching with the network of EPiC; the cost grows linearly with the number of constituents.

    The published path is "straight".
    """

    kind: ClassVar[str] = "epic_fm"
