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
from generators.adversarial.regularisation import orthogonal_penalty
from generators.errors import HyperparameterError
from generators.pixels.networks import PixelCritic

#: Between such changes of a true image a critic is to see no difference.
_CONSISTENT = ("translation",)
_HINGE = Hinge()
#: Part of an ADU that is noise, so that rounding makes no larger charge.
_INSIDE = 0.99


@dataclass(frozen=True)
class Terms:
    """How often each term counts beside the hinge loss, and what images go through in front of the critic."""

    contrastive: float
    uniformity: float
    intra_event: float
    orthogonal: float
    consistency: float
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


class CriticObjective(nn.Module):
    """Loss of the critic: hinge, the contrastive and the uniformity term of true events, and consistency."""

    def __init__(self, adversaries: Adversaries, terms: Terms, dequantised: Dequantised) -> None:
        super().__init__()
        self.adversaries, self.terms, self.dequantised = adversaries, terms, dequantised

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Of every event, (N,)."""
        terms, critic = self.terms, critic_of(self.adversaries)
        with torch.no_grad():
            made = self.adversaries.made_like(x, c)
        true = self.dequantised(x)
        of_true, embeddings = critic.seen(augmented(true, terms.augment), c)
        of_made, _ = critic.seen(augmented(made, terms.augment), c)
        loss = _HINGE.of_critic(of_true, of_made).mean(dim=1)
        loss = loss + terms.contrastive * data_to_data(embeddings, critic.targets())
        loss = loss + terms.uniformity * uniformity(embeddings)
        if terms.consistency:
            changed, _ = critic.seen(augmented(true, _CONSISTENT), c)
            loss = loss + terms.consistency * (changed - of_true).square().mean(dim=1)
        return loss


class MakerObjective(nn.Module):
    """Loss of the maker: hinge, contrastive and uniformity term of what it made, and how alike sensors are in truth."""

    def __init__(self, adversaries: Adversaries, terms: Terms, dequantised: Dequantised) -> None:
        super().__init__()
        self.adversaries, self.terms, self.dequantised = adversaries, terms, dequantised

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Of every event, (N,); one that is made is compared with the true one of the same context."""
        terms, critic = self.terms, critic_of(self.adversaries)
        made = self.adversaries.made_like(x, c)
        scores, embeddings = critic.seen(augmented(made, terms.augment), c)
        loss = _HINGE.of_generator(scores).mean(dim=1)
        loss = loss + terms.contrastive * data_to_data(embeddings, critic.targets())
        loss = loss + terms.uniformity * uniformity(embeddings)
        if terms.intra_event:
            with torch.no_grad():
                _, of_true = critic.seen(augmented(self.dequantised(x), terms.augment), c)
            loss = loss + terms.intra_event * intra_event(of_true, embeddings)
        if terms.orthogonal:
            loss = loss + terms.orthogonal * orthogonal_penalty(self.adversaries.maker)
        return loss


def critic_of(adversaries: Adversaries) -> PixelCritic:
    """The critic of both."""
    assert isinstance(adversaries.critic, PixelCritic)
    return adversaries.critic
