"""The networks of BIB-AE together: from noise, or from a shower, to a shower."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from typing_extensions import override

from generators.networks.context_mlp import bounded
from generators.networks.volumes import PostProcessor, Shape, VolumeDecoder, VolumeEncoder
from generators.showers.voxel_images import ImageMaker, Images, shared
from generators.tabular.base import ConditionalDensity, NoiseMap

#: Thresholds in which voxels are counted: half of a minimum ionising particle is 0.1 MeV, and the paper counts in MeV.
UNIT = 10.0
#: Largest logarithm of the variance of a latent variable.
_FARTHEST = 8.0
#: Largest distance of the logarithm of an energy from the mean, in widths.
_WIDTHS = 6.0


class BibAe(ImageMaker):
    """Encoder, decoder, post-processor if there is one, and density of the latent variables if there is one.

    A latent vector has `latent` numbers, of which the first `active` come from the encoder and the others are noise.
    Where a `flow` knows the energy of showers as well, or the layers are given, what comes out has these energies.
    """

    energy_mean: Tensor
    energy_width: Tensor

    def __init__(
        self,
        images: Images,
        encoder: VolumeEncoder,
        decoder: VolumeDecoder,
        post: PostProcessor | None,
        flow: ConditionalDensity | None,
        *,
        latent: int,
        active: int,
    ) -> None:
        super().__init__()
        self.images, self.latent, self.active = images, latent, active
        self.encoder, self.decoder, self.post, self.flow = encoder, decoder, post, flow
        self.features, self.widest = sum(images.sizes), decoder.widest
        self.knows_energy = flow is not None and not images.given
        self.random_numbers = (latent + int(self.knows_energy),)
        self.register_buffer("energy_mean", torch.zeros(()))
        self.register_buffer("energy_width", torch.ones(()))

    @property
    def shape(self) -> Shape:
        """Layers, rows and columns."""
        return (len(self.images.layers), *self.images.layers[0])

    def known(self, c: Tensor) -> Tensor:
        """What networks see of the context."""
        return c[:, : self.images.columns]

    def volume(self, x: Tensor) -> Tensor:
        """Showers (N, V) in units of the threshold as volumes (N, layers, rows, columns) in `UNIT` of it."""
        return x.reshape(-1, *self.shape) / UNIT

    def encoded(self, true: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Latent variables (N, active) of volumes, drawn anew, and their divergence from normal ones, (N,)."""
        mean, log_variance = self.encoder(true, self.known(c)).chunk(2, dim=1)
        log_variance = bounded(log_variance, _FARTHEST)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return z, divergence

    def reconstructed(self, true: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What becomes of volumes, their latent variables (N, active) and the divergence of these, (N,)."""
        z, divergence = self.encoded(true, c)
        noise = torch.randn(len(z), self.latent - self.active, dtype=z.dtype, device=z.device)
        total = true.flatten(1).sum(dim=1, keepdim=True)
        return self.decoded(torch.cat([z, noise], dim=1), c, total), z, divergence

    def decoded(self, z: Tensor, c: Tensor, total: Tensor) -> Tensor:
        """Volumes of latent vectors (N, latent), of these energies (N, 1) if they are known at all."""
        return self._lit(self.decoder(z, self.known(c)), c, total)

    def processed(self, made: Tensor, c: Tensor) -> Tensor:
        """Volumes after the post-processor, which keeps energies that are known."""
        if self.post is None:
            return made
        return self._lit(self.post(made, self.known(c)), c, made.flatten(1).sum(dim=1, keepdim=True))

    def latents(self, true: Tensor, c: Tensor) -> Tensor:
        """What the flow learns of volumes: latent variables, and the energy if it knows that."""
        z, _ = self.encoded(true, c)
        if not self.knows_energy:
            return z
        ratio = self.log_ratio(true.flatten(1).sum(dim=1), c)
        return torch.cat([z, ((ratio - self.energy_mean) / self.energy_width)[:, None]], dim=1)

    def log_ratio(self, total: Tensor, c: Tensor) -> Tensor:
        """Logarithm (N,) of the energies (N,) of volumes over the incident ones, of empty ones too."""
        return (total.clamp_min(1 / UNIT) / self.images.energy(c)[:, 0]).log()

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        noise = noise.to(c.dtype)
        known, z, total = self.known(c), noise[:, : self.latent], c.new_zeros(len(c), 1)
        if self.flow is not None:
            # A flow that draws computes in double precision for good, and this one may still be learning.
            flow = copy.deepcopy(self.flow)
            assert isinstance(flow, NoiseMap)
            inner = torch.cat([noise[:, : self.active], noise[:, self.latent :]], dim=1)
            u = flow.transport(inner.double(), known).to(c.dtype)
            z = torch.cat([u[:, : self.active], noise[:, self.active : self.latent]], dim=1)
            if self.knows_energy:
                ratio = self.energy_mean + self.energy_width * u[:, -1:].clamp(-_WIDTHS, _WIDTHS)
                total = ratio.exp() * self.images.energy(c)
        return UNIT * self.processed(self.decoded(z, c, total), c).flatten(1)

    def _lit(self, y: Tensor, c: Tensor, total: Tensor) -> Tensor:
        if self.knows_energy:
            return shared(y.flatten(1), total).view_as(y)
        # The layers of a context are in units of the threshold.
        return self.images.lit(y.flatten(1), c, UNIT).view_as(y) / UNIT
