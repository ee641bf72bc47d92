"""How far pixel events are from those held out, for the choice of an epoch: the losses of adversaries do not say."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generators.adversarial.collapse import Watch, signs
from generators.adversarial.distances import directions_of, sliced_wasserstein
from generators.adversarial.phases import Adversaries
from generators.training.batches import Rows

#: Random directions beside those of the summaries themselves, principal ones, and events that are compared.
_DIRECTIONS, _PRINCIPAL, _EVENTS = 64, 4, 400
#: Charges, on the scale of networks, above which hits are counted apart.
_LARGE = (0.3, 0.5, 0.7, 0.9)
#: Batches of which the means and widths of the norms of a maker are taken.
_STANDING = 8


class DistanceToHeldOut:
    """Mean Wasserstein distance of summaries of events and context, along each, random and principal directions.

    All are in units of the width of true ones; hits are what is above `threshold`. Principal directions of the hits of
    sensors say what these have in common, and weigh as much as all others. `batch` events are made at once.
    """

    def __init__(self, threshold: float, batch: int, watch: Watch) -> None:
        self.threshold, self.batch, self.watch = threshold, batch, watch

    def __call__(self, model: nn.Module, held_out: Rows) -> float:
        """The distance of what `Adversaries` make, whose maker gets standing statistics for its norms."""
        assert isinstance(model, Adversaries)
        x, c, weights = (values[:_EVENTS] for values in (held_out.x, held_out.context, held_out.weights))
        standing_statistics(model, x, c, self.batch)
        both, scores = [], []
        for true in (True, False):
            parts, seen = [], []
            for rows, of_rows in zip(torch.split(x, self.batch), torch.split(c, self.batch), strict=True):
                events = rows if true else model.made_like(rows, of_rows)
                parts.append(self.summaries(events))
                seen.append(model.critic(events, of_rows))
            both.append(torch.cat(parts))
            scores.append(torch.cat(seen).cpu())
        mean, width = both[0].mean(dim=0), both[0].std(dim=0, correction=0).clamp_min(1e-6)
        scaled = [torch.cat([(part - mean) / width, c.to(part)], dim=1) for part in both]
        self.watch.look(signs(scaled[0], scaled[1], scores[0], scores[1]))
        features = scaled[0].shape[1]
        along = torch.cat([torch.eye(features).to(mean), directions_of(features, _DIRECTIONS, like=mean)], dim=1)
        common = principal(scaled[0], x.shape[1])
        far = [sliced_wasserstein(scaled[0], scaled[1], weights.to(mean), each) for each in (along, common)]
        return float(sum(far) / len(far))

    def summaries(self, z: Tensor) -> Tensor:
        """Of events z (N, S, R, C): hits of every sensor and of all, by charge, and how many touch; (N, S + 7)."""
        hit = z > self.threshold
        of_sensors = hit.sum(dim=(2, 3))
        some = of_sensors.sum(dim=1).clamp_min(1)
        large = [(z > charge).sum(dim=(1, 2, 3)) / some for charge in _LARGE]
        touching = [
            (hit[:, :, 1:] & hit[:, :, :-1]).sum(dim=(1, 2, 3)) / some,
            (hit[..., 1:] & hit[..., :-1]).sum(dim=(1, 2, 3)) / some,
        ]
        whole = torch.stack([of_sensors.sum(dim=1).float(), *large, *touching], dim=1)
        return torch.cat([of_sensors.double(), whole.double()], dim=1)


def principal(rows: Tensor, sensors: int) -> Tensor:
    """Directions (D, K) in which the first `sensors` columns of rows (N, D) are widest, to units of that width."""
    of_sensors = rows[:, :sensors] - rows[:, :sensors].mean(dim=0)
    values, vectors = torch.linalg.eigh(of_sensors.T @ of_sensors / len(rows))
    widest = vectors[:, -_PRINCIPAL:] / values[-_PRINCIPAL:].clamp_min(1e-6).sqrt()
    return torch.cat([widest, widest.new_zeros(rows.shape[1] - sensors, widest.shape[1])])


def standing_statistics(model: Adversaries, x: Tensor, c: Tensor, batch: int) -> None:
    """Let the batch norms of a maker have the mean statistics of some batches, as BigGAN does (1809.11096).

    Those of the training are of other weights than the average that is evaluated.
    """
    norms = [layer for layer in model.maker.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    for rows, of_rows in list(zip(torch.split(x, batch), torch.split(c, batch), strict=True))[:_STANDING]:
        model.made_like(rows, of_rows)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
