"""FPCD: the density of clouds is in tests/generators/test_clouds.py; here what it says of its context."""

from __future__ import annotations

import pytest

from generators.errors import HyperparameterError
from generators.registry import create


def test_published_preset_has_the_published_size() -> None:
    made = create({"kind": "fpcd", "preset": "published", "attributes": 4, "multiplicity": -1})
    assert sum(p.numel() for p in made.build((30, 3), 9).network.parameters()) == 1_035_779


@pytest.mark.parametrize("wrong", [{"attributes": 3}, {"attributes": -1}, {"heads": 5}, {"width": 0}])
def test_what_does_not_fit_is_named(wrong: dict[str, int]) -> None:
    with pytest.raises(HyperparameterError, match=next(iter(wrong))):
        create({"kind": "fpcd", **wrong}).build((6, 3), 2)
