"""What a network sees of jets that are given by their constituents."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cathode.classifiers.rows import refuse_non_finite
from cathode.errors import ClassifierInputError

#: The quantities of a constituent and those of a jet.
PARTICLE = ("Δη", "Δφ", "ln pT/pT(jet)", "ln pT", "ΔR")
JET = ("ln pT", "η", "φ from back to back", "ln m", "N")

#: m/pT below which masses are not told apart: a jet of one constituent has none, and its logarithm must be finite.
_LIGHTEST = 1e-3
#: Where float32 would overflow, far outside of any detector.
_LARGEST_PT, _LARGEST_ETA = 1e30, 15.0


@dataclass(frozen=True)
class Quantities:
    """Of events with J jets of up to P constituents: particles (N, J, P, 5), jets (N, J, 5), present (N, J, P) bool.

    The last axes are `PARTICLE` and `JET`; what is absent has zeros.
    """

    particles: Tensor
    jets: Tensor
    present: Tensor

    @property
    def jet_present(self) -> Tensor:
        """Jets with at least one constituent, (N, J) bool."""
        return self.present.any(dim=-1)


def quantities(x: Tensor) -> Quantities:
    """Quantities of x (N, J, P, 3) = (pT, η, φ) that no rotation about the beam and no reflection η → −η changes.

    Both are symmetries of the initial state of two equal beams, and of the anomalies that are looked for. Angles enter
    as differences only. Of each event and its mirror image the one is taken in which the jets together go to positive η
    (a choice that fixes the symmetry exactly and at no cost; augmentation would learn it approximately, from more
    epochs). So no asymmetry of a detector that the template misses can look like a signal.

    A jet is the sum of its massless constituents; its η is the rapidity of that sum. All sums are taken around the
    centre of the jet, so that nothing cancels: float32 is enough for the mass of a narrow jet.
    """
    pt, eta, phi = x.unbind(dim=-1)
    present = pt > 0
    pt, eta = pt.clamp(max=_LARGEST_PT), eta.clamp(-_LARGEST_ETA, _LARGEST_ETA)
    scale = pt.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    share = pt / scale

    hardest = pt.argmax(dim=-1, keepdim=True)
    first_eta, first_phi = eta.gather(-1, hardest), phi.gather(-1, hardest)
    centre_eta = first_eta + (share * (eta - first_eta)).sum(dim=-1, keepdim=True)
    centre_phi = first_phi + (share * _wrapped(phi - first_phi)).sum(dim=-1, keepdim=True)

    from_eta, from_phi = eta - centre_eta, _wrapped(phi - centre_phi)
    along = (share * from_phi.cos()).sum(dim=-1, keepdim=True)
    across = (share * from_phi.sin()).sum(dim=-1, keepdim=True)
    beamwards = (share * from_eta.sinh()).sum(dim=-1, keepdim=True)
    # Energy minus momentum along the centre, as a sum of squares.
    gap = (2 * share * ((from_eta / 2).sinh().square() + (from_phi / 2).sin().square())).sum(dim=-1, keepdim=True)
    mass = (gap * (gap + 2 * along) - across.square() - beamwards.square()).clamp(min=0).sqrt()
    relative_pt = torch.hypot(along, across)
    jet_pt = scale * relative_pt
    jet_eta = centre_eta + torch.atanh((beamwards / (gap + along)).nan_to_num().clamp(-1 + 1e-6, 1 - 1e-6))
    jet_phi = centre_phi + torch.atan2(across, along)

    mirror = _mirror(scale, jet_eta)
    d_eta, d_phi = mirror * (eta - jet_eta), _wrapped(phi - jet_phi)
    ln_pt = pt.clamp(min=torch.finfo(x.dtype).tiny).log()
    ln_jet_pt = jet_pt.clamp(min=torch.finfo(x.dtype).tiny).log()
    ln_mass = scale.log() + torch.maximum(mass, _LIGHTEST * relative_pt.clamp(min=_LIGHTEST)).log()
    number = present.sum(dim=-1, keepdim=True).to(x.dtype)
    particles = torch.stack([d_eta, d_phi, ln_pt - ln_jet_pt, ln_pt, torch.hypot(d_eta, d_phi)], dim=-1)
    jets = torch.cat([ln_jet_pt, mirror * jet_eta, _from_back_to_back(jet_pt, jet_phi), ln_mass, number], dim=-1)
    return Quantities(
        torch.where(present[..., None], particles, 0.0),
        torch.where(present.any(dim=-1, keepdim=True), jets, 0.0),
        present,
    )


def jet_coordinates(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The quantities of all jets as coordinates of an event: x (N, J, P, 3) -> (N, 5 J)."""
    parts = [quantities(torch.as_tensor(part)).jets for part in np.array_split(x, max(1, len(x) // 4096))]
    return torch.cat(parts).flatten(1).double().numpy()


def finite_constituents(x: ArrayLike) -> NDArray[np.float32]:
    """Events x as (N, J, P, 3) float32, checked.

    Raises
    ------
    ClassifierInputError
        If the shape is another one or a pT is negative.
    NonFiniteError
        If there is a NaN or infinity; names the quantity, how many events have it and the first of them.
    """
    events = np.asarray(x, dtype=np.float32)
    if events.ndim != 4 or events.shape[-1] != 3 or 0 in events.shape[1:]:
        raise ClassifierInputError(
            f"x has shape {events.shape}; this classifier takes (events, jets, constituents, 3) with pT, eta and phi."
        )
    for place, name in enumerate(("pT", "eta", "phi")):
        # An infinity or NaN survives the sum of absolute values; a finite sum is the usual case and cheap.
        refuse_non_finite(f"x, {name}", np.abs(events[..., place]).sum(axis=(1, 2), dtype=np.float64))
    if events[..., 0].min(initial=0.0) < 0:
        wrong = (events[..., 0] < 0).any(axis=(1, 2))
        raise ClassifierInputError(
            f"x: {int(wrong.sum())} of {len(events)} events have a constituent of negative pT (first in row "
            f"{int(np.argmax(wrong))}). An absent constituent has pT 0."
        )
    return events


def _mirror(scale: Tensor, jet_eta: Tensor) -> Tensor:
    """−1 where the jets of an event together go to negative η, else 1: (N, 1, 1)."""
    weight = scale / scale.amax(dim=1, keepdim=True)
    return torch.where((weight * jet_eta.sinh()).sum(dim=1, keepdim=True) < 0, -1.0, 1.0).to(scale.dtype)


def _from_back_to_back(pt: Tensor, phi: Tensor) -> Tensor:
    """Azimuth of every jet from the direction opposite to all others, (N, J, 1); zero without others.

    Jets come in pairs back to back: measured from each other they would sit where angles wrap.
    """
    weight = pt / pt.amax(dim=1, keepdim=True).clamp(min=torch.finfo(pt.dtype).tiny)
    x, y = weight * phi.cos(), weight * phi.sin()
    x, y = x - x.sum(dim=1, keepdim=True), y - y.sum(dim=1, keepdim=True)
    alone = torch.hypot(x, y) < 1e-5
    return torch.where(alone, 0.0, _wrapped(phi - torch.atan2(y, x)))


def _wrapped(angle: Tensor) -> Tensor:
    """Angle in [−π, π)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
