"""Maker and critic of pixel events: the deep networks of BigGAN for each sensor, and what these know of each other."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.adversarial.regularisation import spectrally_normed
from generators.errors import HyperparameterError
from generators.networks.deep_biggan import CONTRAST, ImageEye, ImageMaker
from generators.networks.relations import Relations

#: Pixels of images that go through a network at once where no gradient is kept; of such an image there are up to some
#: hundred copies.
_PIXELS_AT_ONCE = 1 << 20
#: Sensors whose images say how many pixels are hit at first, and what a hyperbolic tangent is at most.
_BEGUN, _TANH = 4, 1 - 1e-6
#: What no hit is, as networks see it.
NOTHING = -1.0


class Conditions(nn.Module, ABC):
    """What the trunk of a maker is told of every sensor, from its place among them, the context and normal noise."""

    #: Columns of the result, and normal numbers for each sensor that it takes.
    columns: int
    numbers: int

    @abstractmethod
    def forward(self, noise: Tensor, c: Tensor) -> Tensor:
        """Vectors (N, S, columns) of noise (N, S, numbers) at c (N, C)."""


class ReadOut(nn.Module):
    """Charges below `lowest` are none, as in what is drawn; gradients pass as if it were not so.

    Those of a hyperbolic tangent are large about its middle, where the threshold is, and vanish far below.
    """

    def __init__(self, lowest: float) -> None:
        super().__init__()
        self.lowest = lowest

    def forward(self, z: Tensor) -> Tensor:
        """The same images without what is below."""
        return z + torch.where(z < self.lowest, NOTHING - z, 0.0).detach()


class PixelMaker(nn.Module):
    """Events (N, S, R, C) in [−1, 1] of normal noise for each sensor: `latent` numbers, those of conditions and pixels.

    `grain` and `contrast` are those of `ImageMaker`.
    """

    def __init__(
        self,
        conditions: Conditions,
        shape: tuple[int, ...],
        *,
        latent: int,
        channels: Sequence[int],
        fold: int = 1,
        attention: int | None = None,
        grain: int = 0,
        contrast: float = CONTRAST,
    ) -> None:
        super().__init__()
        self.conditions, self.latent, self.shape = conditions, latent, shape
        times = fold * 2 ** (len(channels) - 1)
        base = tuple(-(-size // times) for size in shape[1:])
        self.padded = tuple(size * times for size in base)
        #: Of images, before anything sees them.
        self.read_out: nn.Module = nn.Identity()
        self.trunk = ImageMaker(
            conditions.columns + latent,
            channels,
            (base[0], base[1]),
            fold=fold,
            attention=within(attention, channels),
            grain=grain,
            contrast=contrast,
        )
        #: Normal numbers for each sensor: its latent ones, those of the conditions, and those of its pixels.
        self.numbers = latent + conditions.numbers + (math.prod(self.padded) if grain else 0)

    def draw(self, c: Tensor, generator: torch.Generator | None = None, sensors: Tensor | None = None) -> Tensor:
        """Events at c (N, C), with the random numbers of the generator, which is one of the CPU, or those of torch.

        Where `sensors` (K,) are given there are images of these alone, which know of the others as ever.
        """
        return self.made(torch.randn(len(c), self.shape[0], self.numbers, generator=generator).to(c), c, sensors)

    def made(self, noise: Tensor, c: Tensor, sensors: Tensor | None = None) -> Tensor:
        """Events of noise (N, S, numbers) at c (N, C), or those sensors of them."""
        rest = self.numbers - self.latent - self.conditions.numbers
        of_trunk, of_sensors, of_pixels = torch.split(noise, [self.latent, self.conditions.numbers, rest], dim=-1)
        known = torch.cat([self.conditions(of_sensors, c), of_trunk, of_pixels], dim=-1)
        vectors = (known if sensors is None else known[:, sensors]).flatten(0, 1)
        images = self.images(vectors) if self.training else in_parts(self.images, vectors, self.padded)
        top, left = ((wide - size) // 2 for wide, size in zip(self.padded, self.shape[1:], strict=True))
        cropped = images[:, 0, top : top + self.shape[1], left : left + self.shape[2]]
        return cropped.reshape(len(c), self.shape[0] if sensors is None else len(sensors), *self.shape[1:])

    def images(self, vectors: Tensor) -> Tensor:
        """Images (M, 1, h, w) of what the trunk is told (M, columns + latent) and, behind, of noise of their pixels."""
        columns = self.conditions.columns + self.latent
        grain = vectors[:, columns:].reshape(-1, 1, *self.padded) if vectors.shape[1] > columns else None
        read: Tensor = self.read_out(self.trunk(vectors[:, :columns], grain))
        return read

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        """Events at c (N, C), as many as x (N, S, R, C); the noise is that of torch."""
        return self.draw(c)

    def begin_at(self, share: float, threshold: float, c: Tensor) -> None:
        """Let so many pixels of untrained images, of some sensors at c (N, C), be above the threshold."""
        sensors = torch.arange(min(self.shape[0], _BEGUN), device=c.device)
        with torch.no_grad():
            made = self.draw(c, sensors=sensors).flatten()
            above = made.kthvalue(max(1, int((1 - share) * len(made)))).values
            due, now = torch.atanh(torch.stack([torch.full_like(above, threshold), above]).clamp(-_TANH, _TANH))
            self.trunk.leave.get_parameter("bias").add_(due - now)


class PixelCritic(nn.Module):
    """Scores of all sensors of events, and embeddings of these beside those that sensors should have.

    The score of a sensor is linear in what its image is, times one and times the context; its embedding is made behind
    `relations` of all sensors. `proxies` are (S, E). With `of_event` one more score, of the mean of what comes out of
    these relations, is added to that of every sensor: no other sees whether sensors have many hits together.

    Nothing is zero for the layers, which have no biases at first: an image without hits has the score zero, and what
    is summed over all pixels are the few that are hit. With −1 for nothing, and zeros around an image as hits of 15
    ADU, these would be one part in a thousand of a sum that is the same for all images. `charge` is the mean of true
    pixels from nothing on, and the sum over an image of that charge is one to the first layer, whatever its size:
    spectral norms bound how steep the others are.
    """

    nothing: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        context: int,
        *,
        channels: Sequence[int],
        attention: int | None,
        relations: nn.Module,
        proxies: nn.Module,
        embedded: int,
        fold: int = 1,
        charge: float = 1.0,
        of_event: bool = False,
    ) -> None:
        super().__init__()
        self.times = fold * 2 ** (len(channels) - 1)
        self.unit = charge * math.prod(-(-size // self.times) for size in shape[1:])
        wide = channels[-1]
        self.eye = ImageEye(channels, fold=fold, attention=within(attention, channels))
        self.score = nn.Linear(wide, 1)
        self.of_context = nn.Linear(context, wide, bias=False) if context else None
        self.of_event = nn.Linear(wide, 1) if of_event else None
        self.relations, self.proxies = relations, proxies
        self.leave, self.norm = nn.Linear(wide, embedded), nn.LayerNorm(embedded)
        # Norms of relations see how much there is beside this alone.
        self.register_buffer(
            "nothing", torch.tensor([1.0, -1.0]).repeat(wide)[:wide] / math.sqrt(wide), persistent=False
        )

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Mean score (N,) of the sensors of events."""
        return self.seen(x, c)[0].mean(dim=1)

    def seen(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N, S) and embeddings (N, S, E) of length one, of events (N, S, R, C) at c (N, C)."""
        images = self._padded((x.flatten(0, 1)[:, None] - NOTHING) / self.unit)
        wide = self.leave.in_features
        found = self.eye(images) if torch.is_grad_enabled() else in_parts(self.eye, images, images.shape[2:])
        found = found.reshape(*x.shape[:2], wide)
        scores = self.score(found)[..., 0]
        if self.of_context is not None:
            scores = scores + (found * self.of_context(c)[:, None]).sum(dim=-1)
        related = self.relations(found + self.nothing)
        if self.of_event is not None:
            scores = scores + self.of_event(related.mean(dim=1))
        embeddings = self.norm(self.leave(related))
        return scores, functional.normalize(embeddings, dim=-1)

    def targets(self) -> Tensor:
        """What the embedding of every sensor should be near to, (S, E), of length one."""
        return functional.normalize(self.proxies(), dim=-1)

    def _padded(self, images: Tensor) -> Tensor:
        """Empty pixels around, so that sizes can be halved."""
        pads: list[int] = []
        for size in reversed(images.shape[2:]):
            more = -size % self.times
            pads += [more // 2, more - more // 2]
        return functional.pad(images, pads)


class Proxies(nn.Module):
    """Vectors (S, E) that are learned, one for each sensor."""

    def __init__(self, sensors: int, columns: int) -> None:
        super().__init__()
        # As a layer, for its spectral norm.
        self.table = nn.Linear(sensors, columns, bias=False)

    def forward(self) -> Tensor:
        """The vectors."""
        return self.table.weight.t()


class PriorEmbedding(nn.Module):
    """Vectors (S, E) of sensors, one half learned for each, the other linear in a number that is known of it."""

    known: Tensor

    def __init__(self, prior: Sequence[float], columns: int) -> None:
        super().__init__()
        self.register_buffer("known", functional.normalize(torch.tensor(prior, dtype=torch.float32), dim=0)[:, None])
        self.table = nn.Embedding(len(prior), columns // 2)
        self.of_prior = nn.Linear(1, columns - columns // 2)

    def forward(self) -> Tensor:
        """The vectors."""
        return torch.cat([self.table.weight, self.of_prior(self.known)], dim=1)


def begun(network: nn.Module, *, normed: bool) -> nn.Module:
    """The same with orthogonal matrices under a spectral norm; those of `Relations` stay, with the norm if `normed`."""
    related = {id(layer) for block in network.modules() if isinstance(block, Relations) for layer in block.modules()}
    for layer in list(network.modules()):
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            continue
        if id(layer) not in related:
            nn.init.orthogonal_(layer.weight)
        if normed or id(layer) not in related:
            spectrally_normed(layer)
    return network


def in_parts(function: Callable[[Tensor], Tensor], rows: Tensor, image: Sequence[int]) -> Tensor:
    """What a function of rows makes of them, so many at once that their images bound the memory."""
    at_once = max(1, _PIXELS_AT_ONCE // (image[0] * image[1]))
    if len(rows) <= at_once:
        return function(rows)
    return torch.cat([function(part) for part in torch.split(rows, at_once)])


def within(attention: int | None, channels: Sequence[int]) -> int | None:
    """A stage behind which there is attention, if there is such a stage.

    Raises
    ------
    HyperparameterError
        If there is none.
    """
    if attention is not None and not 1 <= attention < len(channels):
        raise HyperparameterError(f"attention behind stage {attention} of {len(channels) - 1}: there is no such stage.")
    return attention
