"""Named errors of the generator layer."""

from __future__ import annotations


class GeneratorError(Exception):
    """Base of every error that `generators` raises on bad input."""


class NonFiniteInputError(GeneratorError):
    """NaN or infinity in features, context or weights; raised before any parameter changes."""


class ShapeError(GeneratorError):
    """Arrays disagree in length or do not have the fitted event shape."""


class MissingContextError(GeneratorError):
    """A map that depends on the context was called without one."""


class WeightError(GeneratorError):
    """Event weights do not describe a distribution: their sum is not positive."""


class ConstantFeatureError(GeneratorError):
    """A feature has a single value, so no invertible map to a density exists."""


class TooFewRowsError(GeneratorError):
    """Fewer training events than the model or the split needs."""


class NotFittedError(GeneratorError):
    """A method that needs `fit` was called before it."""


class HyperparameterError(GeneratorError):
    """A hyperparameter is unknown, of the wrong kind, or outside of its range."""


class MissingExtraError(GeneratorError):
    """A part needs an optional package that is not installed; the message says how to get it."""


class UnknownKindError(GeneratorError):
    """The registry has no generator or bijection of that name."""


class ArtifactError(GeneratorError):
    """A saved model is incomplete, was altered after it was written, or has another format version."""


class SaveError(GeneratorError, OSError):
    """A place can not be written, is full, or holds something that is no file."""


class ExportError(GeneratorError):
    """A model can not be written as a graph that other programs evaluate; the message says what stands in the way."""


class CheckpointError(GeneratorError):
    """A training checkpoint does not belong to this model, data or settings."""


class PhaseError(GeneratorError):
    """A phase of a training has no parameters, foreign ones, or a name that is taken; the message says which."""


class ProcessesError(GeneratorError):
    """A training on several devices was not started as so many processes; the message says how to."""


class DivergedError(GeneratorError):
    """The training loss became NaN or infinite."""


class TransportError(GeneratorError):
    """A generator that can not be followed both ways was asked to move events from one context to another."""


class ContextRangeError(GeneratorError):
    """A context lies where this generator has no events, or is no mass."""
