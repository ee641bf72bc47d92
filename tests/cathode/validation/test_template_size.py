"""The size of a template: of a bootstrapped sample its own, of a good one more than can be told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cathode.result import Counts, FeatureTest, MassModelSummary, RegionSummary, SearchResult, TemplateSize
from cathode.validation.features import SCORE, feature_tests
from cathode.validation.template_size import template_size
from cathode.validation.warnings import warnings_of
from tests.cathode.validation.test_features import REGIONS, trial


def found(learned: int, seed: int, events: int = 4_000, features: int = 2) -> TemplateSize:
    """Of a generator that repeats `learned` true events of each region and does not say so."""
    base = trial(seed, events=events)
    rng, reference = np.random.default_rng(seed + 100), base.reference
    x = np.array(reference.x)
    for region in REGIONS:
        inside = np.flatnonzero(region(reference.mass))
        x[inside] = rng.normal(size=(learned, features))[rng.integers(0, learned, len(inside))]
    size = template_size(
        feature_tests(dataclasses.replace(base, reference=dataclasses.replace(reference, x=x)), REGIONS)
    )
    assert size is not None
    return size


def test_a_generator_that_repeats_is_worth_what_it_repeats() -> None:
    sizes = [found(500, seed) for seed in range(12)]
    assert 1 / np.mean([1 / (size.events or np.inf) for size in sizes]) == pytest.approx(500, rel=0.15)
    assert all(size.low < 500 and (size.high is None or size.high > 500) for size in sizes)


def test_a_true_template_is_worth_more_than_can_be_told() -> None:
    sizes = [template_size(feature_tests(trial(seed), REGIONS)) for seed in range(10)]
    assert sum(size is not None and size.high is None for size in sizes) >= 9
    assert template_size(()) is None


def test_the_score_is_no_feature() -> None:
    off = FeatureTest(1, 2, SCORE, 900.0, 19, 0.3, 0.3, 1e-9, False, 1_000.0)
    assert template_size([off]) is None
    # χ² of 19 and of 38 more: of 1,000 events half as far again, so 19 · 1000 / 38 true events.
    size = template_size([dataclasses.replace(off, feature="m", chi2=57.0)])
    assert size is not None
    assert size.events == pytest.approx(500)


def test_more_draws_than_that_give_a_warning() -> None:
    model = MassModelSummary("dijet", {}, None, None, None, (1, 2), 1, 1, 1)
    result = SearchResult(RegionSummary(1, 2), (), Counts(1, 1, 1, 1, 900), model, ())
    good, bad = (dataclasses.replace(result, template_size=TemplateSize(500, 400, high)) for high in (None, 800.0))
    assert not any("is worth" in words for words in warnings_of(good))
    assert any("900 events and is worth about 500 true events (400 to 800)" in words for words in warnings_of(bad))
    assert not any(
        "is worth" in words
        for words in warnings_of(dataclasses.replace(bad, counts=good.counts.__class__(1, 1, 1, 1, 799)))
    )
