"""Base of adversarial generators of clouds: a system is a file that says which maker and which critic."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.adversarial.collapse import Watch
from generators.adversarial.losses import adversarial_loss
from generators.adversarial.matching import matching_of
from generators.adversarial.phases import Adversaries, Matching, adversarial_phases
from generators.errors import HyperparameterError
from generators.flows.sizes import require_sizes
from generators.jets.base import CloudGenerator, CloudSampler
from generators.jets.flattened import FlattenedFlow
from generators.jets.held_out import DistanceToHeldOut
from generators.jets.lengths import by_length, prefix_mask
from generators.jets.multiplicity import Multiplicity
from generators.jets.ordered_points import ordered as by_pt
from generators.jets.training_range import TrainingRange
from generators.protocols import Monitor
from generators.training.acceleration import standard_normal
from generators.training.batches import TrainingData, ordered
from generators.training.optimisers import OPTIMISERS, Optimiser
from generators.training.phases import Phase, trainable
from generators.training.rules import BestMetric
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained

#: Behind the preprocessing nothing true lies much farther, and nothing farther is made: not even without a training
#: does pT overflow. MPGAN is bounded by the range of its features.
_REACH = 6.0
#: Clouds that are looked at together for the range of the training.
_AT_ONCE = 1 << 12
#: Learning rate of p(n | c), which is a small network with a loss of its own.
_COUNTING_RATE = 5e-3
#: Learning rate of a flow that makes noise, which has a loss of its own as well.
_PRIOR_RATE = 1e-3


class MeanNumber(nn.Module):
    """Numbers of points in units of their mean in the training sample, (N,) -> (N, 1)."""

    value: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.ones(()))

    def forward(self, counts: Tensor) -> Tensor:
        """See the class."""
        return (counts.to(self.value.dtype) / self.value)[:, None]


class CloudMaker(CloudSampler):
    """Clouds in one pass of a network from `point_numbers` of normal noise for each point and `cloud_numbers` beside.

    `network(noise (N, P, R), of_cloud (N, K), counts (N,), c (N, C))` gives points (N, P, F), of which only those that
    are present are looked at. No cloud may depend on another one of its batch. With a `prior` the noise of the points
    is what that flow makes of normal noise. What is drawn is kept within the range of the training.
    """

    def __init__(
        self,
        network: nn.Module,
        features: int,
        multiplicity: Multiplicity | None,
        *,
        point_numbers: int,
        cloud_numbers: int = 0,
        prior: FlattenedFlow | None = None,
    ) -> None:
        super().__init__()
        self.prior = prior
        self.network, self.features, self.multiplicity = network, features, multiplicity
        self.point_numbers, self.cloud_numbers = point_numbers, cloud_numbers
        self.range = TrainingRange(features)

    def made(self, noise: Tensor, of_cloud: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Clouds (N, P, F) of noise (N, P, R) and (N, K), at c (N, C)."""
        if self.prior is not None:
            with torch.no_grad():
                noise = self.prior.transport(noise, counts, c).clamp(-_REACH, _REACH)
        return by_length(self._made, counts, noise, of_cloud, c)

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        """Clouds at c (N, C + 1), whose last column is the number of points, of the form of x; the noise is torch's."""
        counts = c[:, -1].long()
        noise, of_cloud = (torch.randn(shape, dtype=c.dtype, device=c.device) for shape in self._shapes(x))
        return self.made(noise, of_cloud, counts, c[:, :-1])

    @override
    def draw(self, counts: Tensor, c: Tensor, points: int, generator: torch.Generator) -> Tensor:
        shapes = self._shapes(torch.empty(len(c), points, 0))
        noise, of_cloud = (standard_normal(shape, generator, c.device) for shape in shapes)
        within: Tensor = self.range(self.made(noise, of_cloud, counts, c))
        return within * prefix_mask(counts, points)[..., None]

    def _shapes(self, x: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (x.shape[0], x.shape[1], self.point_numbers), (x.shape[0], self.cloud_numbers)

    def _made(self, counts: Tensor, noise: Tensor, of_cloud: Tensor, c: Tensor) -> Tensor:
        mask = prefix_mask(counts, noise.shape[1])[..., None]
        made: Tensor = self.network(noise * mask, of_cloud, counts, c)
        return _REACH * torch.tanh(made / _REACH) * mask


class CloudCritic(nn.Module):
    """Scores of clouds, and what the critic sees of them.

    `network(x (N, P, F), counts (N,), c (N, C))` gives (N, S + D): so many `scores`, and features. No cloud may depend
    on another one of its batch.
    """

    def __init__(self, network: nn.Module, *, scores: int = 1) -> None:
        super().__init__()
        self.network, self.scores = network, scores

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """The scores, (N,), or (N, S) if there are several, of x at c (N, C + 1) with the number of points at last."""
        return self.seen(x, c)[0]

    def seen(self, x: Tensor, c: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """Scores and features (N, D)."""
        out = by_length(lambda counts, z, c: self.network(z, counts, c), c[:, -1].long(), x, c[:, :-1])
        scores, features = out[:, : self.scores], out[:, self.scores :]
        return (scores[:, 0] if self.scores == 1 else scores), [features]


class CountingLoss(nn.Module):
    """−log p(n | c) of every event, (N,)."""

    def __init__(self, multiplicity: Multiplicity) -> None:
        super().__init__()
        self.multiplicity = multiplicity

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Of events whose number of points is the last column of c."""
        return -self.multiplicity.log_prob(c[:, -1].long(), c[:, :-1])


class PriorLoss(nn.Module):
    """−log p(z | n, c) of every event, (N,), per point, by the flow that makes the noise."""

    def __init__(self, prior: FlattenedFlow) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Of events whose number of points is the last column of c."""
        counts = c[:, -1].long()
        return -self.prior.log_prob(by_pt(x, counts), counts, c[:, :-1]) / counts.to(x.dtype).mean().clamp_min(1)


@dataclass(kw_only=True, eq=False)
class AdversarialCloud(CloudGenerator[CloudMaker]):
    """Clouds made in one pass by a network that learns from a critic; the multiplicity has a model of its own.

    `loss` is "non_saturating", "least_squares", "hinge" or "wasserstein"; the critic makes `critic_steps` for every one
    of the maker, with `critic_rate` times its learning rate and bounded by `penalty` times a gradient penalty.
    Both have `optimiser` ("adam", "adamw", "radam" or "rmsprop"), which leaves the part `momentum` of the mean
    gradient. `matching` times a term of `generators.adversarial.matching`, named by `matched`, is added to the loss of
    the maker in its first `matching_steps`, or always.

    The states that are kept are those of the epochs whose clouds are nearest to those held out, see
    `DistanceToHeldOut`. There is no density.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    loss: str = "least_squares"
    critic_steps: int = 1
    critic_rate: float = 1.0
    penalty: float = 0.0
    optimiser: str = "adam"
    momentum: float = 0.0
    matched: str = "mean_field"
    matching: float = 0.0
    matching_steps: int | None = None
    training: TrainingSettings

    @abstractmethod
    def critic(self, shape: tuple[int, ...], context: int) -> CloudCritic:
        """An untrained critic of clouds (P, F)."""

    @abstractmethod
    def sizes_of_networks(self) -> dict[str, int]:
        """Hyperparameters by name that must be at least one."""

    def __post_init__(self) -> None:
        require_sizes(self.kind, critic_steps=self.critic_steps, **self.sizes_of_networks())
        adversarial_loss(self.loss)
        matching_of(self.matched)
        for name in ("penalty", "matching"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must not be negative.")
        if not self.critic_rate > 0:
            raise HyperparameterError(f"critic_rate = {self.critic_rate} of {self.kind} must be positive.")
        if self.matching_steps is not None and self.matching_steps < 0:
            raise HyperparameterError(f"matching_steps = {self.matching_steps} of {self.kind} must not be negative.")
        if self.optimiser not in OPTIMISERS:
            raise HyperparameterError(f"optimiser '{self.optimiser}' is not one of {', '.join(OPTIMISERS)}.")
        self.optimiser_of()

    def optimiser_of(self, factor: float = 1.0) -> Optimiser:
        """The optimiser of a side, with so many times the learning rate of the training."""
        made = OPTIMISERS[self.optimiser]
        betas: dict[str, Any] = {"momentum": self.momentum} if made.kind == "rmsprop" else {}
        return made(
            learning_rate=factor * self.training.learning_rate,
            weight_decay=self.training.weight_decay,
            schedule=self.training.schedule,
            clip=self.training.clip,
            **(betas or {"betas": (self.momentum, 0.999)}),
        )

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """Critic and maker by turns, and the multiplicity beside; the maker is kept."""
        maker = self.untrained(data, seed=seed)
        maker.range.know_all(part.x for part in ordered(data, _AT_ONCE))
        adversaries = self.adversaries(maker, data, seed=seed + 1)
        return self.trained(
            adversaries,
            self.phases(adversaries, maker),
            data,
            seed=seed,
            monitor=monitor,
            checkpoint=checkpoint,
            rule=BestMetric(DistanceToHeldOut(self.bijection_, Watch(self.kind), self.size_column)),
            keep=maker,
            averaged=[maker],
        )

    def adversaries(self, maker: CloudMaker, data: TrainingData, *, seed: int) -> Adversaries:
        """A maker with an untrained critic drawn from the seed; both know the mean number of points."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            both = Adversaries(maker, self.critic(tuple(data.x.shape[1:]), data.context.shape[1] - self.beside))
        mean = data.context[:, -1].mean().clamp_min(1)
        for module in both.modules():
            if isinstance(module, MeanNumber):
                module.value.copy_(mean)
        return both

    def phases(self, adversaries: Adversaries, maker: CloudMaker) -> list[Phase]:
        """Those of critic and maker, of the flow that makes noise if there is one, and of N if it is learned."""
        matching = Matching(self.matched, self.matching, self.matching_steps) if self.matching else None
        both = adversarial_phases(
            adversaries,
            adversarial_loss(self.loss),
            of_maker=self.optimiser_of(),
            of_critic=self.optimiser_of(self.critic_rate),
            penalty=self.penalty,
            critic_steps=self.critic_steps,
            matching=matching,
            moved=maker.network,
        )
        if maker.prior is not None:
            flow = PriorLoss(maker.prior)
            own = OPTIMISERS["adamw"](learning_rate=_PRIOR_RATE, schedule=self.training.schedule, clip=1.0)
            both.append(Phase("flow", flow, trainable(flow), own))
        if maker.multiplicity is None:
            return both
        counting = CountingLoss(maker.multiplicity)
        alone = OPTIMISERS["adamw"](learning_rate=_COUNTING_RATE, schedule=self.training.schedule)
        return [*both, Phase("multiplicity", counting, trainable(counting), alone)]
