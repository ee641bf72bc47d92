"""Estimators of scikit-learn as they are: their own answers, event weights, and a folder without code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from cathode.classifiers import create
from cathode.classifiers.scikit_learn import ScikitLearn
from cathode.errors import ClassifierFolderError, ConfigError
from cathode.testing.classifier import classifier_checks
from generators.testing import Check

FOREST: dict[str, Any] = {
    "estimator": "sklearn.ensemble.RandomForestClassifier",
    "settings": {"n_estimators": 20, "max_depth": 6},
}


@pytest.mark.parametrize(
    "check", [pytest.param(each, id=str(each)) for each in classifier_checks(lambda: ScikitLearn(**FOREST))]
)
def test_contract(check: Check) -> None:
    check()


def rows(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(600) % 2
    return rng.standard_normal((600, 2)) + y[:, None], y


def test_an_estimator_is_taken_as_it_is() -> None:
    """Its own answer, to the last bit."""
    x, y = rows()
    given = LogisticRegression(C=0.3)
    found = ScikitLearn(estimator=given).fit(x, y, seed=5)
    assert found.settings == {"C": 0.3}
    assert not hasattr(given, "coef_")
    plain = LogisticRegression(C=0.3, random_state=5).fit(x, y, sample_weight=np.full(600, 1.0))
    assert np.allclose(found.score(x), plain.predict_proba(x)[:, 1], atol=1e-6)


def test_weights_go_in_as_sample_weight() -> None:
    x, y = rows()
    w = np.where(x[:, 0] > 0.5, 5.0, 1.0)
    weighted = ScikitLearn(estimator=LogisticRegression()).fit(x, y, weights=w, seed=1)
    repeated = np.repeat(np.arange(600), w.astype(int))
    copied = ScikitLearn(estimator=LogisticRegression()).fit(x[repeated], y[repeated], seed=1)
    unweighted = ScikitLearn(estimator=LogisticRegression()).fit(x, y, seed=1)
    assert np.abs(weighted.score(x) - copied.score(x)).max() < 0.02
    assert np.abs(weighted.score(x) - unweighted.score(x)).max() > 0.05


def test_is_in_the_registry_by_its_path_and_by_itself() -> None:
    made = create({"kind": "scikit_learn", **FOREST})
    assert made.hyperparameters() == FOREST
    of_object = ScikitLearn(estimator=ExtraTreesClassifier(n_estimators=7))
    assert of_object.hyperparameters()["settings"] == {"n_estimators": 7}


def test_the_folder_holds_numbers_and_no_code(tmp_path: Path) -> None:
    x, y = rows()
    made = ScikitLearn(estimator=RandomForestClassifier(n_estimators=5)).fit(x, y, seed=1)
    made.save(tmp_path / "saved")
    assert sorted(each.name for each in (tmp_path / "saved").iterdir()) == ["card.json", "weights.safetensors"]
    assert np.array_equal(ScikitLearn.load(tmp_path / "saved").score(x), made.score(x))


def test_an_estimator_that_does_not_repeat_is_refused(tmp_path: Path) -> None:
    x, y = rows()
    made = ScikitLearn(estimator=RandomForestClassifier(n_estimators=5)).fit(x, y, seed=1)
    made.y_ = ~made.y_
    made.save(tmp_path / "saved")
    with pytest.raises(ClassifierFolderError, match="other scores"):
        ScikitLearn.load(tmp_path / "saved")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"estimator": "os.system"}, "no class of scikit-learn"),
        ({"estimator": "sklearn.ensemble.NoForest"}, "NoForest"),
        ({"estimator": "sklearn.svm.LinearSVC"}, "no predict_proba"),
        ({"estimator": "sklearn.neighbors.KNeighborsClassifier"}, "no sample_weight"),
        ({"settings": {"trees": 3}}, "trees"),
    ],
)
def test_what_can_not_be_taken_is_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ScikitLearn(**settings)
