"""What maker and critic of pixel events lose: hinge losses of sensors, and terms of what these say of each other."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from generators.adversarial.augmentation import augmented, require_augmentations
from generators.adversarial.contrastive import data_to_data, intra_event, uniformity
from generators.adversarial.losses import Hinge
from generators.adversarial.phases import Adversaries
from generators.adversarial.regularisation import orthogonal_penalty, slope_penalty
from generators.errors import HyperparameterError
from generators.pixels.networks import PixelCritic, PixelMaker

#: Between such changes of a true image a critic is to see no difference.
_CONSISTENT = ("translation",)
_HINGE = Hinge()
#: Part of an ADU that is noise, so that rounding makes no larger charge.
_INSIDE = 0.99
#: The penalty on the slope of a critic is taken in one of so many steps on average, and counts so many times there.
_LAZY = 4


@dataclass(frozen=True)
class Terms:
    """How often each term counts beside the hinge loss, and what images go through in front of the critic."""

    contrastive: float
    uniformity: float
    intra_event: float
    orthogonal: float
    consistency: float
    slope: float
    augment: tuple[str, ...]

    def require(self, kind: str) -> None:
        """Refuse weights that are negative or no numbers, and names of no augmentation."""
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name != "augment" and not 0 <= value < math.inf:
                raise HyperparameterError(f"{each.name} = {value} of {kind} must be a number that is not negative.")
        require_augmentations(self.augment)


class Dequantised(nn.Module):
    """Charges of whole ADU, of which `edges` (257,) are the images, with uniform noise: at most `most`, and one ADU.

    The noise of the released code is 4·10⁻³ of the logarithmic scale at all charges, which are several ADU near 255.
    """

    edges: Tensor

    def __init__(self, edges: Tensor, most: float) -> None:
        super().__init__()
        self.register_buffer("edges", edges.float(), persistent=False)
        self.most = most

    def forward(self, z: Tensor) -> Tensor:
        """The same charges with noise."""
        middles = (self.edges[1:] + self.edges[:-1]) / 2
        width = (_INSIDE * self.edges.diff()).clamp(max=self.most)
        return z + torch.rand_like(z) * width[torch.bucketize(z, middles).clamp(max=len(width) - 1)]


class _Objective(nn.Module):
    """What both sides have: each step is of so many sensors, drawn at random, or of all."""

    def __init__(
        self, adversaries: Adversaries, terms: Terms, dequantised: Dequantised, sensors_at_once: int | None = None
    ) -> None:
        super().__init__()
        self.adversaries, self.terms, self.dequantised = adversaries, terms, dequantised
        self.sensors_at_once = sensors_at_once

    def chosen(self, x: Tensor) -> Tensor | None:
        """Sensors of events x (N, S, R, C), (K,); none if all are."""
        sensors = x.shape[1]
        if self.sensors_at_once is None or self.sensors_at_once >= sensors:
            return None
        return torch.randperm(sensors, device=x.device)[: self.sensors_at_once]

    def true(self, x: Tensor, sensors: Tensor | None) -> Tensor:
        """Images of those sensors with noise, but none where there is no charge if images are read out."""
        noisy: Tensor = self.dequantised(x if sensors is None else x[:, sensors])
        read: Tensor = maker_of(self.adversaries).read_out(noisy)
        return read

    def targets(self, sensors: Tensor | None) -> Tensor:
        """What the critic wants of the embeddings of those sensors."""
        found = critic_of(self.adversaries).targets()
        return found if sensors is None else found[sensors]


class CriticObjective(_Objective):
    """Loss of the critic: hinge, the contrastive and the uniformity term of true events, consistency and slope."""

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Of every event, (N,)."""
        terms, critic, sensors = self.terms, critic_of(self.adversaries), self.chosen(x)
        with torch.no_grad():
            made = maker_of(self.adversaries).draw(c, sensors=sensors)
        true = self.true(x, sensors)
        shown = [augmented(true, terms.augment), augmented(made, terms.augment)]
        if terms.consistency:
            shown.append(augmented(true, _CONSISTENT))
        # As one batch: no event depends on the others of it, and the norms of all layers are found once.
        scores, embeddings = critic.seen(torch.cat(shown), c.repeat(len(shown), 1))
        of_true, of_made, *of_changed = torch.split(scores, len(x))
        loss = _HINGE.of_critic(of_true, of_made).mean(dim=1)
        loss = loss + terms.contrastive * data_to_data(embeddings[: len(x)], self.targets(sensors))
        loss = loss + terms.uniformity * uniformity(embeddings[: len(x)])
        for changed in of_changed:
            loss = loss + terms.consistency * (changed - of_true).square().mean(dim=1)
        # At random, so that a training that is continued needs not know of the steps before.
        if terms.slope and self.training and float(torch.rand(())) < 1 / _LAZY:
            loss = loss + _LAZY * terms.slope * slope_penalty(lambda images: critic.seen(images, c)[0], true)
        return loss


class MakerObjective(_Objective):
    """Loss of the maker: hinge, contrastive and uniformity term of what it made, and how alike sensors are in truth."""

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Of every event, (N,); one that is made is compared with the true one of the same context."""
        terms, critic, sensors = self.terms, critic_of(self.adversaries), self.chosen(x)
        made = maker_of(self.adversaries).draw(c, sensors=sensors)
        scores, embeddings = critic.seen(augmented(made, terms.augment), c)
        loss = _HINGE.of_generator(scores).mean(dim=1)
        loss = loss + terms.contrastive * data_to_data(embeddings, self.targets(sensors))
        loss = loss + terms.uniformity * uniformity(embeddings)
        if terms.intra_event:
            with torch.no_grad():
                _, of_true = critic.seen(augmented(self.true(x, sensors), terms.augment), c)
            loss = loss + terms.intra_event * intra_event(of_true, embeddings)
        if terms.orthogonal:
            loss = loss + terms.orthogonal * orthogonal_penalty(self.adversaries.maker)
        return loss


def maker_of(adversaries: Adversaries) -> PixelMaker:
    """The maker of both."""
    assert isinstance(adversaries.maker, PixelMaker)
    return adversaries.maker


def critic_of(adversaries: Adversaries) -> PixelCritic:
    """The critic of both."""
    assert isinstance(adversaries.critic, PixelCritic)
    return adversaries.critic
