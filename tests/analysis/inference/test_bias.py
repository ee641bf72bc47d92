"""Spurious signal: none where the function is right, some where it is too small."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import SpectrumError
from analysis.inference.bias import ALTERNATIVES, alternative_background, pulls

from .spectra import SIGNAL, background, model


@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_a_right_function_has_pulls_of_mean_zero_and_width_one(strength: float) -> None:
    found = pulls(model(), background(), strength=strength, toys=120, seed=1)
    assert abs(found.mean) < 4 * found.mean_error
    assert abs(found.width - 1) < 4 * found.width_error
    assert abs(found.spurious) < 4 * found.spurious_error


def test_a_signal_that_is_no_part_of_the_function_is_spurious() -> None:
    """With so many events a bump of half a standard deviation in the background is seen as such."""
    found = pulls(model(events=4e5), background(4e5) + 1.0 * SIGNAL, toys=80, seed=2)
    assert found.spurious > 5 * found.spurious_error


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_alternatives_describe_the_spectrum_and_hardly_make_a_signal(name: str) -> None:
    seen = model()
    contents = alternative_background(seen, name)
    assert contents.sum() == pytest.approx(seen.counts.sum(), rel=1e-2)
    chi2 = float(((seen.counts - contents) ** 2 / contents).sum())
    assert chi2 / len(contents) < 2.5
    found = pulls(model(function="f4"), contents, toys=60, seed=3)
    assert abs(found.spurious) < 0.5


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(SpectrumError, match="power_exponential"):
        alternative_background(model(), "poly")
    with pytest.raises(SpectrumError, match="at least 10"):
        pulls(model(), background(), toys=3, seed=1)
    assert np.isfinite(background()).all()
