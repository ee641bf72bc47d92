"""Events twice under other numbers are found; discrete values that coincide by chance are not taken for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from analysis.datasets import embedded
from analysis.events import Events
from analysis.repeated import repeated_events

N = 20_000


def spectrum(seed: int, n: int = N) -> np.ndarray:
    return 2300 + np.random.default_rng(seed).exponential(600, n)


def few_bits(values: np.ndarray, bits: int) -> np.ndarray:
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2**bits), exponent - bits)


def normal(seed: int, n: int = N, d: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def events(x: np.ndarray, mass: np.ndarray) -> Events:
    ids = np.ones((len(mass), 3), np.uint64)
    ids[:, 2] = np.arange(len(mass))
    x = x.reshape(len(mass), -1) if x.ndim == 1 else x
    return Events(x, mass, tuple(f"x{i}" for i in range(x.shape[-1])), ids=ids)


FLAGS = np.random.default_rng(3).integers(0, 2, (N, 3))
WHOLE = np.floor(spectrum(1))
HALF = spectrum(2).astype(np.float16).astype(float)

KINDS: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "continuous": (normal(1), spectrum(1)),
    "single precision": (normal(1).astype("f4"), spectrum(1).astype("f4")),
    "flags": (FLAGS, spectrum(1)),
    "constant": (np.ones((N, 2)), spectrum(1)),
    "mass as its own feature": (spectrum(1), spectrum(1)),
    "few bits": (few_bits(normal(1), 12), few_bits(spectrum(1), 12)),
    "clouds": (normal(1, d=12).reshape(N, 2, 2, 3), spectrum(1)),
    "spikes": (np.where(FLAGS[:, :1] > 0, normal(1), -1), np.where(FLAGS[:, 0] > 0, spectrum(1), 5000)),
}
CHANCE: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "whole masses and flags": (FLAGS, WHOLE),
    "whole masses and what they decide": (WHOLE // 10, WHOLE),
    "whole masses alone": (WHOLE, WHOLE),
    "half precision": (HALF, HALF),
    "half precision and flags": (FLAGS, HALF),
    "few bits alone": (few_bits(spectrum(1), 14), few_bits(spectrum(1), 14)),
    "single precision alone": (spectrum(1).astype("f4"), spectrum(1).astype("f4")),
    "MeV in GeV": (FLAGS[:, :1], np.floor(spectrum(1) * 1000) / 1000),
    "some whole, some not": (FLAGS, np.where(FLAGS[:, 0] > 0, WHOLE, spectrum(4))),
    "one mass": (FLAGS, np.full(N, 3000.0)),
}


@pytest.mark.parametrize("kind", [*KINDS, *CHANCE])
def test_chance_is_not_taken_for_copies(kind: str) -> None:
    assert repeated_events(events(*({**KINDS, **CHANCE}[kind]))) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("fraction", [1.0, 0.05])
def test_copies_are_found_and_counted(kind: str, times: int, fraction: float) -> None:
    x, mass = KINDS[kind]
    n = round(fraction * N)
    both = events(
        np.concatenate([x, *(x[:n] for _ in range(times - 1))]), np.concatenate([mass, *[mass[:n]] * (times - 1)])
    )
    shuffled = both[np.random.default_rng(5).permutation(len(both))]
    found = repeated_events(shuffled)
    assert found is not None
    # Values that stand for "none" are in no pair.
    once = np.count_nonzero(mass[:n] != 5000)
    assert found.events == pytest.approx(once * (times - 1), rel=0.01)
    assert shuffled.mass[found.first] == shuffled.mass[found.second]
    np.testing.assert_array_equal(shuffled.x[found.first], shuffled.x[found.second])
    assert (shuffled.ids[found.first] != shuffled.ids[found.second]).any()


def test_the_embedded_events_are_each_there_once(read_embedded: Callable[..., Events]) -> None:
    whole = read_embedded(embedded("dijets"))
    assert repeated_events(whole) is None
    assert repeated_events(Events.concatenate([whole, whole])) is not None


def test_few_and_no_events() -> None:
    for n in (0, 1, 2, 5):
        assert repeated_events(events(normal(1, n), spectrum(1, n))) is None


@pytest.fixture
def read_embedded() -> Callable[..., Events]:
    from analysis import DIJET_FEATURES, DIJET_MASS, read_events

    return lambda path: read_events(path, mass=DIJET_MASS, features=DIJET_FEATURES)
