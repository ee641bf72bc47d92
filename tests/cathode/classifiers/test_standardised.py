"""Mean and width of the quantities that networks see."""

from __future__ import annotations

import numpy as np
import torch

from cathode.classifiers.constituents import quantities
from cathode.classifiers.standardised import StandardisedQuantities, mean_and_scale, standard

from .test_transformer import dijets


def test_what_is_present_has_zero_mean_and_unit_width_with_weights() -> None:
    x, w = torch.as_tensor(dijets(400, 9, seed=1)), torch.as_tensor(np.random.default_rng(2).uniform(0.5, 2, 400))
    known = StandardisedQuantities().double()
    known.standardise(x, w)
    seen = quantities(x)
    values, weight = known.standard_particles(seen.particles), w[:, None, None] * seen.present
    for place in range(values.shape[-1]):
        mean = (weight * values[..., place]).sum() / weight.sum()
        width = (weight * values[..., place].square()).sum() / weight.sum()
        assert abs(float(mean)) < 1e-6
        assert abs(float(width) - 1) < 0.02  # a little is cut


def test_what_never_changes_stays_zero_and_outliers_are_cut() -> None:
    mean, scale = mean_and_scale(torch.tensor(4.0), torch.tensor([12.0]), torch.tensor([36.0]))
    assert (float(mean), float(scale)) == (3.0, 1.0)
    assert float(standard(torch.tensor([1e9]), mean, scale)) == 10.0
