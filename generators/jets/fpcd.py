"""FPCD: fast point cloud diffusion of jets (Mikuni, Nachman & Pettee, 2304.01266)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn
from typing_extensions import override

from generators.errors import HyperparameterError
from generators.jets.diffusion import CloudDiffusion
from generators.networks.fpcd import FPCDPoints
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class FPCD(CloudDiffusion):
    """Diffusion of constituents with cosine noise, whose angular velocity is the v of the paper with the other sign.

    The last `attributes` columns of the context are numbers such as pT, η, m and N of a jet, those before them classes,
    one column each; by default all are numbers. Its steps are distilled by `cloud_progressive`, the attributes
    themselves are made by `fpcd_attributes`, and both are joined by `attributed_jets`.
    """

    kind: ClassVar[str] = "fpcd"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "width": 128,
            "layers": 6,
            "sampling_steps": 512,
            "training": {
                "steps": None,
                "epochs": 300,
                "batch_size": 128,
                "learning_rate": 3e-4,
                "patience": 50,
                "ema_decay": 0.999,
            },
        },
    }

    width: int = 48
    layers: int = 2
    heads: int = 2
    attributes: int | None = None
    schedule: str = "cosine"
    sampler: str = "euler"
    sampling_steps: int = 64
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(steps=10_000, batch_size=128, learning_rate=1e-3, ema_decay=0.99)
    )

    @override
    def velocity(self, features: int, context: int) -> nn.Module:
        attributes = context if self.attributes is None else self.attributes
        if not 0 <= attributes <= context:
            raise HyperparameterError(f"attributes = {attributes} of {self.kind}: the context has {context} columns.")
        if self.width < 1 or self.layers < 1 or self.heads < 1 or self.width % self.heads:
            raise HyperparameterError(
                f"width = {self.width}, layers = {self.layers}, heads = {self.heads} of {self.kind}: they must be at "
                "least 1, and the width is shared among the heads."
            )
        return FPCDPoints(features, context, attributes, width=self.width, layers=self.layers, heads=self.heads)
