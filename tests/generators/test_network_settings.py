"""What declares hyperparameters without the network declares those of the generator, and all checks of them."""

from __future__ import annotations

import dataclasses

import pytest

from generators.network_settings import NetworkSettings
from generators.registry import GENERATORS, field_type

DECLARED = [kind for kind in GENERATORS.kinds() if GENERATORS.settings(kind) is not GENERATORS.resolve(kind)]


def fields(cls: type) -> list[tuple[str, object, object]]:
    """Name, type and default of all hyperparameters."""
    made = cls()
    return [(f.name, field_type(cls, f.name), getattr(made, f.name)) for f in dataclasses.fields(cls) if f.init]


def test_the_usual_generator_is_declared() -> None:
    assert "autoregressive_spline" in DECLARED


@pytest.mark.parametrize("kind", DECLARED)
def test_the_generator_has_the_hyperparameters_of_its_settings_and_no_check_beside_theirs(kind: str) -> None:
    settings, generator = GENERATORS.settings(kind), GENERATORS.resolve(kind)
    assert issubclass(settings, NetworkSettings)
    assert issubclass(generator, settings)
    assert fields(generator) == fields(settings)
    assert settings.kind == generator.kind == kind
    assert generator.__post_init__ is settings.__post_init__


def test_only_the_usual_bijection_needs_no_look_of_its_own() -> None:
    settings = GENERATORS.settings("autoregressive_spline")
    assert settings().looked_at
    assert not settings(bijection="logit").looked_at
