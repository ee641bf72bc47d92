"""Loss curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.plots.style import CYCLE, single, styled

FloatArray = NDArray[np.floating[Any]]


@styled
def losses(
    train: FloatArray, validation: FloatArray, *, best: Sequence[int] = (), label: str = "Loss", title: str = ""
) -> Figure:
    """Training and validation loss per epoch, (E,) each; `best` are the epochs (from 1) that were kept."""
    figure, axes = single(height=3.6)
    epochs = np.arange(1, len(train) + 1)
    axes.plot(epochs, train, color=CYCLE[0], label="Training")
    axes.plot(epochs, validation, color=CYCLE[1], label="Validation")
    if best:
        kept = np.asarray(best)
        axes.plot(
            kept,
            np.asarray(validation)[kept - 1],
            "o",
            color=CYCLE[1],
            markeredgecolor="white",
            markersize=6,
            label="Kept",
        )
    axes.set_xlim(0.5, len(train) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set_xlabel("Epoch")
    axes.set_ylabel(label)
    axes.set_title(title)
    axes.legend(loc="upper right")
    return figure
