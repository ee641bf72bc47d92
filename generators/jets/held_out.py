"""How far clouds are from those held out, for the choice of an epoch: the losses of adversaries do not say."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generators.adversarial.collapse import Watch, signs
from generators.adversarial.distances import directions_of, sliced_wasserstein
from generators.adversarial.phases import Adversaries
from generators.bijections.base import FittedBijection
from generators.jets.lengths import prefix_mask
from generators.training.batches import Rows

#: Random directions beside those of the summaries themselves, and events that are compared.
_DIRECTIONS, _EVENTS = 64, 5_000
#: Behind the preprocessing nothing true lies so far; before training anything may.
_FARTHEST = 12.0


class DistanceToHeldOut:
    """Mean Wasserstein distance of summaries of jets and context, generated ones from those held out.

    It is taken along every summary, of which the mass of the jet is one (2106.11535 chooses by that alone), and along
    random directions, all in units of the width of true ones. `watch` sees the same events. `size` is the place of pT,
    or of the energy of a point, among the features.
    """

    def __init__(self, bijection: FittedBijection, watch: Watch, size: int) -> None:
        self.bijection, self.watch, self.size = bijection, watch, size

    def __call__(self, model: nn.Module, held_out: Rows) -> float:
        """The distance of what `Adversaries` make."""
        assert isinstance(model, Adversaries)
        some = slice(0, _EVENTS)
        x, c, weights = held_out.x[some], held_out.context[some], held_out.weights[some]
        made = model.made_like(x, c)
        true_and_made = [self.summaries(z, c[:, -1].long()) for z in (x, made)]
        mean, width = true_and_made[0].mean(dim=0), true_and_made[0].std(dim=0, correction=0).clamp_min(1e-6)
        both = [torch.cat([(part - mean) / width, c.to(part)], dim=1) for part in true_and_made]
        along = torch.cat(
            [torch.eye(both[0].shape[1]).to(mean), directions_of(both[0].shape[1], _DIRECTIONS, like=mean)], 1
        )
        self._watch(model, both, x, made, c)
        return float(sliced_wasserstein(both[0], both[1], weights.to(mean), along))

    def summaries(self, z: Tensor, counts: Tensor) -> Tensor:
        """Of clouds z (N, P, F): m², ΣpT, ΣpT², centre and width in both angles, means and mean squares of features.

        m² is that of narrow jets of massless constituents, (N, 7 + 2 F) in all. Angles are the first two features that
        are not pT, whatever they are for points of showers.
        """
        mask = prefix_mask(counts, z.shape[1])
        rows = self.bijection.inverse(z[mask].double().clamp(-_FARTHEST, _FARTHEST).cpu())
        x = torch.zeros(*z.shape, dtype=torch.float64)
        x[mask.cpu()] = rows
        eta, phi = (x[..., place] for place in [k for k in range(x.shape[2]) if k != self.size][:2])
        pt = torch.where(mask.cpu(), x[..., self.size].clamp(max=_FARTHEST).exp(), 0.0)
        total = pt.sum(dim=1)
        first = [(pt * angle).sum(dim=1) for angle in (eta, phi)]
        second = [(pt * angle.square()).sum(dim=1) for angle in (eta, phi)]
        mass = (total * (second[0] + second[1]) - first[0].square() - first[1].square()).clamp_min(0).sqrt()
        number = counts.cpu().clamp_min(1)[:, None]
        inner = z.double().cpu().clamp(-_FARTHEST, _FARTHEST)
        moments = [inner.sum(dim=1) / number, inner.square().sum(dim=1) / number]
        whole = torch.stack([mass, total, pt.square().sum(dim=1), *first, *second], dim=1)
        return torch.cat([whole, *moments], dim=1)

    def _watch(self, model: Adversaries, both: list[Tensor], x: Tensor, made: Tensor, c: Tensor) -> None:
        scores = [model.critic(z, c) for z in (x, made)]
        one = [each if each.ndim == 1 else each.sum(dim=1) for each in scores]
        self.watch.look(signs(both[0], both[1], *(each.cpu() for each in one)))
