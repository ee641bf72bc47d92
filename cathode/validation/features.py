"""Feature by feature, the distribution of the reference against that of the data of a validation region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from analysis.statistics.two_samples import compare_samples
from cathode.region import Interval
from cathode.result import FeatureTest
from cathode.validation.trial import Trial

#: All tests of a search together fail by chance this often at most.
BY_CHANCE = 0.01

#: A significant difference that is smaller is shown and not held against the template: root mean square over bins, and
#: distance of the cumulative distributions. One feature that is shifted so far moves the AUC by 0.01.
DEVIATION = 0.05
DISTANCE = 0.015

#: The score of the classifier is tested like a feature: it has seen all of them.
SCORE = "classifier score"


def feature_tests(trial: Trial, regions: Sequence[Interval]) -> tuple[FeatureTest, ...]:
    """χ² and Kolmogorov–Smirnov of every observable and of the score in every region.

    Events that are no vectors of observables are compared by the score alone. A reference that lies outside of these
    regions is compared as a whole.
    """
    found = [each for interval in regions for each in _in_region(trial, interval)]
    # Two tests of every feature in every region, by Holm's step-down, which Bonferroni's factor bounds.
    ranks = np.argsort([each.p_value for each in found])
    failed: set[int] = set()
    for step, index in enumerate(ranks):
        if found[index].p_value * (len(found) - step) >= BY_CHANCE:
            break
        failed.add(int(index))
    return tuple(
        FeatureTest(**{**vars(each), "passed": number not in failed or _small(each)})
        for number, each in enumerate(found)
    )


def _small(test: FeatureTest) -> bool:
    return test.deviation < DEVIATION and test.ks < DISTANCE


def _in_region(trial: Trial, interval: Interval) -> Iterator[FeatureTest]:
    real, made = interval(trial.data.mass), interval(trial.reference.mass)
    if not made.any():
        made = np.ones(len(made), dtype=bool)
    if not real.any():
        return
    reference = trial.reference[made]
    columns = [(SCORE, trial.scores[real], reference.scores)]
    if trial.data.x.ndim == 2:
        x = trial.data.x[real]
        columns += [(name, x[:, i], reference.x[:, i]) for i, name in enumerate(trial.data.columns)]
    for name, values, others in columns:
        found = compare_samples(
            values,
            others,
            weights=trial.data.weights[real],
            other_weights=reference.weights,
            origin=reference.origin,
        )
        p_value = min(1.0, 2 * min(found.chi2_p_value, found.ks_p_value))
        yield FeatureTest(
            interval.low,
            interval.high,
            name,
            found.chi2,
            found.ndof,
            found.ks,
            found.deviation,
            p_value,
            True,
            found.size,
        )
