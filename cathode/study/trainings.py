"""One variant of a study as a task: a generator of jets that is trained and compared, or a search that is validated."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.io.paths import local_path
from analysis.tasks import task

if TYPE_CHECKING:
    from cathode.validation.sideband_closure import ClosureTest

#: Jets that are drawn to tell how long one takes.
_TIMED = 200

Clouds = NDArray[np.float32]


@task
def jets_variant(
    place: Path, *, generator: dict[str, Any], file: str, content: str, kind: str, train: int, compared: int, seed: int
) -> dict[str, float | None]:
    """Train a generator of clouds on jets, and measure what it draws by others; `content` is the hash of the file."""
    from generators.artifact import save
    from generators.registry import create

    del content
    learned, truth = jets_of(file, kind, train, compared)
    start = time.process_time()
    fitted = create(generator).fit(learned, np.zeros((len(learned), 0)), seed=seed)
    spent = time.process_time() - start
    save(fitted, place / "generator")
    drawn = fitted.sample(np.zeros((compared, 0)), seed=seed + 1)
    start = time.process_time()
    fitted.sample(np.zeros((_TIMED, 0)), seed=seed)
    of_a_jet = 1e6 * (time.process_time() - start) / _TIMED
    parameters = sum(each.numel() for each in fitted.networks_[0].parameters())
    cost = {"us_a_jet": of_a_jet, "training_s": spent, "parameters": float(parameters)}
    return finite({**compared_jets(drawn, truth), **cost})


@task
def search_variant(
    place: Path, *, analysis: str, content: str, settings: dict[str, Any], seed: int
) -> dict[str, float | None]:
    """Validate a search with these settings; `content` is the hash of the analysis file."""
    from cathode.config import load_config

    del content
    config = load_config(analysis, {**settings, "seed": seed})
    start = time.process_time()
    found = config.search().validate(config.read_events(), output=place / "run", auxiliary=config.read_auxiliary())
    return finite({**of_closure(found), "training_s": time.process_time() - start})


def jets_of(file: str, kind: str, train: int, compared: int) -> tuple[Clouds, Clouds]:
    """Clouds to learn from, and others; always the same of a file.

    Raises
    ------
    TooFewEventsError
        If there are fewer.
    """
    from analysis.datasets.jetnet import read_jetnet_file
    from analysis.errors import TooFewEventsError

    clouds = read_jetnet_file(local_path(file), kind).clouds[..., :3]
    if len(clouds) < train + compared:
        raise TooFewEventsError(f"{file} has {len(clouds):,} jets; the study wants {train:,} and {compared:,} others.")
    order = np.random.default_rng(3).permutation(len(clouds))
    return clouds[order[:train]], clouds[order[train : train + compared]]


def compared_jets(drawn: Clouds, truth: Clouds) -> dict[str, float]:
    """Distances of drawn clouds from true ones; the Fréchet distance is that of these numbers of jets."""
    from analysis.features.constituents import relative_mass
    from analysis.features.energy_flow import energy_flow_polynomials
    from analysis.metrics.equivalent_size import equivalent_size
    from analysis.metrics.frechet import frechet_distance, moments
    from analysis.metrics.sampling import valid_clouds
    from analysis.metrics.wasserstein import wasserstein

    valid = valid_clouds(drawn)[0]
    mass, true_mass = relative_mass(valid), relative_mass(truth)
    present = [x[x[..., 2] > 0].astype(np.float64) for x in (valid, truth)]
    true_polynomials = energy_flow_polynomials(truth)
    unit = np.abs(true_polynomials).max(axis=0)
    both = (moments(each / unit) for each in (energy_flow_polynomials(valid), true_polynomials))
    observed = [
        np.stack([relative_mass(x), (x[..., 2] > 0).sum(axis=1), x[..., 2].max(axis=1)], axis=1)
        for x in (valid, *np.array_split(truth, 2))
    ]
    return {
        "w1m": wasserstein(mass, true_mass),
        "w1p": float(np.mean([wasserstein(present[0][:, i], present[1][:, i]) for i in range(3)])),
        "fpd": float(frechet_distance(*both)),
        "equivalent_jets": float(equivalent_size(*observed, seed=5).events),
    }


def of_closure(found: ClosureTest) -> dict[str, float]:
    """Mean AUC by weight and root mean square of the shifts of all regions; NaN where there are none."""
    weights = np.array([max(each.auc_error, 1e-9) ** -2 for each in found.closures])
    aucs = np.array([each.auc for each in found.closures])
    shifts = np.array([each.shift for each in found.shifts])
    auc = float(weights @ aucs / weights.sum()) if len(aucs) else math.nan
    return {"auc": auc, "shift": float(np.sqrt(np.mean(shifts**2))) if len(shifts) else math.nan}


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """What JSON holds: numbers that are none are absent."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
