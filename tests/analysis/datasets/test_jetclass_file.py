"""Jets that are written in the layout of JetClass are those that are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis.datasets import read_jetclass
from analysis.datasets.jetclass import IDENTITY, JET_BRANCHES, LABELS, PARTICLE_BRANCHES, TREE
from analysis.datasets.jetclass_file import branch_types, jetclass_file


def jets(n: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 12, n)
    columns: dict[str, Any] = {name: ak.unflatten(rng.normal(0, 1, counts.sum()), counts) for name in PARTICLE_BRANCHES}
    for name in IDENTITY[1:]:
        columns[f"part_{name}"] = ak.unflatten(rng.integers(0, 2, counts.sum()), counts)
    columns |= {name: rng.uniform(1, 2, n) for name in JET_BRANCHES}
    which = rng.integers(0, 10, n)
    return ak.zip(columns | {name: which == i for i, name in enumerate(LABELS)}, depth_limit=1)


def test_what_is_written_is_read_with_the_types_of_jetclass(tmp_path: Path) -> None:
    parts = [jets(30, 1), jets(20, 2)]
    with jetclass_file(tmp_path / "a.root", title="some jets") as extend:
        for part in parts:
            extend(part)
    with uproot.open(tmp_path / "a.root")[TREE] as tree:
        assert tree.title == "some jets"
        assert set(branch_types()) <= set(tree.keys())
        assert tree["part_px"].typename == "float[]"
        assert tree["part_isMuon"].typename == "int32_t[]"
        assert (tree["label_QCD"].typename, tree["label_Tbl"].typename) == ("float", "int32_t")
    read = read_jetclass(tmp_path / "a.root", particles=16)
    whole = ak.concatenate(parts)
    np.testing.assert_array_equal(read.multiplicity, ak.num(whole.part_px))
    np.testing.assert_array_equal(read.labels, np.argmax([whole[name] for name in LABELS], axis=0))
    np.testing.assert_allclose(
        read.clouds[..., read.columns.index("d0val")].sum(axis=1), ak.sum(whole.part_d0val, axis=1), atol=1e-5
    )


def test_an_interrupted_file_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), jetclass_file(tmp_path / "a.root") as extend:  # noqa: PT012
        extend(jets(3, 1))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
