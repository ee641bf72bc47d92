"""What the systems with the network of EPiC have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from generators.networks.epic import Epic
from generators.training.settings import TrainingSettings


@dataclass(kw_only=True, eq=False)
class WithEpic:
    """Hyperparameters of `Epic` and of its training.

    The published network for 30 and 150 constituents has 6 layers of 128 with a latent of 10, that of the LHC Olympics
    (2310.06897) 8 layers of 150 with a latent of 256.
    """

    hidden: int = 128
    layers: int = 6
    latent: int = 10
    frequencies: int = 32
    weight_norm: bool = True
    context_at_points: bool = True
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=20_000, batch_size=512, learning_rate=2e-3, weight_decay=5e-5, clip=0.5, ema_decay=0.999
        )
    )

    def velocity(self, features: int, context: int) -> nn.Module:
        """An untrained network of clouds."""
        return Epic(
            features,
            context,
            hidden=self.hidden,
            layers=self.layers,
            latent=self.latent,
            frequencies=self.frequencies,
            weight_norm=self.weight_norm,
            context_at_points=self.context_at_points,
        )
