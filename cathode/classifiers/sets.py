"""Sets of constituents as sums of what each of them contributes, whatever their order and number (1810.05165)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cathode.classifiers.constituents import JET, PARTICLE, quantities
from cathode.classifiers.standardised import StandardisedQuantities
from generators.networks.perceptron import Perceptron

#: Places of the angles among the quantities of a constituent, and of its share of pT.
ANGLES = [PARTICLE.index(name) for name in ("Δη", "Δφ", "ΔR")]
SHARE = PARTICLE.index("ln pT/pT(jet)")
#: Quantities of a jet that neither soft nor collinear constituents change.
SAFE = [place for place, name in enumerate(JET) if name != "N"]


class SetNetwork(StandardisedQuantities):
    """Events x (N, J, P, 3) to logits (N, 1): F(Σ over jets of G(jet, Σ over constituents of Φ)).

    All three are perceptrons with `layers` hidden layers of `hidden` units; the sums have `latent` numbers. A `safe`
    network is an energy flow network: Φ sees the angles of a constituent alone and is weighted by its share of the pT,
    and nothing sees the number of constituents, so that soft and collinear ones change no score.
    """

    def __init__(self, *, hidden: int, layers: int, latent: int, safe: bool) -> None:
        super().__init__()
        self.safe = safe
        of_particles, of_jets = (len(ANGLES), len(SAFE)) if safe else (len(PARTICLE), len(JET))
        self.of_particle = _perceptron(of_particles, latent, hidden, layers)
        self.of_jet = _perceptron(latent + of_jets, latent, hidden, layers)
        self.of_event = _perceptron(latent, 1, hidden, layers)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        seen = quantities(x)
        particles, jets = self.standard_particles(seen.particles), self.standard_jets(seen.jets)
        weight = seen.present.to(x.dtype)
        if self.safe:
            weight = torch.where(seen.present, seen.particles[..., SHARE].exp(), 0.0)
            particles, jets = particles[..., ANGLES], jets[..., SAFE]
        else:
            # Of the size of a mean, and yet a sum: the number of constituents is seen.
            weight = weight / 10
        present = seen.jet_present
        told = self.of_particle(particles.flatten(0, 2), particles.new_empty(particles[..., 0].numel(), 0))
        summed = torch.einsum("njpl,njp->njl", told.view(*particles.shape[:3], -1), weight)
        rows = torch.cat([summed, jets], dim=2).flatten(0, 1)
        each = self.of_jet(rows, rows[:, :0]).view(*present.shape, -1)
        event = (each * present[..., None]).sum(dim=1)
        logits: Tensor = self.of_event(event, event[:, :0])
        return logits


def _perceptron(inputs: int, outputs: int, hidden: int, layers: int) -> Perceptron:
    return Perceptron(inputs, 0, outputs, hidden=hidden, layers=layers, activation=nn.ReLU)
