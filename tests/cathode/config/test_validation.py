"""The section `validation`."""

from __future__ import annotations

import pytest

from .minimal import MINIMAL, problem


def test_repeats_of_a_test_that_is_not_done_are_refused() -> None:
    assert "no effect" in problem(MINIMAL + "validation: {closure: false, repeats: 3}\n")


@pytest.mark.parametrize("text", ["region_fraction: 1.0", "members: 0", "repeats: 0", "region_fraction: yes"])
def test_numbers_out_of_range_name_their_key(text: str) -> None:
    assert text.partition(":")[0] in problem(MINIMAL + f"validation: {{{text}}}\n")
