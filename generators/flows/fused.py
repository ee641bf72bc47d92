"""The compiled splines as differentiable functions of torch, with rules for vmap and for both modes of derivatives."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor

from generators.errors import ShapeError
from generators.flows import composed_spline, kernels

logger = logging.getLogger(__name__)

Pair = tuple[Tensor, Tensor]


def forward(x: Tensor, parameters: Tensor, bound: float, minimum: float) -> Pair:
    """Map x (…) with parameters (3K − 1, …) to y (…) and log dy/dx (…)."""
    if _nobody_watches():
        return _call(kernels.forward, x, parameters, bound, minimum)
    # What torch.func needs of a function costs as much as a small spline.
    plain = not torch._C._are_functorch_transforms_active()
    return _apply(_Plain if plain else Forward, x, parameters, bound, minimum)  # type: ignore[no-any-return]


def inverse(y: Tensor, parameters: Tensor, bound: float, minimum: float) -> Pair:
    """Map y (…) back to x (…), and give log dx/dy (…)."""
    if _nobody_watches():
        return _call(kernels.inverse, y, parameters, bound, minimum)
    return _apply(Inverse, y, parameters, bound, minimum)  # type: ignore[no-any-return]


def _nobody_watches() -> bool:
    """Without derivatives and transformations of torch.func, the call is all there is to do."""
    return not (torch.is_grad_enabled() or torch._C._are_functorch_transforms_active())


class _Plain(torch.autograd.Function):
    """`Forward` where only backward derivatives are asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, parameters: Tensor, bound: float, minimum: float) -> Pair:
        ctx.constants = bound, minimum
        ctx.save_for_backward(x, parameters)
        return _call(kernels.forward, x, parameters, bound, minimum)

    @staticmethod
    def backward(ctx: Any, g_y: Tensor, g_log: Tensor) -> Any:
        if torch.is_grad_enabled():
            return *_apply(Gradient, *ctx.saved_tensors, g_y, g_log, *ctx.constants), None, None
        x, parameters = ctx.saved_tensors
        bound, minimum = ctx.constants
        return *_gradient(x, parameters, g_y, g_log, bound, minimum), None, None


class Forward(torch.autograd.Function):
    """(x (…), parameters (3K − 1, …), bound, minimum) to y (…) and log dy/dx (…)."""

    @staticmethod
    def forward(x: Tensor, parameters: Tensor, bound: float, minimum: float) -> Pair:
        """See the class."""
        return _call(kernels.forward, x, parameters, bound, minimum)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the arguments: everything else is computed again."""
        x, parameters, *ctx.constants = inputs
        ctx.save_for_backward(x, parameters)
        ctx.save_for_forward(x, parameters)

    @staticmethod
    def backward(ctx: Any, g_y: Tensor, g_log: Tensor) -> Any:
        """Gradients of x and of the parameters."""
        return *_apply(Gradient, *ctx.saved_tensors, g_y, g_log, *ctx.constants), None, None

    @staticmethod
    def jvp(ctx: Any, t_x: Tensor | None, t_parameters: Tensor | None, *_: None) -> Any:
        """Forward derivatives, from the gradients of either result."""
        x, parameters = ctx.saved_tensors
        one, none = torch.ones_like(x), torch.zeros_like(x)
        return tuple(
            _directional(_apply(Gradient, x, parameters, *seeds, *ctx.constants), t_x, t_parameters)
            for seeds in ((one, none), (none, one))
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, parameters: Tensor, *constants: float) -> Any:
        """A batch is one more dimension of the values."""
        x, parameters = _spread(info.batch_size, in_dims, x, parameters)
        return _apply(Forward, x, parameters, *constants), (0, 0)


class Inverse(torch.autograd.Function):
    """(y (…), parameters (3K − 1, …), bound, minimum) to x (…) and log dx/dy (…)."""

    @staticmethod
    def forward(y: Tensor, parameters: Tensor, bound: float, minimum: float) -> Pair:
        """See the class."""
        return _call(kernels.inverse, y, parameters, bound, minimum)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the result, where the forward map has the derivatives that are needed."""
        _, parameters, *ctx.constants = inputs
        ctx.save_for_backward(*output, parameters)
        ctx.save_for_forward(*output, parameters)

    @staticmethod
    def backward(ctx: Any, g_x: Tensor, g_log: Tensor) -> Any:
        """By the theorem of implicit functions, from the gradients of the forward map at x."""
        x, log_slope, parameters = ctx.saved_tensors
        none = torch.zeros_like(x)
        bend, _ = _apply(Gradient, x, parameters, none, -g_log, *ctx.constants)
        g_y = (g_x + bend) * log_slope.exp()
        _, g_parameters = _apply(Gradient, x, parameters, -g_y, -g_log, *ctx.constants)
        return g_y, g_parameters, None, None

    @staticmethod
    def jvp(ctx: Any, t_y: Tensor | None, t_parameters: Tensor | None, *_: None) -> Any:
        """Forward derivatives, likewise."""
        x, log_slope, parameters = ctx.saved_tensors
        one, none = torch.ones_like(x), torch.zeros_like(x)
        moved = _directional(_apply(Gradient, x, parameters, one, none, *ctx.constants), None, t_parameters)
        t_x = ((0.0 if t_y is None else t_y) - moved) * log_slope.exp()
        t_log = _directional(_apply(Gradient, x, parameters, none, one, *ctx.constants), t_x, t_parameters)
        return t_x, -t_log

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], y: Tensor, parameters: Tensor, *constants: float) -> Any:
        """A batch is one more dimension of the values."""
        y, parameters = _spread(info.batch_size, in_dims, y, parameters)
        return _apply(Inverse, y, parameters, *constants), (0, 0)


