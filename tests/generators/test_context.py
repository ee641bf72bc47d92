from __future__ import annotations

import pytest
import torch

from generators.context import ContextMap
from generators.errors import NonFiniteInputError


def masses(n: int = 500) -> torch.Tensor:
    return 2_000 + 8_000 * torch.rand(n, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_unit_of_a_mass_does_not_matter() -> None:
    gev = masses()
    assert torch.allclose(ContextMap.of(gev)(gev), ContextMap.of(gev / 1000)(gev / 1000), atol=1e-12)


def test_equal_ratios_of_masses_are_equal_steps() -> None:
    here = ContextMap.of(masses())
    at = here(torch.tensor([[2_000.0], [4_000.0], [8_000.0]], dtype=torch.float64))
    assert float(at[1] - at[0]) == pytest.approx(float(at[2] - at[1]), rel=1e-12)


def test_training_range_becomes_the_unit_interval() -> None:
    c = torch.cat([masses(), masses() - 5_000], dim=1)
    mapped = ContextMap.of(c)(c)
    assert mapped.amin(dim=0).tolist() == pytest.approx([-1, -1])
    assert mapped.amax(dim=0).tolist() == pytest.approx([1, 1])


def test_a_column_with_both_signs_is_mapped_linearly() -> None:
    here = ContextMap.of(torch.tensor([[-1.0], [3.0]], dtype=torch.float64))
    at = here(torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64))
    assert at.flatten().tolist() == pytest.approx([-0.5, 0.0, 0.5])


def test_a_constant_column_is_zero_in_training() -> None:
    c = torch.full((10, 1), 3.0, dtype=torch.float64)
    assert torch.equal(ContextMap.of(c)(c), torch.zeros_like(c))


def test_what_was_positive_must_stay_so() -> None:
    with pytest.raises(NonFiniteInputError, match="column 0: 1 of 2 values"):
        ContextMap.of(masses())(torch.tensor([[3_000.0], [0.0]], dtype=torch.float64))
