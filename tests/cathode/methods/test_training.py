"""What was trained once is loaded, and what decides it makes another product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cathode.methods.training import trained_once
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.store import Store
from generators.registry import create

from .asking import stages

X, CONTEXT = np.random.default_rng(1).standard_normal((600, 2)), np.linspace(1, 2, 600)[:, None]


def trained(folder: RunFolder, fits: list[str], *, objective: str = "one") -> Any:
    generator = create({"kind": "linear_flow", "training": {"steps": 5}})

    def fit() -> Any:
        fits.append(objective)
        return create({"kind": "linear_flow", "training": {"steps": 5}}).fit(X, CONTEXT, seed=1)

    return trained_once(stages(1, folder), "thing", generator, X, CONTEXT, seed=1, also=[objective], fit=fit)


def test_a_folder_and_a_store_have_it_the_second_time(tmp_path: Path) -> None:
    fits: list[str] = []
    store = Store.at(tmp_path / "store")
    first = trained(RunFolder(tmp_path / "a", store=store), fits)
    again = trained(RunFolder(tmp_path / "a", store=store), fits)
    other = trained(RunFolder(tmp_path / "b", store=store), fits)
    assert fits == ["one"]
    for each in (again, other):
        assert np.array_equal(each.log_prob(X, CONTEXT), first.log_prob(X, CONTEXT))


def test_another_objective_is_another_product(tmp_path: Path) -> None:
    fits: list[str] = []
    store = Store.at(tmp_path / "store")
    trained(RunFolder(tmp_path / "a", store=store), fits)
    trained(RunFolder(tmp_path / "b", store=store), fits, objective="another")
    assert fits == ["one", "another"]


def test_without_a_folder_it_is_trained(tmp_path: Path) -> None:
    fits: list[str] = []
    trained(RunFolder(None), fits)
    trained(RunFolder(None), fits)
    assert fits == ["one", "one"]
