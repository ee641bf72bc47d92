"""Every part of this package keeps the contract of its role; that is one test per promise."""

import pytest
from cathode_example import LinearGaussian, LogPolynomial, MovedSidebands, QuadraticLogistic

from cathode.testing import classifier_checks, mass_model_checks, method_checks
from cathode.testing.toy import Discriminant
from generators.testing import density_checks


@pytest.mark.parametrize("check", density_checks(LinearGaussian), ids=str)
def test_generator(check):
    check()


@pytest.mark.parametrize("check", classifier_checks(QuadraticLogistic), ids=str)
def test_classifier(check):
    check()


@pytest.mark.parametrize("check", mass_model_checks(LogPolynomial), ids=str)
def test_mass_model(check):
    check()


@pytest.mark.parametrize("check", method_checks(lambda: MovedSidebands(classifier=Discriminant())), ids=str)
def test_method(check):
    check()
