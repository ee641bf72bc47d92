"""Classifiers by the names of their kinds, and out of their folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cathode.classifiers.protocol import WeakClassifier, classifier_class, create, kinds, load_classifier
from cathode.classifiers.storage import save_folder
from cathode.errors import ClassifierFolderError, ConfigError


@pytest.mark.parametrize("kind", ["boosted_trees", "mlp"])
def test_kinds_are_found_by_name(kind: str) -> None:
    assert kind in kinds()
    made = create({"kind": kind})
    assert isinstance(made, WeakClassifier)
    assert type(made) is classifier_class(kind)


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match="boosted_trees"):
        classifier_class("bosted_trees")


def test_a_folder_of_an_unknown_kind_says_what_to_import(tmp_path: Path) -> None:
    save_folder(tmp_path / "a", "somebody_elses", {}, 1, {"x": np.zeros(1)})
    with pytest.raises(ClassifierFolderError, match="Import the module that registers it first"):
        load_classifier(tmp_path / "a")
    with pytest.raises(ClassifierFolderError):
        load_classifier(tmp_path / "none")
