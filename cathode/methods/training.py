"""A training of one's own in the place of a task: loaded if it is there, or shared with other runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from analysis.events import FloatArray
from cathode.runtime.keys import product_key
from cathode.runtime.processes import one_thread
from cathode.runtime.stages import Stages
from cathode.runtime.store import Shelf


def trained_once(
    stages: Stages,
    product: str,
    generator: Any,
    *arrays: FloatArray,
    seed: int,
    also: list[str],
    fit: Callable[[], Any],
) -> Any:
    """What `fit` makes of a `generator` and arrays, kept under the name of a product.

    `also` is what decides it beside generator, arrays and seed, such as the name of the objective.
    """
    from generators.artifact import load, save

    shelf = Shelf.of(
        stages.at(product),
        stages.store,
        "generator",
        generator,
        lambda: product_key("generator", generator, *arrays, seed=seed, also=also),
    )
    with shelf.place() as place:
        if place is not None and place.exists():
            return load(place)
        with one_thread():
            found = fit()
        if place is not None:
            save(found, place)
        return found
