"""Convolutional L2LFlows (Buss et al., 2405.20407): a flow of convolutions for every layer, given those before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from nflows.transforms import LULinear
from torch import Tensor, nn
from typing_extensions import override

from generators.errors import HyperparameterError, ShapeError
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.sizes import require_sizes
from generators.flows.stacks import coupling_stack
from generators.networks.image_unet import Embedding, ImageUNet
from generators.registry import create, register
from generators.showers.blocks import LayersBlock
from generators.showers.blockwise import Part
from generators.showers.given_layers import GivenLayersDensity
from generators.tabular.base import ConditionalDensity, LikelihoodDensity, NoiseSampler, TabularDensity
from generators.tabular.composed import ComposedFlow
from generators.tabular.precision import settled_precision
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class ImageFlow(TabularDensity):
    """A flow of images of `grid` = [angles, rings] cells, the angle slowest among the features.

    Cells are squeezed to channels, two by two where their number is even, and `blocks` times shifted and scaled, mapped
    by splines of one half of the channels given the other, and mixed by a matrix. The last columns of the context are
    images of the grids in `before`, the others numbers for the whole image. A grid with an odd number of angles and of
    rings has one channel only, and gets couplings of cells instead. `strides` are those of `ImageUNet`.
    """

    kind: ClassVar[str] = "image_flow"

    grid: Sequence[int] = (2, 1)
    before: Sequence[Sequence[int]] = ()
    blocks: int = 8
    hidden: int = 32
    embedded: int = 8
    strides: Sequence[Sequence[int]] = ((5, 3), (5, 3))
    bins: int = 10
    tail_bound: float = 15.0
    bijection: str | dict[str, Any] = "standardise"
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(epochs=800, batch_size=1024, learning_rate=6e-4, clip=100.0)
    )

    def __post_init__(self) -> None:
        sizes = {name: getattr(self, name) for name in ("blocks", "hidden", "embedded", "bins")}
        require_sizes(self.kind, **sizes)
        self.grid, self.before = list(self.grid), [list(grid) for grid in self.before]
        self.strides = [list(stride) for stride in self.strides]
        pairs = [self.grid, *self.before, *self.strides]
        if any(len(pair) != 2 or min(pair) < 1 for pair in pairs) or len(self.strides) != 2:
            raise HyperparameterError(
                f"grid = {self.grid}, before = {self.before} and two strides = {self.strides} of {self.kind} must be "
                "pairs of angles and rings."
            )
        if self.bins < 2 or not self.tail_bound > 0:
            raise HyperparameterError(
                f"bins = {self.bins} and tail_bound = {self.tail_bound} of {self.kind}: at least 2, and positive."
            )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        if features != math.prod(self.grid):
            raise ShapeError(f"grid = {self.grid} of {self.kind} has not the {features} features that there are.")
        if context < sum(map(math.prod, self.before)):
            raise ShapeError(f"{self.kind}: {context} columns of context are too few for the images {self.before}.")
        if math.prod(self._factor) == 1:
            univariate = RationalQuadratic(self.bins, self.tail_bound)
            sizes = {"blocks": self.blocks, "hidden": 4 * self.hidden, "layers": 2}
            return ComposedFlow(features, coupling_stack(univariate, features, context, **sizes))
        return ImageDensity(self, context, self._factor)

    @property
    def _factor(self) -> tuple[int, int]:
        return 2 - self.grid[0] % 2, 2 - self.grid[1] % 2


class ImageDensity(NoiseSampler, LikelihoodDensity):
    """The network of `ImageFlow`; in double precision once it draws or is asked for its density."""

    def __init__(self, flow: ImageFlow, context: int, factor: tuple[int, int]) -> None:
        super().__init__()
        self.features, self.grid, self.factor = math.prod(flow.grid), tuple(flow.grid), factor
        self.before = [tuple(grid) for grid in flow.before]
        self.numbers = context - sum(map(math.prod, self.before))
        known, channels = self.numbers + len(self.before), math.prod(factor)
        # Numbers alone are the same everywhere, and nothing is to be found in their neighbourhood.
        self.embedding = Embedding(known, flow.embedded, factor) if self.before else None
        maps = flow.embedded if self.before else known
        self.steps = nn.ModuleList(_Step(channels, maps, flow) for _ in range(flow.blocks))

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        precision = settled_precision(self)
        x, maps = self._squeezed(noise.to(precision)), self._maps(c.to(precision))
        for step in reversed(self.steps):
            assert isinstance(step, _Step)
            x = step.inverse(x, maps)
        (angles, rings), (one, other) = self.grid, self.factor
        out = x.reshape(len(x), one, other, angles // one, rings // other)
        return out.permute(0, 3, 1, 4, 2).reshape(len(x), -1)

    @override
    def log_likelihood(self, z: Tensor, c: Tensor) -> Tensor:
        x, maps, total = self._squeezed(z), self._maps(c), z.new_zeros(len(z))
        for step in self.steps:
            x, log_det = step(x, maps)
            total = total + log_det
        return total - 0.5 * (x.square() + math.log(2 * math.pi)).sum(dim=(1, 2, 3))

    def _squeezed(self, z: Tensor) -> Tensor:
        """Features (N, D) as channels (N, C, angles, rings) of coarser images."""
        (angles, rings), (one, other) = self.grid, self.factor
        x = z.reshape(len(z), angles // one, one, rings // other, other)
        return x.permute(0, 2, 4, 1, 3).reshape(len(z), one * other, angles // one, rings // other)

    def _maps(self, c: Tensor) -> Tensor:
        """What is known, on the cells of the squeezed images, (N, maps, angles, rings)."""
        (angles, rings), (one, other) = self.grid, self.factor
        numbers = c[:, : self.numbers, None, None]
        if self.embedding is None:
            return numbers.expand(-1, -1, angles // one, rings // other)
        images, place = [numbers.expand(-1, -1, angles, rings)], self.numbers
        for grid in self.before:
            image = c[:, place : place + math.prod(grid)].reshape(len(c), 1, *grid)
            # The cell of an earlier layer at the same share of the way round and of the way out.
            rows, columns = (
                torch.arange(own, device=c.device) * given // own for own, given in zip(self.grid, grid, strict=True)
            )
            images.append(image[:, :, rows][:, :, :, columns])
            place += math.prod(grid)
        out: Tensor = self.embedding(torch.cat(images, dim=1))
        return out


class _Step(nn.Module):
    """Shift and scale, splines of the second half of the channels given the first, and a matrix for every cell."""

    def __init__(self, channels: int, maps: int, flow: ImageFlow) -> None:
        super().__init__()
        self.spline = RationalQuadratic(flow.bins, flow.tail_bound)
        self.given = channels // 2
        self.shift, self.log_scale = (nn.Parameter(torch.zeros(1, channels, 1, 1)) for _ in range(2))
        out = (channels - self.given) * self.spline.parameters
        self.network = ImageUNet(self.given + maps, out, hidden=flow.hidden, strides=flow.strides)
        self.matrix = LULinear(channels, identity_init=True)

    def forward(self, x: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        cells = x.shape[2] * x.shape[3]
        x = (x + self.shift) * self.log_scale.exp()
        given, rest = x[:, : self.given], x[:, self.given :]
        rest, log_slope = self.spline.forward(rest.reshape(-1), self._parameters_of(given, maps, rest))
        x = torch.cat([given, rest.reshape(len(x), -1, *x.shape[2:])], dim=1).flip(1)
        weight, log_det = self.matrix.weight(), self.matrix.logabsdet()
        x = torch.einsum("oc,ncar->noar", weight, x) + self.matrix.bias[:, None, None]
        total = self.log_scale.sum() * cells + log_det * cells
        return x, log_slope.reshape(len(x), -1).sum(dim=1) + total

    def inverse(self, x: Tensor, maps: Tensor) -> Tensor:
        moved = x - self.matrix.bias[:, None, None]
        x = torch.einsum("oc,ncar->noar", torch.linalg.inv(self.matrix.weight()), moved).flip(1)
        given, rest = x[:, : self.given], x[:, self.given :]
        rest, _ = self.spline.inverse(rest.reshape(-1), self._parameters_of(given, maps, rest))
        x = torch.cat([given, rest.reshape(len(x), -1, *x.shape[2:])], dim=1)
        return x * (-self.log_scale).exp() - self.shift

    def _parameters_of(self, given: Tensor, maps: Tensor, rest: Tensor) -> Tensor:
        """Parameters (P, M) of all numbers of the rest, in their order."""
        out: Tensor = self.network(torch.cat([given, maps], dim=1))
        parameters = out.reshape(len(rest), rest.shape[1], self.spline.parameters, *rest.shape[2:])
        return parameters.permute(2, 0, 1, 3, 4).reshape(self.spline.parameters, -1)


@register
@dataclass(kw_only=True, eq=False)
class ConvL2LFlows(GivenLayersDensity):
    """Voxels of layers, each by an "image_flow" given its energy and the `before` last layers as images.

    With the defaults of `flow` and the 45 layers of 50 × 18 voxels of CaloChallenge 3 the flows have the 194,517,440
    parameters of the published ones.
    """

    kind: ClassVar[str] = "conv_l2lflows"

    before: int = 5
    flow: dict[str, Any] = field(default_factory=lambda: {"kind": "image_flow"})

    @override
    def complete(self) -> None:
        require_sizes(self.kind, before=self.before)
        if self.flow.get("kind") != ImageFlow.kind:
            raise HyperparameterError(f"flow of {self.kind}: {self.flow!r} is no 'image_flow'.")
        self.flow = self.completed(self.flow, "flow")

    @override
    def parts(self) -> list[Part]:
        parts = []
        for layer, grid in enumerate(self.layers):
            seen = list(range(max(0, layer - self.before), layer))
            own = {"grid": list(grid), "before": [list(self.layers[each]) for each in seen]}
            parts.append(Part([LayersBlock(self.known, [layer], seen=seen)], create({**self.flow, **own})))
        return parts
