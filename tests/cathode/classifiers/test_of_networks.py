"""What a classifier of networks keeps: everything of it comes back, and nothing of another one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from cathode.classifiers.network_ensemble import NetworkEnsemble
from cathode.classifiers.of_networks import OfNetworks
from cathode.errors import ClassifierFolderError
from generators.errors import NotFittedError


@dataclass(kw_only=True, eq=False)
class Line(OfNetworks):
    """One linear layer, without a training."""

    kind: ClassVar[str] = "line"

    members: int = 2

    def made(self, width: int) -> Line:
        """As if trained, with `width` features."""
        self.width_, self.seed_ = width, 3
        states = [[nn.Linear(width, 1).state_dict()] for _ in range(self.members)]
        self.ensemble_ = NetworkEnsemble(states, [[0.5, 0.4]] * self.members, [[0.6, 0.5]] * self.members)
        return self

    def kept(self) -> dict[str, NDArray[Any]]:
        return {"width": np.array([self.width_])}

    def take(self, arrays: Mapping[str, NDArray[Any]]) -> Callable[[], nn.Module]:
        self.width_ = int(arrays["width"][0])
        if self.width_ < 1:
            raise ValueError("no features")
        return lambda: nn.Linear(self.width_, 1)


def test_all_that_was_learned_comes_back(tmp_path: Path) -> None:
    line = Line(members=3).made(2)
    line.save(tmp_path / "line")
    again = Line.load(tmp_path / "line")
    assert (again.members, again.seed_, again.width_) == (3, 3, 2)
    assert again.train_losses_ == [[0.5, 0.4]] * 3
    assert again.validation_losses_ == [[0.6, 0.5]] * 3
    for one, other in zip(line.states_, again.states_, strict=True):
        assert torch.equal(one[0]["weight"], other[0]["weight"])


@pytest.mark.parametrize("width", [0, 5])
def test_what_is_beside_the_networks_must_belong_to_them(tmp_path: Path, width: int) -> None:
    line = Line().made(2)
    line.width_ = width
    line.save(tmp_path / "line")
    with pytest.raises(ClassifierFolderError):
        Line.load(tmp_path / "line")


def test_nothing_is_saved_before_a_fit(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match=r"Line has not been fitted"):
        Line().save(tmp_path / "line")
    assert not (tmp_path / "line").exists()
