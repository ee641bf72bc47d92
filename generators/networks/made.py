"""Masked networks: the parameters of feature i depend on the context and on the features before i."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Callable[[Tensor], Tensor]

#: Networks see no number beyond this: an outlier of 1e30 would be the square of itself two layers later.
FARTHEST = 1e4

#: From the units of one degree (U, N), in order of degree, to those of the next layer that now see all they may.
Grow = Callable[[int, Tensor], Tensor]


class MADE(nn.Module):
    """Masked autoencoder for distribution estimation (Germain et al., 1502.03509).

    Maps x (N, D) and context (N, C) or None to `output_multiplier` parameters of every feature. Layers and names of
    weights are those of nflows, so that weights can be exchanged; blocks are plain layers or residual pairs of layers.
    In nflows nothing, not even the context, reaches the parameters of the first feature; with `see_context` a share of
    the hidden units sees nothing but the context, and it does. With `reverse` the order of features is that from the
    last to the first.
    """

    def __init__(
        self,
        features: int,
        hidden_features: int,
        context_features: int | None = None,
        *,
        num_blocks: int = 2,
        output_multiplier: int = 1,
        use_residual_blocks: bool = True,
        random_mask: bool = False,
        activation: Activation = functional.relu,
        dropout_probability: float = 0.0,
        use_batch_norm: bool = False,
        see_context: bool = False,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        self.features, self.output_multiplier = features, output_multiplier
        self.activation = activation
        self.last_activation: Activation = _identity if use_residual_blocks else activation
        # A unit of degree d sees the first d features; these have the degrees 1 … D.
        self.order = list(range(features))[:: -1 if reverse else 1]
        inputs = 1 + torch.tensor(self.order)
        lowest = 0 if see_context else min(1, features - 1)

        def degrees() -> Tensor:
            if random_mask and not use_residual_blocks:
                return torch.randint(lowest, features, (hidden_features,))
            return torch.arange(hidden_features) % max(1, features - lowest) + lowest

        self.initial_layer = MaskedLinear(inputs, degrees())
        if context_features is not None:
            self.context_layer = nn.Linear(context_features, hidden_features)
        make = _ResidualBlock if use_residual_blocks else _PlainBlock
        blocks: list[nn.Module] = []
        before = self.initial_layer.degrees
        for _ in range(num_blocks):
            after = degrees()
            blocks.append(make(before, after, context_features, activation, dropout_probability, use_batch_norm))
            before = after
        self.blocks = nn.ModuleList(blocks)
        self.final_layer = MaskedLinear(before, inputs.repeat_interleave(output_multiplier), strict=True)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Parameters (N, D · P), those of one feature side by side."""
        out: Tensor = self.final_layer(self._hidden(x, context))
        return out

    def by_parameter(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Parameters (P, D, N): the product is asked for in that order, as transposing it would cost as much."""
        shape = (self.features, self.output_multiplier, -1)
        weight = (self.final_layer.weight * self.final_layer.mask).view(shape).transpose(0, 1).flatten(0, 1)
        bias = self.final_layer.bias.view(shape[:2]).t().reshape(-1, 1)
        out = torch.addmm(bias, weight, self._hidden(x, context).t())
        return out.view(self.output_multiplier, self.features, x.shape[0])

    def unroll(self, solve: Callable[[int, Tensor], Tensor], rows: Tensor, context: Tensor | None = None) -> Tensor:
        """Find x (N, D) feature by feature: `solve(i, parameters (P, N))` gives feature i for the N rows of `rows`.

        Every hidden unit is computed once, as soon as the features that it sees are known, so that all features
        together cost one pass of the network and not one pass each.
        """
        first = self.initial_layer.units.order
        beside = None if context is None else self.activation(_beside(self.context_layer, first, context))
        layers = [self.initial_layer.grower(torch.tensor(self.order, device=rows.device), beside)]
        before = self.initial_layer.units
        for block in self.blocks:
            assert isinstance(block, _ResidualBlock | _PlainBlock)
            layers.append(block.grower(before, context))
            before = block.units
        layers.append(self.final_layer.grower(before.order))
        columns: dict[int, Tensor] = {}
        new = rows.new_empty(0, rows.shape[0])
        for degree, feature in enumerate(self.order):
            new = self.last_activation(layers[0](degree, new))
            for grow in layers[1:]:
                new = grow(degree, new)
            columns[feature] = solve(feature, new)
            new = columns[feature][None].clamp(-FARTHEST, FARTHEST)
        return torch.stack([columns[feature] for feature in range(self.features)], dim=1)

    def _hidden(self, x: Tensor, context: Tensor | None) -> Tensor:
        h: Tensor = self.initial_layer(x.clamp(-FARTHEST, FARTHEST))
        if context is not None:
            h = h + self.activation(self.context_layer(context))
        h = self.last_activation(h)
        for block in self.blocks:
            h = block(h, context)
        return h


class MaskedLinear(nn.Linear):
    """Linear layer in which a unit sees the units of its own degree and below, or `strict`ly below."""

    mask: Tensor
    degrees: Tensor
    units: _Units

    def __init__(self, before: Tensor, after: Tensor, *, strict: bool = False) -> None:
        super().__init__(len(before), len(after))
        self.strict = strict
        self.register_buffer("mask", ((after[:, None] - int(strict)) >= before[None, :]).to(torch.float32))
        self.register_buffer("degrees", after)
        _read_degrees(self, None)
        self.register_load_state_dict_post_hook(_read_degrees)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        """(N, units before) to (N, units)."""
        return functional.linear(x, self.weight * self.mask, self.bias)

    def grower(self, before: Tensor, beside: Tensor | None = None) -> Grow:
        """The layer one degree at a time, for inputs that come in the order `before`; adds `beside` (units, N)."""
        # With units and inputs in order of degree, everything that is needed later is a slice.
        order, before = (index.to(self.weight.device) for index in (self.units.order, before))
        weight = (self.weight * self.mask).index_select(0, order).index_select(1, before)
        bias = self.bias.index_select(0, order)[:, None]
        known = _Rows(len(before))

        def grow(degree: int, new: Tensor) -> Tensor:
            seen, mine = known.append(new), self.units.of(degree)
            out = torch.addmm(bias[mine], weight[mine, : len(seen)], seen)
            return out if beside is None else out + beside[mine]

        return grow


class _Units:
    """The units of a layer in order of degree; counts are numbers of Python, as what is computed depends on them."""

    def __init__(self, degrees: Tensor) -> None:
        self.order = degrees.argsort(stable=True)
        ranked = sorted(degrees.tolist())
        self._starts = [bisect_left(ranked, degree) for degree in range(max(ranked, default=0) + 2)]

    def of(self, degree: int) -> slice:
        """The units of a degree, in that order."""
        last = len(self._starts) - 1
        return slice(self._starts[min(degree, last)], self._starts[min(degree + 1, last)])


class _Rows:
    """Rows (n, N) that come in parts, as one tensor of those that have come."""

    def __init__(self, rows: int) -> None:
        self.rows, self.filled = rows, 0
        self.buffer: Tensor | None = None

    def append(self, new: Tensor) -> Tensor:
        """All rows so far."""
        if self.buffer is None:
            # Written to in place only where nobody looks for derivatives or records what is done.
            self.fixed = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
            self.buffer = new.new_empty(self.rows, new.shape[1]) if self.fixed else new[:0]
        if self.fixed:
            self.buffer[self.filled : self.filled + len(new)] = new
        else:
            self.buffer = torch.cat([self.buffer, new])
        self.filled += len(new)
        return self.buffer[: self.filled]


class _PlainBlock(nn.Module):
    """Normalisation, masked layer, activation, dropout."""

    def __init__(
        self, before: Tensor, after: Tensor, context: int | None, activation: Activation, dropout: float, norm: bool
    ) -> None:
        super().__init__()
        self.batch_norm = nn.BatchNorm1d(len(before), eps=1e-3) if norm else None
        self.linear = MaskedLinear(before, after)
        self.activation, self.dropout = activation, nn.Dropout(dropout)

    @property
    def units(self) -> _Units:
        return self.linear.units

    def forward(self, h: Tensor, context: Tensor | None) -> Tensor:
        h = h if self.batch_norm is None else self.batch_norm(h)
        out: Tensor = self.dropout(self.activation(self.linear(h)))
        return out

    def grower(self, before: _Units, context: Tensor | None) -> Grow:
        linear = self.linear.grower(before.order)

        def grow(degree: int, new: Tensor) -> Tensor:
            out: Tensor = self.dropout(self.activation(linear(degree, _normed(self.batch_norm, new, before, degree))))
            return out

        return grow


class _ResidualBlock(nn.Module):
    """h + the sum of two masked layers, each behind normalisation and activation; the first sees the context too."""

    def __init__(
        self, before: Tensor, after: Tensor, context: int | None, activation: Activation, dropout: float, norm: bool
    ) -> None:
        super().__init__()
        width = len(after)
        if context is not None:
            self.context_layer = nn.Linear(context, width)
        if norm:
            self.batch_norm_layers = nn.ModuleList(nn.BatchNorm1d(width, eps=1e-3) for _ in range(2))
        self.linear_layers = nn.ModuleList([MaskedLinear(before, after), MaskedLinear(after, after)])
        self.activation, self.dropout = activation, nn.Dropout(dropout)
        for parameter in self.linear_layers[1].parameters():
            nn.init.uniform_(parameter, -1e-3, 1e-3)

    @property
    def units(self) -> _Units:
        return self._linear(1).units

    def forward(self, h: Tensor, context: Tensor | None) -> Tensor:
        first, second = self.linear_layers
        inner = first(self.activation(self._norm(0, h)))
        if context is not None:
            inner = inner + self.context_layer(context)
        out: Tensor = h + second(self.dropout(self.activation(self._norm(1, inner))))
        return out

    def grower(self, before: _Units, context: Tensor | None) -> Grow:
        inner = self._linear(0)
        first = inner.grower(
            before.order, None if context is None else _beside(self.context_layer, inner.units.order, context)
        )
        second = self._linear(1).grower(self.units.order)
        norms = getattr(self, "batch_norm_layers", (None, None))

        def grow(degree: int, new: Tensor) -> Tensor:
            inner = first(degree, self.activation(_normed(norms[0], new, before, degree)))
            inner = self.dropout(self.activation(_normed(norms[1], inner, self.units, degree)))
            return new + second(degree, inner)

        return grow

    def _linear(self, index: int) -> MaskedLinear:
        layer = self.linear_layers[index]
        assert isinstance(layer, MaskedLinear)
        return layer

    def _norm(self, index: int, h: Tensor) -> Tensor:
        if not hasattr(self, "batch_norm_layers"):
            return h
        out: Tensor = self.batch_norm_layers[index](h)
        return out


def _identity(h: Tensor) -> Tensor:
    return h


def _beside(layer: nn.Linear, order: Tensor, context: Tensor) -> Tensor:
    """What a layer makes of the context, units in an order of their own, (units, N)."""
    order = order.to(layer.weight.device)
    out = layer.weight.index_select(0, order) @ context.t()
    return out if layer.bias is None else out + layer.bias.index_select(0, order)[:, None]


def _normed(norm: Any, h: Tensor, units: _Units, degree: int) -> Tensor:
    """Batch normalisation with running moments for the units of one degree, h (U, N)."""
    if norm is None:
        return h
    mine = units.order[units.of(degree)]
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    out: Tensor = scale[mine, None] * h + shift[mine, None]
    return out


def _read_degrees(layer: nn.Module, _: Any) -> None:
    """A loaded state may bring other degrees, if they were drawn at random."""
    assert isinstance(layer, MaskedLinear)
    if layer.degrees.is_meta:  # its parameters are counted, and nothing is computed
        return
    layer.units = _Units(layer.degrees - int(layer.strict))
