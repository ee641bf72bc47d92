"""Fewer of the kept states of a generator, without another training."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, TypeVar

from generators.errors import HyperparameterError
from generators.tabular.base import TabularGenerator

G = TypeVar("G", bound=TabularGenerator[Any])


def with_best(generator: G, count: int) -> G:
    """The fitted generator with its best `count` states alone: what a training with so many `best_states` leaves.

    Raises
    ------
    HyperparameterError
        If it does not have so many.
    """
    kept = len(generator.states_)
    if not 1 <= count <= kept:
        raise HyperparameterError(f"{generator.kind} has {kept} states; {count} of them can not be taken.")
    fewer = copy.copy(generator)
    fewer.training = replace(generator.training, best_states=count)
    fewer.states_, fewer.networks_ = generator.states_[:count], generator.networks_[:count]
    fewer.best_epochs_ = generator.best_epochs_[:count]
    return fewer
