"""Jets as sums of their massless constituents, and constituents relative to them.

Constituents are (..., P, F ≥ 3) with pT, η and φ in the places that the caller says by splitting them; an absent one
has pT = 0. All in double precision: the mass of a jet is a small difference of large numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Rounds in which a jet is moved onto its axis and widened or narrowed to its mass.
_ROUNDS = 6


@dataclass(frozen=True)
class FourMomenta:
    """pT, rapidity y, azimuth φ and mass of jets, each of one shape."""

    pt: Tensor
    y: Tensor
    phi: Tensor
    mass: Tensor


def wrapped(phi: Tensor) -> Tensor:
    """Angles in [−π, π)."""
    return torch.remainder(phi + torch.pi, 2 * torch.pi) - torch.pi


def summed(pt: Tensor, eta: Tensor, phi: Tensor) -> FourMomenta:
    """Sum over the last axis of massless constituents."""
    px, py = (pt * phi.cos()).sum(-1), (pt * phi.sin()).sum(-1)
    # With E ± pz and not E and pz: forward jets would lose digits.
    plus, minus = (pt * eta.exp()).sum(-1), (pt * (-eta).exp()).sum(-1)
    square = px.square() + py.square()
    some = square > 0
    y = 0.5 * torch.where(some, plus / minus.clamp_min(1e-300), 1.0).log()
    mass = (plus * minus - square).clamp_min(0).sqrt()
    return FourMomenta(square.sqrt(), y, torch.atan2(py, px), mass)


def relative(constituents: Tensor, jet: FourMomenta) -> Tensor:
    """Clouds (..., P, F) of (Δy, Δφ, pT / pT of the jet, …) from constituents of (pT, η, φ, …) and jets (...)."""
    pt, eta, phi, *rest = constituents.unbind(-1)
    present = pt > 0
    scale = jet.pt.clamp_min(1e-300)[..., None]
    parts = [eta - jet.y[..., None], wrapped(phi - jet.phi[..., None]), pt / scale, *rest]
    return torch.stack([part * present for part in parts], dim=-1)


def absolute(clouds: Tensor, jet: FourMomenta) -> Tensor:
    """The inverse of `relative`."""
    eta, phi, pt, *rest = clouds.unbind(-1)
    present = pt > 0
    parts = [pt * jet.pt[..., None], eta + jet.y[..., None], wrapped(phi + jet.phi[..., None]), *rest]
    return torch.stack([part * present for part in parts], dim=-1)


def conforming(clouds: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
    """Clouds (N, P, F) moved so that they sum to pT = 1 at y = φ = 0 with a mass (N,) per pT.

    A jet is boosted along the beam, rotated and scaled in pT, which changes nothing of it, and its angles are scaled
    towards the mass, which for narrow jets is proportional to them. One constituent has no mass, and two have one only
    if they are apart: such a jet keeps what it has. The factors by which the masses changed, (N,), are returned beside.
    """
    eta, phi, pt, *rest = clouds.double().unbind(-1)
    present = pt > 0
    total = torch.ones_like(mass)
    for _ in range(_ROUNDS):
        now = summed(pt, eta, phi)
        pt = pt / now.pt.clamp_min(1e-300)[:, None]
        eta, phi = eta - now.y[:, None], wrapped(phi - now.phi[:, None])
        own = now.mass / now.pt.clamp_min(1e-300)
        factor = torch.where(own > 0, mass / own.clamp_min(1e-300), 1.0).clamp(0.2, 5.0)
        eta, phi, total = eta * factor[:, None], phi * factor[:, None], total * factor
    now = summed(pt, eta, phi)
    parts = [eta - now.y[:, None], wrapped(phi - now.phi[:, None]), pt / now.pt.clamp_min(1e-300)[:, None], *rest]
    return torch.stack([part * present for part in parts], dim=-1), total


def pair_mass(first: FourMomenta, second: FourMomenta) -> Tensor:
    """Invariant mass of two jets."""
    transverse = torch.hypot(first.pt, first.mass) * torch.hypot(second.pt, second.mass)
    angle = first.pt * second.pt * torch.cos(first.phi - second.phi)
    square = first.mass.square() + second.mass.square() + 2 * (transverse * torch.cosh(first.y - second.y) - angle)
    return square.clamp_min(0).sqrt()
