"""Voxels over the energies of their layers: back and forth, exact energies, nothing below the threshold."""

from __future__ import annotations

import pytest
import torch

from generators.errors import HyperparameterError
from generators.showers.normalised_voxels import NormalisedVoxels
from tests.generators.showers.toys import THRESHOLD, showers

VOXELS = NormalisedVoxels([2, 3], threshold=THRESHOLD)


def test_voxels_come_back() -> None:
    x = torch.as_tensor(showers(500, 1)[0])
    z = VOXELS.logits(x, torch.full_like(x, 0.5))
    back = VOXELS.voxels(z, VOXELS.energies(x))
    assert torch.equal(back > 0, x > 0)
    # The noise is a millionth of a GeV, of a layer of a hundredth or more.
    assert torch.allclose(back, x, rtol=1e-3, atol=1e-5)


def test_energies_are_exact_and_nothing_is_below_the_threshold() -> None:
    z = 4 * torch.randn(2_000, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    energies = torch.rand(2_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 0.02
    x = VOXELS.voxels(z, energies)
    due = torch.where(energies >= THRESHOLD, energies, torch.zeros_like(energies))
    assert torch.allclose(VOXELS.energies(x), due, rtol=1e-12)
    assert float(x[x > 0].min()) >= THRESHOLD * (1 - 1e-12)


def test_a_layer_of_the_threshold_is_one_voxel() -> None:
    energies = torch.tensor([[0.0, THRESHOLD]], dtype=torch.float64)
    x = VOXELS.voxels(torch.arange(5, dtype=torch.float64)[None] / 10, energies)
    assert x.tolist() == [[0, 0, 0, 0, THRESHOLD]]


@pytest.mark.parametrize("z", [-14.0, -13.0, 0.0, -800.0])
def test_a_layer_keeps_its_energy_where_all_shares_are_nothing_or_equal(z: float) -> None:
    """Below the squeezed interval there is no share left, and shares of equal voxels may all be below the threshold."""
    energies = torch.tensor([[1.0, 2.0], [1.5 * THRESHOLD, 2.5 * THRESHOLD]], dtype=torch.float64)
    x = VOXELS.voxels(torch.full((2, 5), z, dtype=torch.float64), energies)
    assert torch.allclose(VOXELS.energies(x), energies, rtol=1e-12)
    assert float(x[x > 0].min()) >= THRESHOLD
    # The largest of those that are nothing.
    last = torch.tensor([[-16.0, -15.0, -16.0, -14.0, -15.0]], dtype=torch.float64)
    assert VOXELS.voxels(last, energies[:1]).tolist() == [[0, 1, 0, 2, 0]]


@pytest.mark.parametrize("wrong", [{"noise": 0.0}, {"threshold": -1.0}, {"epsilon": 0.5}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(HyperparameterError, match=next(iter(wrong))):
        NormalisedVoxels([2, 3], **wrong)
