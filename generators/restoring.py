"""Restoring a model that somebody else may have written: no size is believed that its tensors could not fill.

Hyperparameters of a card are numbers in a text; one more digit, and a constructor would loop for days or ask for more
memory than there is. The tensors beside them say how large the model can be at most. See also `generators.ceiling`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from generators.errors import ArtifactError

#: Hyperparameters that say how to train, and shape nothing.
_OF_TRAINING = {"training", "pretraining", "epochs", "steps", "batch_size", "max_iter", "min_samples_leaf", "patience"}

#: Sizes that are harmless whatever the tensors are: steps of a solver, bins of a histogram.
_HARMLESS = 1_000_000


def refuse_sizes(hyperparameters: Mapping[str, Any], shapes: Iterable[Sequence[int]]) -> None:
    """Refuse hyperparameters that are larger than all stored tensors, of these shapes, together.

    Raises
    ------
    ArtifactError
        Names the first.
    """
    listed = [tuple(shape) for shape in shapes]
    elements = sum(math.prod(shape) for shape in listed)
    most = max(elements, _HARMLESS)
    # A size of zero beside another one hides that from the number of elements.
    longest = max((size for shape in listed for size in shape), default=0)
    if longest > most:
        raise ArtifactError(f"a tensor without elements claims a size of {longest}")
    for name, value in _numbers(hyperparameters):
        if abs(value) > most:
            raise ArtifactError(f"{name} = {value} does not belong to tensors of {elements} numbers in all")


def _numbers(node: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """Every whole number among hyperparameters, with its name, but those of the training."""
    if isinstance(node, bool):
        return
    if isinstance(node, int):
        yield name, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key not in _OF_TRAINING:
                yield from _numbers(value, f"{name}.{key}" if name else str(key))
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _numbers(value, name)
