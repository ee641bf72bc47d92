"""Parts for cathode-hep; importing this package makes them known to analysis files and to stored runs."""

from cathode_example.linear_gaussian import LinearGaussian
from cathode_example.log_polynomial import LogPolynomial
from cathode_example.moved_sidebands import MovedSidebands
from cathode_example.quadratic_logistic import QuadraticLogistic

__all__ = ["LinearGaussian", "LogPolynomial", "MovedSidebands", "QuadraticLogistic"]
