"""Ensembles of classifiers, by the number of their members."""

from __future__ import annotations

import copy
from typing import Any

from cathode.classifiers.protocol import WeakClassifier


def with_members(classifier: WeakClassifier, members: int) -> WeakClassifier:
    """The classifier with at most so many members, if it is an ensemble: a test needs less than a search."""
    ensemble: Any = classifier
    if getattr(ensemble, "members", 0) > members:
        # Not dataclasses.replace, which would forget what it has learned in the sidebands.
        ensemble = copy.copy(ensemble)
        object.__setattr__(ensemble, "members", members)
    return ensemble  # type: ignore[no-any-return]
