"""CaloDiffusion (Amram & Pedro, 2308.03876): diffusion of all voxels by convolutions that go round the cylinder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.errors import HyperparameterError, ShapeError
from generators.networks.cylinder_embedding import CylinderEmbedding, common_edges
from generators.networks.cylindrical_unet import GROUPS, CylindricalUNet
from generators.registry import create, register
from generators.showers.blocks import LayersBlock
from generators.showers.blockwise import Part
from generators.showers.energy_tree import checked_layers
from generators.showers.given_layers import GivenLayersDensity
from generators.tabular.diffusion import ScoreDiffusion
from generators.training.settings import TrainingSettings

#: What a network can see of the place of a cell.
IMAGES = ("radius", "layer", "angle")

#: Numbers that the finest level of a network holds of the rows that pass it together; bounds the memory.
_NUMBERS = 1 << 21


@register
@dataclass(kw_only=True, eq=False)
class CylindricalDiffusion(ScoreDiffusion):
    """Diffusion of the cells of `layers` = [angles, rings] by a `CylindricalUNet`, see `ScoreDiffusion`.

    `radii` are the edges of the rings of every layer; without them layers of different numbers of rings have equal
    rings out to one radius. Layers of different cells are put on one grid by maps that are learned with the rest, see
    `CylinderEmbedding`. `images` are what cells know of their place, of "radius", "layer" and "angle": with the last
    one, which published networks of irregular layers have, a turned shower is no turned one any more. `channels` are
    multiples of 8. With the defaults and 45 layers of 16 × 9 voxels it has the 517,969 parameters of CaloDiffusion for
    CaloChallenge 2.

    The network gives the angular velocity, from which noise and data follow, instead of the noise.
    """

    kind: ClassVar[str] = "cylindrical_diffusion"

    layers: Sequence[Sequence[int]] = ((1, 2),)
    radii: Sequence[Sequence[float]] = ()
    images: Sequence[str] = ("radius", "layer")
    channels: Sequence[int] = (16, 16, 16, 32)
    schedule: str = "cosine"
    sampling_steps: int = 16
    log_density: str = "hutchinson"
    probes: int = 4
    bijection: str | dict[str, Any] = "standardise"
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(epochs=500, batch_size=128, learning_rate=4e-4, ema_decay=0.999)
    )

    @override
    def complete(self) -> None:
        self.layers = [list(layer) for layer in checked_layers(self.layers)]
        self.radii = [list(edges) for edges in self.radii]
        self.images, self.channels = list(self.images), list(self.channels)
        most = max(angles for angles, _ in self.layers)
        if any(most % angles for angles, _ in self.layers):
            raise HyperparameterError(
                f"layers = {self.layers} of {self.kind}: every number of angles must divide the largest, {most}."
            )
        wrong = [edges for edges in self.radii if sorted(set(edges)) != edges or edges[:1] < [0]]
        if self.radii and (wrong or [len(edges) - 1 for edges in self.radii] != [rings for _, rings in self.layers]):
            raise HyperparameterError(
                f"radii = {self.radii} of {self.kind} must be rising edges, from 0 or more, of the rings of each of "
                f"{len(self.layers)} layers, one more than rings."
            )
        if len(set(self.images)) != len(self.images) or not set(self.images) <= set(IMAGES):
            raise HyperparameterError(f"images = {self.images} of {self.kind} are different ones of {IMAGES}.")
        if len(self.channels) < 2 or any(number < GROUPS or number % GROUPS for number in self.channels):
            raise HyperparameterError(
                f"channels = {self.channels} of {self.kind} must be two or more multiples of {GROUPS}."
            )

    @override
    def network(self, features: int, context: int) -> Cylinder:
        voxels = sum(math.prod(layer) for layer in self.layers)
        if voxels != features:
            raise ShapeError(f"layers of {self.kind} hold {voxels} cells, but there are {features} features.")
        return Cylinder(self.layers, self.radii, context, images=self.images, channels=self.channels)


class Cylinder(nn.Module):
    """Angular velocity of cells (N, V), by way of one grid for all layers."""

    places: Tensor

    def __init__(
        self,
        layers: Sequence[Sequence[int]],
        radii: Sequence[Sequence[float]],
        context: int,
        *,
        images: Sequence[str],
        channels: Sequence[int],
    ) -> None:
        super().__init__()
        equal = len({tuple(layer) for layer in layers}) == 1 and len({tuple(edges) for edges in radii}) <= 1
        edges = list(radii) or [[ring / rings for ring in range(rings + 1)] for _, rings in layers]
        self.embedding = None if equal else CylinderEmbedding(layers, edges)
        self.grid = (len(layers), *layers[0]) if self.embedding is None else self.embedding.grid
        self.register_buffer("places", _places(self.grid, common_edges(edges), images), persistent=False)
        self.rows_at_once = max(1, _NUMBERS // (math.prod(self.grid) * max(channels)))
        self.unet = CylindricalUNet(self.grid, 1 + len(images), context, channels=channels)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """Velocity (N, V) of x (N, V) at times t (N,) or () in [0, 1], given c (N, C)."""
        cells = x.reshape(len(x), *self.grid) if self.embedding is None else self.embedding(x)
        places = self.places.to(x.dtype).expand(len(x), *self.places.shape)
        found: Tensor = self.unet(torch.cat([cells[:, None], places], dim=1), t, c)[:, 0]
        return found.flatten(1) if self.embedding is None else self.embedding.back(found)


@register
@dataclass(kw_only=True, eq=False)
class CaloDiffusion(GivenLayersDensity):
    """Voxels of all layers at once, given their energies as in version 2.0, by a "cylindrical_diffusion".

    In the chain "showers" any density of the energies of layers goes with it. None of the public programs has a
    density of showers; here it is that of the probability flow.
    """

    kind: ClassVar[str] = "calo_diffusion"

    flow: dict[str, Any] = field(default_factory=lambda: {"kind": "cylindrical_diffusion"})

    @override
    def complete(self) -> None:
        if self.flow.get("kind") != CylindricalDiffusion.kind:
            raise HyperparameterError(f"flow of {self.kind}: {self.flow!r} is no 'cylindrical_diffusion'.")
        self.flow = self.completed({**self.flow, "layers": self.layers}, "flow")

    @override
    def parts(self) -> list[Part]:
        return [Part([LayersBlock(self.known, range(len(self.layers)))], create(self.flow))]


def _places(grid: Sequence[int], edges: Sequence[float], images: Sequence[str]) -> Tensor:
    """What cells of a grid see of their place, (images, layers, angles, rings), in [0, 1]."""
    layers, angles, _ = grid
    at = torch.tensor(list(edges), dtype=torch.float32)
    known = {
        "radius": (0.5 * (at[1:] + at[:-1]) / at[-1])[None, None, :],
        "layer": (torch.arange(layers) / layers)[:, None, None],
        "angle": torch.linspace(0, 1, angles)[None, :, None],
    }
    return torch.stack([known[name].expand(*grid) for name in images]) if images else torch.zeros(0, *grid)
