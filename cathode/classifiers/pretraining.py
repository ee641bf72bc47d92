"""A backbone for transformers, learned on a question that has more events than the search."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from analysis.errors import TooFewEventsError
from cathode.classifiers.backbones import BACKBONE
from cathode.classifiers.constituents import finite_constituents
from cathode.classifiers.network_ensemble import NetworkEnsemble
from cathode.classifiers.protocol import Monitor
from cathode.classifiers.rows import MINIMUM
from cathode.classifiers.storage import save_folder
from cathode.classifiers.transformer import Transformer
from cathode.errors import ClassifierInputError
from generators.training.batches import TrainingData


def pretrain(
    classifier: Transformer,
    x: ArrayLike,
    label: ArrayLike,
    folder: str | os.PathLike[str],
    *,
    seed: int,
    monitor: Monitor | None = None,
) -> Path:
    """Train the networks of `classifier` to tell the classes of events x (N, J, P, 3) apart, and save them.

    Simulated jets of known origin (J = 1) are such a question, or sideband events against others whose two jets come
    from different events. `label` (N,) counts the classes from 0; all get the same weight. `classifier` itself stays
    as it was; ``Transformer(backbone=folder)`` of the same architecture starts from what was learned.

    Mikuni & Nachman (2404.16091) lower the smallest signal that is found in this way.

    Raises
    ------
    ClassifierInputError, NonFiniteError, TooFewEventsError
        If rows or labels do not fit, or there are fewer than 10 events of a class.
    """
    events = finite_constituents(x)
    classes = _classes(label, len(events))
    counts = np.bincount(classes)
    weights = torch.as_tensor(len(classes) / (len(counts) * counts[classes]), dtype=torch.float32)
    data = TrainingData(torch.as_tensor(events), torch.as_tensor(classes[:, None]), weights)

    def network(member: int, of_member: int) -> nn.Module:
        fresh = classifier.network(seed=of_member, outputs=len(counts))
        fresh.standardise(data.x, weights)
        return fresh

    trained = NetworkEnsemble.trained(
        BACKBONE,
        network,
        _ManyClasses,
        data,
        classifier.settings(),
        members=classifier.members,
        seed=seed,
        monitor=monitor,
    )
    return save_folder(folder, BACKBONE, classifier.hyperparameters(), seed, trained.to_arrays())


class _ManyClasses(nn.Module):
    """Cross-entropy of every event; its class (N, 1) is the context."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.network(x), label[:, 0], reduction="none")


def _classes(label: ArrayLike, rows: int) -> NDArray[np.int64]:
    labels = np.asarray(label)
    if labels.shape != (rows,) or not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        raise ClassifierInputError(
            f"label has shape {labels.shape} and type {labels.dtype}; it must be ({rows},) integers that count classes "
            "from 0."
        )
    counts = np.bincount(labels, minlength=2)
    if counts.min() < MINIMUM:
        raise TooFewEventsError(
            f"{counts.min()} events of class {int(counts.argmin())}; pretraining needs at least {MINIMUM} of each."
        )
    return labels.astype(np.int64)
