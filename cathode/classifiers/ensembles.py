"""Ensembles of classifiers, by the number of their members."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from cathode.classifiers.protocol import WeakClassifier


@runtime_checkable
class Divisible(WeakClassifier, Protocol):
    """A fitted ensemble of which some members can be asked alone."""

    members: int

    def of_members(self, chosen: Sequence[int]) -> Self:
        """The ensemble of these of its members."""
        ...


def parts(classifier: WeakClassifier, count: int) -> tuple[WeakClassifier, ...]:
    """A fitted ensemble as at most `count` smaller ones of about equal size; alone, if it can not be divided."""
    if not isinstance(classifier, Divisible) or classifier.members < 2:
        return (classifier,)
    groups = np.array_split(np.arange(classifier.members), min(count, classifier.members))
    return tuple(classifier.of_members(group.tolist()) for group in groups)


def with_members(classifier: WeakClassifier, members: int) -> WeakClassifier:
    """The classifier with at most so many members, if it is an ensemble: a test needs less than a search."""
    ensemble: Any = classifier
    if getattr(ensemble, "members", 0) > members:
        # Not dataclasses.replace, which would forget what it has learned in the sidebands.
        ensemble = copy.copy(ensemble)
        object.__setattr__(ensemble, "members", members)
    return ensemble  # type: ignore[no-any-return]
