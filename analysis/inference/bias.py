"""Signal that a background function makes of nothing, and whether a fitted strength and its error can be believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from analysis.errors import SpectrumError
from analysis.inference.spectrum_model import SpectrumModel

FloatArray = NDArray[np.float64]

#: ln f of alternative backgrounds at x = m/√s: `analysis.statistics.dijet_fit` is not among them, so that they test it.
ALTERNATIVES: Mapping[str, tuple[int, Callable[..., FloatArray]]] = MappingProxyType(
    {
        "exponential_power": (4, lambda x, n, a, b, c: n - a * x - (b + c * np.log(x)) * np.log(x)),
        "power_exponential": (4, lambda x, n, a, b, c: n - a * np.log(x) - b * x - c * x**2),
        "modified_exponential": (3, lambda x, n, a, b: n - a * x - b * np.log(x)),
    }
)


@dataclass(frozen=True)
class Pulls:
    """Pulls (µ̂ − µ)/σ of toys: mean and width with their errors, and the bias in strength with its error.

    `spurious` is the mean of µ̂ − µ over the mean error: the spurious signal in standard deviations.
    """

    strength: float
    toys: int
    mean: float
    mean_error: float
    width: float
    width_error: float
    spurious: float
    spurious_error: float


def pulls(model: SpectrumModel, expected: FloatArray, *, strength: float = 0.0, toys: int = 200, seed: int) -> Pulls:
    """Fit the model to toys of a background of expected contents (B,) with a signal of a strength on it.

    Raises
    ------
    SpectrumError
        If there are fewer than 10 toys.
    """
    if toys < 10:
        raise SpectrumError(f"{toys} toys say nothing of a bias; at least 10 are needed.")
    rng = np.random.default_rng(seed)
    contents = np.asarray(expected) + strength * model.signal
    fits = [model.seeing(counts).best for counts in rng.poisson(contents, (toys, len(contents)))]
    off, errors = np.array([fit.strength - strength for fit in fits]), np.array([fit.error for fit in fits])
    pull = off / errors
    width = float(pull.std(ddof=1))
    scale = float(errors.mean())
    return Pulls(
        strength,
        toys,
        float(pull.mean()),
        width / toys**0.5,
        width,
        width / (2 * (toys - 1)) ** 0.5,
        float(off.mean()) / scale,
        float(off.std(ddof=1)) / scale / toys**0.5,
    )


def alternative_background(model: SpectrumModel, name: str) -> FloatArray:
    """Contents (B,) of an alternative function fitted to the counts of a model.

    Raises
    ------
    SpectrumError
        If there is no such function; names those that are there.
    """
    if name not in ALTERNATIVES:
        raise SpectrumError(f"No alternative background '{name}'; there are {', '.join(ALTERNATIVES)}.")
    from iminuit import Minuit

    parameters, log_density = ALTERNATIVES[name]
    middle, width = np.sqrt(model.edges[:-1] * model.edges[1:]) / model.sqrt_s, np.diff(model.edges)
    filled = model.counts > 0
    # The logarithms are linear in their parameters: a weighted line is where the likelihood starts.
    columns = [log_density(middle, *row) for row in np.eye(parameters)]
    weight = np.sqrt(model.counts[filled])
    density = np.log(model.counts[filled] / width[filled])
    terms = np.stack(columns, axis=1)
    scale = np.abs(terms[filled]).max(axis=0)
    start = np.linalg.lstsq(terms[filled] / scale * weight[:, None], density * weight, rcond=None)[0]

    def loss(theta: FloatArray) -> float:
        expected = np.exp(np.clip(terms / scale @ theta, -600, 600)) * width
        return float((expected - model.counts * np.log(expected)).sum())

    minuit = Minuit(loss, start)
    minuit.errordef = Minuit.LIKELIHOOD
    minuit.migrad(ncall=5_000)
    return np.asarray(np.exp(terms / scale @ np.array(minuit.values)) * width)
