"""What can be said of a reweighting, declared once: fields of `Reweighting`, and keys of an analysis file.

Its classifier and its observables are parts: objects there, specifications here and there.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True, eq=False)
class ReweightingOptions:
    """The numbers of a reweighting; descriptions and bounds are in the metadata of the fields."""

    folds: int = field(default=5, metadata={"description": "parts of the sidebands; no event weights itself", "ge": 2})
    clip: float = field(
        default=10.0,
        metadata={
            "description": "bound of the density ratio, and draws per template event",
            "gt": 1,
            "allow_inf_nan": False,
        },
    )
