"""What of a fitted generator is a function of tensors alone, with its preprocessing: from user units to user units."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.errors import ExportError
from generators.tabular.base import FeatureDensity, NoiseMap, TabularGenerator, log_mean

Inputs = dict[str, Tensor]


class Graph(ABC):
    """A function of named inputs with the same number of rows, in double precision.

    `shapes` has the shape of a row of every input. Without context columns there is no `context`. A row with a NaN or
    infinity in it, or with a context that is not positive where it was in training, becomes NaN, because a graph can
    not raise an error.
    """

    name: ClassVar[str]
    output: ClassVar[str]

    def __init__(self, generator: TabularGenerator[Any], shapes: dict[str, tuple[int, ...]]) -> None:
        self.bijection, self.context_map = generator.bijection_, generator.context_map_
        # Copies, because a generator may live on a GPU.
        self.states: list[Any] = [copy.deepcopy(network).cpu() for network in generator.networks_]
        columns = len(generator.context_map_.shift)
        self.shapes = {"context": (columns,), **shapes} if columns else shapes

    @abstractmethod
    def evaluate(self, inputs: Inputs, context: Tensor, c: Tensor) -> Tensor:
        """The output, with the context (N, C) as the user and as the networks have it."""

    @abstractmethod
    def typical(self, context: Tensor, random: torch.Generator) -> Inputs:
        """The other inputs at some context (N, C), as they may well be."""

    def __call__(self, inputs: Inputs) -> Tensor:
        """The output, (N,) or (N, D)."""
        first = next(iter(inputs.values()))
        # Nothing may stumble over what can not be used: a NaN is no index.
        finite = {name: torch.isfinite(value) for name, value in inputs.items()}
        whole = {name: torch.where(finite[name], value, 0.0) for name, value in inputs.items()}
        context = whole.get("context", first.new_zeros(first.shape[0], 0))
        usable = ((context > 0) | ~self.context_map.logarithmic).all(dim=1)
        for true in finite.values():
            usable = usable & (true if true.ndim == 1 else true.flatten(1).all(dim=1))
        out = self.evaluate(whole, context, self.context_map.apply(context).float())
        return torch.where(usable if out.ndim == 1 else usable[:, None], out, torch.nan)

    def examples(self, rows: int, *, seed: int) -> Inputs:
        """Inputs for so many rows, at contexts within the range of the training."""
        random = torch.Generator().manual_seed(seed)
        shift, scale, logarithmic = self.context_map.shift, self.context_map.scale, self.context_map.logarithmic
        value = shift + scale * (2 * torch.rand(rows, len(shift), generator=random, dtype=torch.float64) - 1)
        context = torch.where(logarithmic, value.exp(), value)
        every = {"context": context, **self.typical(context, random)}
        return {name: every[name] for name in self.shapes}


class Sampler(Graph):
    """Events x (N, D) from context (N, C), normal `noise` (N, …), and a `choice` (N,) in [0, 1) among several states.

    Where `TabularGenerator.sample` shares the rows among the states, every row here chooses its own, so that a single
    row is drawn from all of them. For this all states are evaluated at every row.
    """

    name = "sampler"
    output = "x"

    def __init__(self, generator: TabularGenerator[Any]) -> None:
        network = generator.networks_[0]
        if not isinstance(network, NoiseMap):
            raise ExportError(
                f"This '{generator.kind}' draws in other ways than by a function of normal noise, so its sampler can "
                "not be exported. Sample in Python, or use another generator; its log-density may be exported."
            )
        shapes: dict[str, tuple[int, ...]] = {"noise": network.noise_shape}
        super().__init__(generator, shapes | {"choice": ()} if len(generator.networks_) > 1 else shapes)

    @override
    def evaluate(self, inputs: Inputs, context: Tensor, c: Tensor) -> Tensor:
        z = torch.stack([state.transport(inputs["noise"], c).double() for state in self.states])
        if "choice" in inputs:
            last = z.shape[0] - 1
            state = (inputs["choice"] * z.shape[0]).floor().clamp(0, last).long()
            z = z.gather(0, state[None, :, None].expand(-1, -1, z.shape[2]))
        return self.bijection.inverse(z[0], context)

    @override
    def typical(self, context: Tensor, random: torch.Generator) -> Inputs:
        rows = context.shape[0]
        return {
            "noise": torch.randn(rows, *self.shapes["noise"], generator=random, dtype=torch.float64),
            "choice": torch.rand(rows, generator=random, dtype=torch.float64),
        }


class LogProb(Graph):
    """Log p(x | c), (N,), natural, per unit of x (N, D), at context (N, C): `FeatureDensity.log_prob`."""

    name = "log_prob"
    output = "log_prob"

    def __init__(self, generator: FeatureDensity) -> None:
        super().__init__(generator, {"x": (generator.features_,)})
        # Once for all: they are made by writing into a tensor, which a graph can not.
        self.points = generator.noise_points_

    @override
    def evaluate(self, inputs: Inputs, context: Tensor, c: Tensor) -> Tensor:
        return log_mean(self.bijection, self.states, self.points, inputs["x"], context, c)

    @override
    def typical(self, context: Tensor, random: torch.Generator) -> Inputs:
        z = torch.randn(context.shape[0], *self.shapes["x"], generator=random, dtype=torch.float64)
        return {"x": self.bijection.inverse(z, context)}