class Gradient(torch.autograd.Function):
    """Gradients of x (…) and of the parameters (3K − 1, …) from those of the results of `Forward`."""

    @staticmethod
    def forward(x: Tensor, parameters: Tensor, g_y: Tensor, g_log: Tensor, bound: float, minimum: float) -> Pair:
        """See the class."""
        return _gradient(x, parameters, g_y, g_log, bound, minimum)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep everything for second derivatives."""
        *tensors, ctx.bound, ctx.minimum = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Second derivatives are rare: by torch, through the composed spline."""

        def gradient(x: Tensor, parameters: Tensor, g_y: Tensor, g_log: Tensor) -> Any:
            def spline(x: Tensor, parameters: Tensor) -> Pair:
                return composed_spline.composed(x, parameters, bound=ctx.bound, minimum=ctx.minimum)

            return torch.func.vjp(spline, x, parameters)[1]((g_y, g_log))

        return *torch.func.vjp(gradient, *ctx.saved_tensors)[1](grads), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> Any:
        """A batch is one more dimension of the values."""
        x, parameters, g_y, g_log, *constants = inputs
        values = [
            _first(tensor, dim, info.batch_size)
            for tensor, dim in zip((x, g_y, g_log), (in_dims[0], *in_dims[2:4]), strict=True)
        ]
        _, parameters = _spread(info.batch_size, in_dims, x, parameters)
        return _apply(Gradient, values[0], parameters, *values[1:], *constants), (0, 1)


def _rows_of(parameters: Tensor, *values: Tensor) -> Any:
    """The parameters as an array (3K − 1, M), after a look at the shapes: the kernels trust them."""
    for tensor in values:
        if tensor.shape != parameters.shape[1:] or len(parameters) % 3 != 2:
            raise ShapeError(
                f"Splines with parameters {tuple(parameters.shape)}, which must be (3 bins − 1, …), can not be applied "
                f"to values {tuple(tensor.shape)}."
            )
    return np.ascontiguousarray(parameters.detach().numpy()).reshape(len(parameters), -1)


def _call(kernel: Any, values: Tensor, parameters: Tensor, bound: float, minimum: float) -> Pair:
    p = _rows_of(parameters, values)
    out, log_slope = np.empty(values.shape, p.dtype), np.empty(values.shape, p.dtype)
    kernel(_flat(values), p, bound, minimum, out.reshape(-1), log_slope.reshape(-1))
    return torch.from_numpy(out), torch.from_numpy(log_slope)


def _gradient(x: Tensor, parameters: Tensor, g_y: Tensor, g_log: Tensor, bound: float, minimum: float) -> Pair:
    p = _rows_of(parameters, x, g_y, g_log)
    g_x, g_p = np.empty(x.shape, p.dtype), np.empty(parameters.shape, p.dtype)
    rows = g_p.reshape(len(p), -1)
    kernels.backward(_flat(x), p, bound, minimum, _flat(g_y), _flat(g_log), g_x.reshape(-1), rows)
    return torch.from_numpy(g_x), torch.from_numpy(g_p)


def _flat(values: Tensor) -> Any:
    return values.detach().numpy().ravel()


def _directional(gradients: Any, t_x: Tensor | None, t_parameters: Tensor | None) -> Any:
    g_x, g_parameters = gradients
    total = 0.0 if t_x is None else g_x * t_x
    return total if t_parameters is None else total + (g_parameters * t_parameters).sum(dim=0)


def _first(tensor: Tensor, dim: int | None, size: int) -> Tensor:
    """`tensor` with its batch, or `size` copies, along the first dimension."""
    return tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)


def _spread(size: int, dims: tuple[int | None, ...], x: Tensor, parameters: Tensor) -> Pair:
    """Values (batch, …) and parameters (3K − 1, batch, …)."""
    return _first(x, dims[0], size), _first(parameters, dims[1], size).movedim(0, 1)


def _apply(function: Any, *arguments: Any) -> Any:
    return function.apply(*arguments)


for _function in (Forward.forward, Inverse.forward, Gradient.forward):
    # torch asks for the signature at every call, and finding it takes longer than a small spline.
    _function.__signature__ = inspect.signature(_function)  # type: ignore[union-attr]

if not kernels.is_kept(kernels.backward):
    # Of this machine at this moment, not of what is computed: no result repeats it.
    logger.warning(
        "Splines are compiled for this processor, once per installation; that takes up to half a minute.",
        extra={"of_machine": True},
    )
