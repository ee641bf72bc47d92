"""How far showers are from those held out, for the choice of an epoch: the losses of adversaries do not say."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor, nn

from generators.adversarial.collapse import Watch, signs
from generators.adversarial.distances import directions_of, sliced_wasserstein
from generators.adversarial.phases import Adversaries, Maker
from generators.showers.voxel_images import Images
from generators.training.batches import Rows

#: Random directions beside those of the summaries themselves, and numbers of voxels that are compared.
_DIRECTIONS, _VOXELS = 64, 10_000_000


class _WithSizes(Protocol):
    images: Images
    widest: int


class DistanceToHeldOut:
    """Mean Wasserstein distance of summaries of showers and context, generated ones from those held out.

    It is taken along every summary and along random directions, in units of the width of true ones. With a `watch`,
    that sees the same events, the model are `Adversaries`.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self.watch = watch

    def __call__(self, model: nn.Module, held_out: Rows) -> float:
        """The distance of what a `Maker` with `images` makes."""
        maker = model.maker if isinstance(model, Adversaries) else model
        known = cast(_WithSizes, maker)
        some = slice(0, max(100, _VOXELS // held_out.x.shape[1]))
        x, c, weights = held_out.x[some], held_out.context[some], held_out.weights[some]
        at_once = max(1, _VOXELS // known.widest)
        parts = zip(torch.split(x, at_once), torch.split(c, at_once), strict=True)
        made = torch.cat([cast(Maker, maker).made_like(*part) for part in parts])
        both = [summaries(z, c, known.images) for z in (x, made)]
        mean, width = both[0].mean(dim=0), both[0].std(dim=0, correction=0).clamp_min(1e-3)
        both = [torch.cat([(part - mean) / width, c[:, : known.images.columns].to(part)], dim=1) for part in both]
        along = torch.cat(
            [torch.eye(both[0].shape[1]).to(mean), directions_of(both[0].shape[1], _DIRECTIONS, like=mean)], dim=1
        )
        if self.watch is not None and isinstance(model, Adversaries):
            scores = [model.critic(z, c).cpu() for z in (x, made)]
            self.watch.look(signs(both[0].cpu(), both[1].cpu(), *scores))
        return float(sliced_wasserstein(both[0], both[1], weights.to(mean), along))


def summaries(z: Tensor, c: Tensor, images: Images) -> Tensor:
    """Of showers z (N, V) in units of the threshold: ln of the energy over the incident one, and of every layer these.

    Its share of the energy, the share of voxels at least at the threshold, centre and width in rows and columns, and
    the share of the largest voxel in the energy of the layer, (N, 1 + 7 L).
    """
    z = torch.where(z >= 1, z, torch.zeros_like(z)).double()
    total = z.sum(dim=1)
    found = [((total + 1) / images.energy(c)[:, 0].double()).log()]
    for image in images.split(z):
        energy = image.sum(dim=(1, 2))
        share = image / energy.clamp_min(1)[:, None, None]
        found += [energy / total.clamp_min(1), (image > 0).double().mean(dim=(1, 2)), share.amax(dim=(1, 2))]
        for axis, side in ((2, image.shape[1]), (1, image.shape[2])):
            at = torch.arange(side, dtype=z.dtype, device=z.device)
            along = share.sum(dim=axis)
            centre = (along * at).sum(dim=1)
            found += [centre, ((along * at.square()).sum(dim=1) - centre.square()).clamp_min(0).sqrt()]
    return torch.stack(found, dim=1)
