"""Flow matching of jets beyond kinematics: charge, type and impact parameters (Birk et al., 2312.00123)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from generators.jets.epic import WithEpic
from generators.jets.flow_matching import CloudFlowMatching
from generators.registry import register
from generators.training.settings import TrainingSettings

#: Features of a particle in the order of `analysis.datasets.read_jetclass`: kinematics, then charge and five flags of
#: its type, then d0, its error, dz and its error.
KINEMATICS, IDENTITY, DISPLACEMENT = "0,1,2", (3, 4, 5, 6, 7, 8), (9, 10, 11, 12)
_EXISTENCE = ",".join(map(str, (*IDENTITY, *DISPLACEMENT)))


def particles() -> dict[str, Any]:
    """The bijection of thirteen features.

    Charge and type are one of the combinations of the training. Only charged particles have impact parameters: the
    tails of these go on as Pareto laws, and their errors are positive by a logarithm.
    """
    tracks = {"kind": "columns", "maps": {"0,2": "quantile_normal", "1,3": ["logarithm", "quantile_normal"]}}
    maps = {KINEMATICS: "quantile_normal", _EXISTENCE: {"kind": "gated", "levels": len(IDENTITY), "present": tracks}}
    return {"kind": "columns", "maps": maps}


@register
@dataclass(kw_only=True, eq=False)
class BeyondKinematics(WithEpic, CloudFlowMatching):
    """The network of EPiC-FM, told the context at its global vector alone, for particles with thirteen features.

    The features (`KINEMATICS`, `IDENTITY`, `DISPLACEMENT`) are those of `analysis.datasets.read_jetclass`. Where the
    paper rounds numbers to a charge and to flags, which may not fit each other, here only what the training has can be
    drawn, and a neutral particle has no impact parameter. "published" has 8,504,698 parameters with ten classes, pT and
    η as context; those of p(N | c) come beside.
    """

    kind: ClassVar[str] = "beyond_kinematics"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "hidden": 300,
            "layers": 20,
            "solver": "midpoint",
            "sampling_steps": 100,
            "training": {
                "steps": None,
                "epochs": 500,
                "batch_size": 1024,
                "learning_rate": 1e-3,
                "weight_decay": 5e-5,
                "clip": 0.5,
                "ema_decay": 0.999,
            },
        },
    }

    bijection: str | dict[str, Any] = field(default_factory=particles)
    hidden: int = 64
    layers: int = 3
    latent: int = 16
    context_at_points: bool = False
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=10_000, batch_size=128, learning_rate=2e-3, weight_decay=5e-5, clip=0.5, ema_decay=0.99
        )
    )
