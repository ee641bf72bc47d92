"""Every flow of zuko as a density generator."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import util
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.errors import DivergedError, ExportError, HyperparameterError, MissingExtraError
from generators.recording import recording
from generators.registry import register
from generators.tabular.base import ConditionalDensity, LikelihoodDensity, NoiseMap, TabularDensity
from generators.tabular.precision import settled_precision
from generators.training.acceleration import standard_normal
from generators.training.settings import TrainingSettings

#: Flows that zuko inverts by bisection between −10 and 10 only, and whose functions may saturate further out.
_WITHIN_TEN = ("NAF", "UNAF", "SOSPF", "GF")

#: Values up to the first pass such a flow as they are; those further out are drawn together below the sum of both.
_UNTOUCHED, _REST = 6.0, 3.9

#: Nothing drawn lies further out; what does has no preimage within the domain of its flow.
_OUTSIDE = 1e3

_ATTEMPTS = 20

#: Arguments that fit one number of features only, so that they can not be tried with another.
_OF_THE_FEATURES = {"order", "adjacency", "passes"}


@register
@dataclass(kw_only=True, eq=False)
class ZukoFlow(TabularDensity):
    """A flow of zuko (Rozet et al., github.com/probabilists/zuko), by the name of its class in `zuko.flows`.

    `flow` is that name: NSF, MAF, NAF, UNAF, SOSPF, BPF, GF, NICE, CNF, GMM … `arguments` go to its constructor after
    the numbers of features and context columns, such as ``{"transforms": 3, "hidden_features": [64, 64]}``; an
    `activation` is given by its name in `torch.nn`.

    NAF, UNAF, SOSPF and GF are functions of [−10, 10]: outside of it zuko finds no inverse, and their densities are no
    longer normalised. Here z beyond 6 is drawn together into that interval, exactly and with its Jacobian, and noise
    for which a flow has no preimage there is drawn again. Their inverses are bisections, accurate to 1e-6. NCSF is a
    flow on the circle and refused: z lies on a line, also behind the bijection "periodic".

    Needs the extra `flows`.
    """

    kind: ClassVar[str] = "zuko"

    flow: str = "NSF"
    arguments: dict[str, Any] = field(default_factory=dict)
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=1200, batch_size=2048, learning_rate=2e-3, weight_decay=1e-5, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        # As early as it can be known; without zuko a specification can still be read and written.
        if util.find_spec("zuko") is not None:
            _flow_class(self.flow)
            if self.arguments and not _OF_THE_FEATURES & set(self.arguments):
                with torch.random.fork_rng(devices=[]):
                    self.build((2,), 1)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        try:
            flow = _flow_class(self.flow)(features, context, **_with_modules(self.arguments))
        except (TypeError, ValueError, AssertionError) as error:
            raise HyperparameterError(
                f"arguments {self.arguments} do not suit the flow {self.flow}: {error}"
            ) from error
        if not hasattr(flow, "transform"):
            return _Distribution(flow, features)
        return _Flow(flow, features, within_ten=self.flow in _WITHIN_TEN)


class _Zuko(LikelihoodDensity):
    """The density of a lazy distribution of zuko, on the line or, if `within_ten`, on [−10, 10]."""

    def __init__(self, flow: nn.Module, features: int, *, within_ten: bool = False) -> None:
        super().__init__()
        self.flow, self.features, self.within_ten = flow, features, within_ten

    def _at(self, c: Tensor) -> Any:
        return self.flow(c if c.shape[1] else None)

    @override
    def log_likelihood(self, z: Tensor, c: Tensor) -> Tensor:
        if self.within_ten:
            near, log_det = _together(z)
            return self._log_prob(near, c) + log_det
        return self._log_prob(z, c)

    def _log_prob(self, z: Tensor, c: Tensor) -> Tensor:
        # No rows are too few for the reductions of torch.distributions.
        log_p: Tensor = self._at(c).log_prob(z) if z.shape[0] else z.sum(dim=1)
        return log_p


class _Distribution(_Zuko):
    """A lazy distribution of zuko, which draws its noise itself."""

    def draw(self, c: Tensor, generator: torch.Generator) -> Tensor:
        """One z per row of c, (N, D)."""
        precision = settled_precision(self)
        # Distributions of torch know no generator but the global one.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            z: Tensor = self._at(c.to(precision)).sample(() if c.shape[1] else (c.shape[0],))
        return z.reshape(c.shape[0], self.features)


class _Flow(_Zuko, NoiseMap):
    """A flow of zuko with a standard normal base."""

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        """In double precision, see `settled_precision`."""
        if recording() and self.within_ten:
            raise ExportError(f"{type(self.flow).__name__} has no image of some noise, which has to be drawn again")
        precision = settled_precision(self)
        z: Tensor = self._at(c.to(precision)).transform.inv(noise.to(precision))
        return _apart(z) if self.within_ten else z

    def draw(self, c: Tensor, generator: torch.Generator) -> Tensor:
        """One z per row of c, (N, D); noise without a preimage is drawn again.

        Raises
        ------
        DivergedError
            If too much of it has none.
        """
        z = torch.full((c.shape[0], self.features), torch.inf, dtype=settled_precision(self), device=c.device)
        for _ in range(_ATTEMPTS):
            rows = (~(z.abs() < _OUTSIDE)).any(dim=1).nonzero().flatten()
            if len(rows) == 0:
                return z
            noise = standard_normal((len(rows), *self.noise_shape), generator, c.device, z.dtype)
            z[rows] = self.transport(noise, c[rows])
        raise DivergedError(
            f"{type(self.flow).__name__}: {len(rows)} of {len(z)} draws are infinite or outside of the domain of the "
            f"flow {_ATTEMPTS} times in a row. Train it longer or with a lower learning_rate, or use another flow."
        )


def _together(z: Tensor) -> tuple[Tensor, Tensor]:
    """The line into (−9.9, 9.9), (N, D), the identity up to 6, and log|det|, (N,); once differentiable everywhere."""
    inside = z.clamp(-_UNTOUCHED, _UNTOUCHED)
    beyond = (z - inside) / _REST
    return inside + _REST * beyond / (1 + beyond.abs()), -2 * beyond.abs().log1p().sum(dim=1)


def _apart(z: Tensor) -> Tensor:
    """The inverse of `_together`; what comes from outside of (−9.9, 9.9) goes further out than anything else."""
    inside = z.clamp(-_UNTOUCHED, _UNTOUCHED)
    share = ((z - inside) / _REST).clamp(-1, 1)
    return inside + _REST * share / (1 - share.abs()).clamp(min=1e-6)


def _flow_class(name: str) -> Any:
    """The class of a flow.

    Raises
    ------
    MissingExtraError
        If zuko is not installed.
    HyperparameterError
        If there is no such flow, naming the nearest, or none that fits here.
    """
    try:
        import zuko
    except ImportError as error:
        raise MissingExtraError(
            f"The flow '{name}' needs zuko, which is not installed: pip install 'cathode-hep[flows]'."
        ) from error
    lazy, base = zuko.lazy.LazyDistribution, (zuko.lazy.Flow, zuko.lazy.UnconditionalDistribution)
    known = {
        key: value
        for key, value in vars(zuko.flows).items()
        if inspect.isclass(value) and issubclass(value, lazy) and value is not lazy and value not in base
    }
    if name == "NCSF":
        raise HyperparameterError(
            "The flow NCSF lives on a circle, z on a line. For angles use the bijection 'periodic' and the flow NSF."
        )
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or sorted(known)
        raise HyperparameterError(f"zuko has no flow '{name}'. Nearest: {', '.join(close)}.")
    return known[name]


def _with_modules(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`arguments` with classes in the place of names of activations."""
    made: dict[str, Any] = {}
    for key, value in arguments.items():
        if isinstance(value, Mapping):
            made[key] = _with_modules(value)
        elif key == "activation" and isinstance(value, str):
            found = getattr(nn, value, None)
            if not (inspect.isclass(found) and issubclass(found, nn.Module)):
                raise HyperparameterError(f"activation '{value}' is no module of torch.nn, such as ELU or SiLU.")
            made[key] = found
        else:
            made[key] = value
    return made
