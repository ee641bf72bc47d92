"""Writing jets in the layout of JetClass."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from analysis.atomic import atomic_path
from analysis.datasets.jetclass import IDENTITY, JET_BRANCHES, LABELS, PARTICLE_BRANCHES, TREE

if TYPE_CHECKING:
    import awkward as ak

_FLAGS = tuple(f"part_{name}" for name in IDENTITY[1:])


def branch_types() -> dict[str, str]:
    """Name of every branch -> type of its numbers."""
    types = {name: "int32" if name in _FLAGS else "float32" for name in PARTICLE_BRANCHES}
    types |= dict.fromkeys(JET_BRANCHES, "float32")
    return types | {name: "float32" if name == LABELS[0] else "int32" for name in LABELS}


@contextmanager
def jetclass_file(path: str | os.PathLike[str], *, title: str = "") -> Iterator[Callable[[ak.Array], None]]:
    """Open a file of JetClass for writing; yields `extend(jets)`, and the file appears only when it is complete.

    Jets are records with all branches, those of particles as lists; each array becomes one basket per branch. `title`
    becomes that of the tree.
    """
    import awkward as ak
    import uproot

    types = branch_types()
    jagged: dict[str, Any] = {
        name: ak.types.from_datashape(f"var * {kind}", highlevel=False) if name in PARTICLE_BRANCHES else kind
        for name, kind in types.items()
    }
    with atomic_path(path) as temporary, uproot.recreate(temporary, compression=uproot.ZSTD(9)) as file:
        tree = file.mktree(TREE, jagged, title=title)

        def extend(jets: ak.Array) -> None:
            tree.extend({name: ak.values_astype(jets[name], kind) for name, kind in types.items()})

        yield extend
