"""Sizes of networks that can be none."""

from __future__ import annotations

import pytest

from generators.errors import HyperparameterError
from generators.flows.sizes import require_sizes


def test_the_first_size_below_one_is_named() -> None:
    require_sizes("maf", hidden=1, layers=2)
    with pytest.raises(HyperparameterError, match="layers = 0 of maf"):
        require_sizes("maf", hidden=1, layers=0, blocks=0)
