"""Contracts of classifiers, observables, mass models and methods, those of others too; see `generators.testing`.

    @pytest.mark.parametrize("check", classifier_checks(lambda: MyClassifier(members=2)), ids=str)
    def test_classifier(check):
        check()

`check_classifier(make)` and its like run all of a contract at once; an AssertionError says which promises are broken.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cathode.testing.classifier import check_classifier as check_classifier
    from cathode.testing.classifier import classifier_checks as classifier_checks
    from cathode.testing.mass_model import check_mass_model as check_mass_model
    from cathode.testing.mass_model import mass_model_checks as mass_model_checks
    from cathode.testing.method import check_method as check_method
    from cathode.testing.method import method_checks as method_checks
    from cathode.testing.observables import check_observables as check_observables
    from cathode.testing.observables import observables_checks as observables_checks
    from generators.testing.contract import Check as Check

_HOME = {
    "Check": "generators.testing.contract",
    "check_classifier": "cathode.testing.classifier",
    "check_mass_model": "cathode.testing.mass_model",
    "check_method": "cathode.testing.method",
    "check_observables": "cathode.testing.observables",
    "classifier_checks": "cathode.testing.classifier",
    "mass_model_checks": "cathode.testing.mass_model",
    "method_checks": "cathode.testing.method",
    "observables_checks": "cathode.testing.observables",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cathode.testing' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)
