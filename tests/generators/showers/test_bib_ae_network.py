"""The networks of BIB-AE together: what is drawn has the energy that the flow drew."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from generators.registry import create
from generators.showers.bib_ae_network import UNIT, BibAe

SMALL: dict[str, Any] = {
    "kind": "bib_ae",
    "layers": [[2, 3]] * 3,
    "latent": 6,
    "active": 4,
    "encoder_widths": [2, 2],
    "decoder_widths": [2, 2, 2],
    "hidden": [8],
    "post_width": 4,
}


def network(**changes: Any) -> BibAe:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made: BibAe = create({**SMALL, **changes}).build((18,), 2)
    return made.eval()


def test_energy_is_what_the_flow_draws_and_the_flow_goes_on_learning() -> None:
    made = network(flow={"kind": "coupling_spline", "blocks": 2, "hidden": 8})
    assert made.flow is not None
    made.energy_mean.fill_(1.5)
    noise = torch.randn(5, *made.noise_shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    c = torch.tensor([[0.1, -0.5, 40.0]] * 5)
    with torch.no_grad():
        drawn = made.transport(noise, c)
        twice = made.transport(noise, c * torch.tensor([1.0, 1.0, 2.0]))
        other = made.transport(noise, c + torch.tensor([0.0, 1.0, 0.0]))
    assert made.noise_shape == (7,)
    # Energies in units of the threshold, a tenth of what the ratio is of.
    assert (drawn.sum(dim=1) / UNIT / 40).log().std() > 0.1
    assert (twice.sum(dim=1) / drawn.sum(dim=1)).tolist() == pytest.approx([2] * 5, rel=1e-4)
    assert not torch.allclose(drawn, other)
    assert {parameter.dtype for parameter in made.flow.parameters()} == {torch.float32}


def test_latents_of_the_flow_have_about_width_one() -> None:
    made = network(flow={"kind": "coupling_spline", "blocks": 2, "hidden": 8})
    x, c = 100 * torch.rand(50, 18, generator=torch.Generator().manual_seed(2)), torch.tensor([[0.1, -0.5, 40.0]] * 50)
    ratio = made.log_ratio(x.sum(dim=1) / UNIT, c)
    made.energy_mean.copy_(ratio.mean())
    made.energy_width.copy_(ratio.std())
    with torch.no_grad():
        u = made.latents(made.volume(x), c)
    assert u.shape == (50, 5)
    assert float(u[:, -1].mean()) == pytest.approx(0, abs=1e-4)
    assert float(u[:, -1].std()) == pytest.approx(1, abs=1e-4)
    # Without a flow nothing is known of the energy, and the decoder makes it.
    assert network().noise_shape == (6,)
    assert network(post_width=0).post is None
