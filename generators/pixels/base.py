"""Base of generators of pixel events: a system is a file that says which maker and which critic."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from generators.adversarial.collapse import Watch
from generators.adversarial.phases import Adversaries
from generators.base import NetworkGenerator, Prepared
from generators.conditional_network import device_of
from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.flows.sizes import require_sizes
from generators.pixels.held_out import DistanceToHeldOut
from generators.pixels.networks import NOTHING, PixelCritic, PixelMaker, ReadOut
from generators.pixels.objectives import CriticObjective, Dequantised, MakerObjective, Terms
from generators.protocols import Array, Monitor
from generators.sources import chunks_of, rows_within
from generators.training.batches import TrainingData
from generators.training.optimisers import Adam
from generators.training.phases import Phase, trainable
from generators.training.rules import BestMetric
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained
from generators.usable_rows import check_rows

#: Largest charge, in ADU.
SATURATION = 255
#: Noise of a true pixel on the scale of networks, at most: 4·10⁻³ of that from 0 to 255 ADU.
_NOISE = 8e-3
#: Part of an ADU that single precision may lose.
_ROUNDING = 1e-3
#: Pixels that the map of charges is fitted to, and bytes of events that are drawn at once.
_FITTED, _DRAWN_BYTES = 100_000, 1 << 26
#: Events whose share of hit pixels a maker has at first, and whose mean charge is the unit of a critic.
_BEGUN = 16


def logarithmic_charge() -> dict[str, Any]:
    """The map that takes ADU to [−1, 1]: 2 ln(ADU + 1) / ln 256 − 1."""
    half = math.log(SATURATION + 1) / 2
    affine = {"kind": "affine", "shift": half, "scale": half}
    return {"kind": "chain", "bijections": [{"kind": "logarithm", "offset": 1.0}, affine]}


@dataclass(kw_only=True, eq=False)
class PixelGenerator(NetworkGenerator[PixelMaker]):
    """Events (N, S, R, C) of S sensors of R × C pixels in whole ADU of 0 to 255, given a machine condition.

    `channels` are those of the maker from its smallest images on, each stage twice as large as the one before;
    `critic_channels` the other way round. `width` numbers describe a sensor, `latent` normal ones are its own. The
    critic attends behind stage `critic_attention`, and has embeddings of `embedded` numbers. It makes `critic_steps`
    for one of the maker, with `critic_rate` times its learning rate; both have Adam without clipping unless `training`
    says so. In every step both see `sensors_at_once` of the sensors, drawn at random, of each event of the batch; a
    maker lets all of them know of each other before. `fold` × `fold` pixels are one position of the largest images
    inside of both networks.

    Normal noise of single pixels enters in the last `grain` stages of the maker, whose features in front of the last
    layer have the width `contrast` at first. With `read_out` charges below the threshold are none in what it makes, as
    in what is drawn, and true pixels without charge have no noise: a critic knows noise of so many pixels at once.

    Beside the hinge loss there are `contrastive`, `uniformity`, `intra_event`, `orthogonal`, `consistency` and `slope`
    times the terms of these names, see `generators.pixels.objectives`. `augment` names changes of images in front of
    the critic, true and made ones alike; the released code changes made ones alone, which then learn to look like true
    ones only behind that change.

    `bijection` acts on single pixels and takes them to [−1, 1]; charges below `threshold` ADU are no hits. The states
    that are kept are those of the epochs whose events are nearest to those held out. There is no density.
    """

    sizes: ClassVar[tuple[str, ...]] = ("sensors", "rows", "columns")

    channels: Sequence[int] = (64, 32, 32, 16)
    critic_channels: Sequence[int] = (8, 16, 32, 64)
    width: int = 64
    latent: int = 32
    embedded: int = 64
    critic_attention: int | None = 2
    fold: int = 2
    sensors_at_once: int | None = 6
    contrastive: float = 1.0
    uniformity: float = 0.1
    intra_event: float = 0.0
    orthogonal: float = 1e-4
    consistency: float = 0.0
    slope: float = 0.03
    augment: Sequence[str] = ()
    critic_steps: int = 1
    critic_rate: float = 1.0
    threshold: int = 7
    grain: int = 2
    contrast: float = 1.7
    read_out: bool = True
    bijection: str | dict[str, Any] = field(default_factory=logarithmic_charge)
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=3000, batch_size=8, learning_rate=3e-3, clip=None, ema_decay=0.98, schedule="one_cycle"
        )
    )

    @abstractmethod
    def complete(self) -> None:
        """Refuse hyperparameters of its own that make no sense."""

    @abstractmethod
    def critic(self, shape: tuple[int, ...], context: int, charge: float = 1.0) -> PixelCritic:
        """An untrained critic of events (S, R, C), whose true pixels have that mean charge, from nothing on."""

    def __post_init__(self) -> None:
        self.channels, self.critic_channels = list(self.channels), list(self.critic_channels)
        self.augment = list(self.augment)
        own = {"width": self.width, "latent": self.latent, "embedded": self.embedded, "critic_steps": self.critic_steps}
        for name in ("channels", "critic_channels"):
            values = getattr(self, name)
            require_sizes(self.kind, **{f"{name}[{place}]": size for place, size in enumerate(values)})
            own[f"stages of {name}"] = len(values) - 1
        own["fold"] = self.fold
        if self.sensors_at_once is not None:
            own["sensors_at_once"] = self.sensors_at_once
        require_sizes(self.kind, **own)
        self._require_order()
        if not 0 <= self.threshold <= SATURATION:
            raise HyperparameterError(f"threshold = {self.threshold} of {self.kind} is no charge of 0 to {SATURATION}.")
        for name in ("critic_rate", "contrast"):
            if not 0 < getattr(self, name) < math.inf:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be positive.")
        if self.grain < 0:
            raise HyperparameterError(f"grain = {self.grain} of {self.kind} is a number of stages, 0 for no noise.")
        self.terms().require(self.kind)
        self.optimiser_of()
        self.complete()

    def _require_order(self) -> None:
        for name, falling in (("channels", True), ("critic_channels", False)):
            values = list(getattr(self, name))
            if values != sorted(values, reverse=falling):
                order = "rise" if falling else "fall"
                raise HyperparameterError(f"{name} = {values} of {self.kind} must not {order} from stage to stage.")

    def terms(self) -> Terms:
        """Those beside the hinge loss."""
        names = ("contrastive", "uniformity", "intra_event", "orthogonal", "consistency", "slope")
        return Terms(**{name: getattr(self, name) for name in names}, augment=tuple(self.augment))

    def optimiser_of(self, factor: float = 1.0) -> Adam:
        """That of a side, with so many times the learning rate of the training."""
        settings = self.training
        return Adam(
            learning_rate=factor * settings.learning_rate,
            weight_decay=settings.weight_decay,
            schedule=settings.schedule,
            clip=settings.clip,
            betas=(0.0, 0.999),
        )

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        if len(np.shape(x)) != 4 or np.shape(x)[1] < 2 or min(np.shape(x)[2:]) < 1:
            raise ShapeError(
                f"x must be (N, S, R, C), events of at least two sensors with R × C pixels; it is {np.shape(x)}."
            )
        check_rows(x, context, weights)
        for start, part in chunks_of(x):
            used = part[weights[start : start + len(part)] != 0]
            wrong = (used < 0) | (used > SATURATION) | (used != np.floor(used))
            if wrong.any():
                raise NonFiniteInputError(
                    f"x: {int(wrong.sum())} of {used.size} charges in the rows from {start} on, such as "
                    f"{used[wrong].flat[0]:g}, are no whole ADU of 0 to {SATURATION}. Digitise them before."
                )

    @override
    def prepared(self, x: Tensor, context: Tensor, weights: Tensor, *, seed: int) -> Prepared:
        pixels = x.reshape(-1, 1)
        random = torch.Generator().manual_seed(seed)
        some = pixels[torch.randint(len(pixels), (_FITTED,), generator=random)] if len(pixels) > _FITTED else pixels
        # The largest is there, lest all that are drawn are empty.
        bijection = self.unfitted_bijection().fit(torch.cat([some, pixels.max().reshape(1, 1)]))
        z = bijection.forward(pixels)[0].reshape(x.shape)
        return Prepared(z, x.new_zeros(len(x), 0), bijection, dict(zip(self.sizes, x.shape[1:], strict=True)))

    @override
    def mapped(self, x: Tensor, context: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        return self.bijection_.forward(x.reshape(-1, 1))[0].reshape(x.shape), x.new_zeros(len(x), 0)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Sensors, rows and columns of an event."""
        self._require_fit()
        return tuple(self.sizes_[name] for name in self.sizes)

    @override
    def one_mapped_back(self, row: Tensor) -> Tensor:
        """One pixel."""
        return self.bijection_.inverse(row)

    @override
    def rows_at_once(self, network: PixelMaker) -> int:
        return rows_within(math.prod(self.event_shape), _DRAWN_BYTES)

    @override
    def drawn(self, network: PixelMaker, raw: Tensor, c: Tensor, generator: torch.Generator) -> Tensor:
        return self.adu_of(network.draw(c.to(device_of(network)), generator).cpu())

    def adu_of(self, z: Tensor) -> Tensor:
        """Whole charges in ADU of images on the scale of networks, 0 below the threshold."""
        adu = (self.bijection_.inverse(z.reshape(-1, 1)).reshape(z.shape) + _ROUNDING).floor().clamp(0, SATURATION)
        return torch.where(adu < self.threshold, 0.0, adu)

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """Critic and maker by turns; the maker is kept."""
        maker = self.untrained(data, seed=seed)
        adversaries = self.adversaries(maker, data, seed=seed + 1)
        lowest = float(self.charges()[self.threshold])
        return self.trained(
            adversaries,
            self.phases(adversaries),
            data,
            seed=seed,
            monitor=monitor,
            checkpoint=checkpoint,
            rule=BestMetric(DistanceToHeldOut(lowest, self.training.batch_size, Watch(self.kind))),
            keep=maker,
            averaged=[maker],
        )

    def adversaries(self, maker: PixelMaker, data: TrainingData, *, seed: int) -> Adversaries:
        """A maker whose images have the true share of hits, with an untrained critic, both of that seed.

        Where nearly all pixels are hit, or none, gradients say nothing of single hits for long.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            some, lowest = data.x[:_BEGUN].cpu(), float(self.charges()[self.threshold])
            maker.begin_at(float((some >= lowest).float().mean()), lowest, data.context[:_BEGUN].cpu())
            if self.read_out:
                maker.read_out = ReadOut(lowest)
            charge = max(float((some - NOTHING).mean()), _NOISE)
            return Adversaries(maker, self.critic(tuple(data.x.shape[1:]), data.context.shape[1], charge))

    def phases(self, adversaries: Adversaries) -> list[Phase]:
        """Those of critic and maker, of which each moves itself in every step, whether gradients are clipped or not."""
        terms, dequantised = self.terms(), Dequantised(self.charges(), _NOISE)
        critic = CriticObjective(adversaries, terms, dequantised, self.sensors_at_once)
        of_critic = self.optimiser_of(self.critic_rate)
        maker = MakerObjective(adversaries, terms, dequantised, self.sensors_at_once)
        return [
            Phase(
                "critic", critic, trainable(adversaries.critic), of_critic, self.critic_steps, compile=not self.slope
            ),
            Phase("maker", maker, trainable(adversaries.maker), self.optimiser_of()),
        ]

    def charges(self) -> Tensor:
        """Every whole charge from 0 to 256 ADU on the scale of networks, (257,)."""
        adu = torch.arange(SATURATION + 2, dtype=torch.float64)[:, None]
        return self.bijection_.forward(adu)[0][:, 0]
