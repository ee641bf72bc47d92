"""Named errors of the search layer."""

from __future__ import annotations


class CathodeError(Exception):
    """Base of every error that `cathode` raises on bad input."""


class ShadowedPackageError(CathodeError, ImportError):
    """Something else of the name `analysis` or `generators` hides the package that belongs to this one."""


class ConfigError(CathodeError):
    """The analysis file has an unknown key, a wrong type or a value out of range."""


class RegionError(CathodeError):
    """The edges of a window or of its sidebands make no sense."""


class EmptyRegionError(CathodeError):
    """The signal region or a sideband holds no events."""


class WeightsError(CathodeError):
    """The event weights of a place do not sum to a positive number."""


class RunFolderError(CathodeError):
    """The output folder belongs to another analysis, or a file in it is unreadable."""


class MassModelError(CathodeError):
    """The mass spectrum of the sidebands could not be modelled."""


class TemplateError(CathodeError):
    """The generator draws events that can not be used."""


class WorkerError(CathodeError):
    """A process that worked for this one ended before it was done."""


class CalibrationError(CathodeError):
    """Pseudo-experiments are missing, too few, or of another search."""


class InjectionError(CathodeError):
    """A signal can not be injected, or nothing can be said of the strengths that were."""


class ResultError(CathodeError):
    """A stored result is unreadable, of another schema version, or lacks a field."""


class ClassifierInputError(CathodeError):
    """Rows, labels or weights handed to a classifier do not fit together."""


class ClassifierFolderError(CathodeError):
    """A saved classifier is incomplete, was altered after it was written, or has another format."""


class FpndError(CathodeError):
    """Weights, moments or jets that the Fréchet ParticleNet distance is not defined for."""


class StoreError(CathodeError):
    """A folder is no store of products, or can not become one."""
