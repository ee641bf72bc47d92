"""Jets as sums of their massless constituents, and constituents relative to them.

Constituents are (..., P, F ≥ 3) with pT, η and φ in the places that the caller says by splitting them; an absent one
has pT = 0. All in double precision: the mass of a jet is a small difference of large numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Smallest mass per pT that is told apart from none.
LIGHT = 1e-4

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


def in_widths(clouds: Tensor, jet: FourMomenta) -> Tensor:
    """Clouds (..., P, F) of (Δy, Δφ, …) with the angles in units of m/pT of their jets (...).

    The angles of a narrow jet are as large as that. Without its size, jets of all masses look nearly alike, and a
    network can turn to what is left.
    """
    return _scaled(clouds, 1 / width(jet))


def from_widths(clouds: Tensor, jet: FourMomenta) -> Tensor:
    """The inverse of `in_widths`."""
    return _scaled(clouds, width(jet))


def aligned(clouds: Tensor) -> Tensor:
    """Clouds (..., P, F) of (Δy, Δφ, pT, …) turned and mirrored so that they all lie alike.

    The axis along which the pT is spread most becomes the first, and the third moments of both are positive. A network
    need not learn then that every direction around a jet is as good as every other.
    """
    first, second, pt = clouds[..., 0], clouds[..., 1], clouds[..., 2]
    along, across, mixed = ((pt * part).sum(-1) for part in (first**2, second**2, first * second))
    made = turned(clouds, -0.5 * torch.atan2(2 * mixed, along - across))
    moments = (made[..., 2:3] * made[..., :2] ** 3).sum(dim=-2)
    return _mirrored(made, torch.where(moments < 0, -1.0, 1.0).to(made.dtype))


def turned(clouds: Tensor, angle: Tensor) -> Tensor:
    """Clouds (..., P, F) turned around their axis by angles (...)."""
    first, second, *rest = clouds.unbind(-1)
    sin, cos = angle.sin()[..., None], angle.cos()[..., None]
    return torch.stack([first * cos - second * sin, first * sin + second * cos, *rest], dim=-1)


def laid_anyhow(clouds: Tensor, generator: torch.Generator) -> Tensor:
    """Clouds (N, P, F) turned by random angles and mirrored at random."""
    u = torch.rand(2, len(clouds), generator=generator, dtype=clouds.dtype)
    sign = torch.where(u[1] < 0.5, -1.0, 1.0).to(clouds.dtype)
    return turned(_mirrored(clouds, torch.stack([torch.ones_like(sign), sign], dim=-1)), 2 * torch.pi * u[0])


def _mirrored(clouds: Tensor, signs: Tensor) -> Tensor:
    """The first two features of clouds (..., P, F) times signs (..., 2)."""
    rest = signs.new_ones(*signs.shape[:-1], clouds.shape[-1] - 2)
    return clouds * torch.cat([signs, rest], dim=-1)[..., None, :]


def width(jet: FourMomenta) -> Tensor:
    """m/pT, but at least `LIGHT`: a single constituent has no mass."""
    return (jet.mass / jet.pt.clamp_min(1e-300)).clamp_min(LIGHT)


def _scaled(clouds: Tensor, factor: Tensor) -> Tensor:
    one = torch.ones_like(factor)
    factors = torch.stack([factor, factor, *[one] * (clouds.shape[-1] - 2)], dim=-1)
    return clouds * factors[..., None, :]


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
