"""Networks that see what jets and constituents are, each quantity in units of its width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cathode.classifiers.constituents import JET, PARTICLE, quantities

#: Standardised quantities are cut here: an outlier must not drown all others.
_FARTHEST = 10.0
#: Events at once when mean and width are found.
_CHUNK = 4096


class StandardisedQuantities(nn.Module):
    """The mean and width of the quantities of constituents and jets, which are not trained."""

    particle_mean: Tensor
    particle_scale: Tensor
    jet_mean: Tensor
    jet_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, size in (("particle", len(PARTICLE)), ("jet", len(JET))):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))

    def standardise(self, x: Tensor, weights: Tensor) -> None:
        """Set mean and width of all quantities from events x (N, J, P, 3) with weights (N,)."""
        sums = [torch.zeros(3, size, dtype=torch.float64) for size in (len(PARTICLE), len(JET))]
        for start in range(0, len(x), _CHUNK):
            part = quantities(x[start : start + _CHUNK])
            w = weights[start : start + _CHUNK].double()
            for total, values, there in (
                (sums[0], part.particles, part.present),
                (sums[1], part.jets, part.jet_present),
            ):
                each = (w.view(-1, *[1] * (there.ndim - 1)) * there).reshape(-1, 1)
                v = values.reshape(-1, values.shape[-1]).double()
                total += torch.stack(
                    [each.sum(dim=0).expand(v.shape[1]), (each * v).sum(dim=0), (each * v * v).sum(dim=0)]
                )
        for name, (number, first, second) in zip(("particle", "jet"), sums, strict=True):
            mean, scale = mean_and_scale(number, first, second)
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_scale").copy_(scale)

    def standard_particles(self, values: Tensor) -> Tensor:
        """Quantities (…, 5) of constituents in units of their width."""
        return standard(values, self.particle_mean, self.particle_scale)

    def standard_jets(self, values: Tensor) -> Tensor:
        """Quantities (…, 5) of jets in units of their width."""
        return standard(values, self.jet_mean, self.jet_scale)


def mean_and_scale(number: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and width from the sums of weights, of weighted values and of weighted squares."""
    mean = first / number
    scale = (second / number - mean**2).clamp(min=0).sqrt()
    # A quantity that never changes, such as N of jets cut to the same length, stays zero.
    return mean, torch.where(scale > 1e-6 * (1 + mean.abs()), scale, 1.0)


def standard(values: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Values in units of the width from the mean, and cut."""
    return ((values - mean) / scale).clamp(-_FARTHEST, _FARTHEST)
