"""What keeps the slope of a critic bounded: a penalty on its gradient, or a norm of its layers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import is_parametrized

#: Layers that have a matrix to be normalised.
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def gradient_penalty(critic: Callable[[Tensor], Tensor], true: Tensor, made: Tensor) -> Tensor:
    """(|∇ critic| − 1)² of every event, (N,), half-way, at random, between true and generated events (N, *event).

    Gulrajani et al., 1704.00028. `critic` maps events to scores (N,), and none of them may depend on another event. The
    gradient is taken in single precision, and also where no gradients are kept, as in a validation.
    """
    share = torch.rand(true.shape[0], *[1] * (true.ndim - 1), dtype=true.dtype, device=true.device)
    learning = torch.is_grad_enabled()
    with torch.enable_grad(), _in_single_precision(true.device.type):
        between = torch.lerp(made.detach(), true.detach(), share).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=learning)
        # The root has no slope at zero.
        norm = (slope.flatten(1).square().sum(dim=1) + torch.finfo(slope.dtype).tiny).sqrt()
    penalty = (norm - 1).square()
    return penalty if learning else penalty.detach()


def slope_penalty(critic: Callable[[Tensor], Tensor], true: Tensor) -> Tensor:
    """Half of |∇ scores|² of every true event (N, S, *image), (N,), the mean over its images.

    R1 of Mescheder et al., 1801.04406, by which a critic at its best leaves a perfect generator alone. `critic` maps
    events to scores (N, S).
    """
    # Only the plain form of attention has second derivatives.
    plain = sdpa_kernel(SDPBackend.MATH)
    with torch.enable_grad(), _in_single_precision(true.device.type), plain:
        at = true.detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
    return slope.flatten(2).square().sum(dim=2).mean(dim=1) / 2


def _in_single_precision(device: str) -> AbstractContextManager[Any]:
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def spectrally_normed(network: nn.Module, *, iterations: int = 1) -> nn.Module:
    """The same network, the matrices of whose layers are divided by their largest singular value.

    Miyato et al., 1802.05957, by power iterations, so many in every pass of the training. What they have found is part
    of the state of the network.
    """
    for layer in list(network.modules()):
        if isinstance(layer, _LAYERS):
            parametrizations.spectral_norm(layer, n_power_iterations=iterations)
    return network


def weight_normed(network: nn.Module) -> nn.Module:
    """The same network, the rows of whose matrices are a length times a direction, each learned on its own.

    Salimans & Kingma, 1602.07868. The network is the same function at first.
    """
    for layer in list(network.modules()):
        if isinstance(layer, _LAYERS):
            parametrizations.weight_norm(layer)
    return network


def orthogonal_penalty(network: nn.Module) -> Tensor:
    """Sum over layers of the squares of W Wᵀ beside its diagonal (Brock et al., 1809.11096); embeddings have no say."""
    total = next(network.parameters()).new_zeros(())
    for layer in network.modules():
        if isinstance(layer, _LAYERS):
            # What is learned, not what a norm makes of it, which would take a step of its own.
            owner: Any = layer
            normed = is_parametrized(layer, "weight")
            rows: Tensor = (owner.parametrizations.weight.original if normed else owner.weight).flatten(1)
            # The smaller product has the same sum of squares of all its elements.
            product = rows @ rows.t() if rows.shape[0] <= rows.shape[1] else rows.t() @ rows
            total = total + product.square().sum() - rows.square().sum(dim=1).square().sum()
    return total
