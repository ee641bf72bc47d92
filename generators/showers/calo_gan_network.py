"""The networks of CaloGAN (1705.02355): streams of layers that are painted into the next, a critic of batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from generators.networks.locally_connected import LocallyConnected
from generators.networks.minibatch import MinibatchFeatures
from generators.showers.voxel_images import ImageMaker, Images

#: Energies are counted in hundredths of the largest one, which is 100 GeV as published. In these a latent vector,
#: layers and a shower are counted, and a deviation is too large.
LARGEST, _LAYER, _TOO_FAR = 100.0, 10.0, 5.0
#: Slopes of leaky units and momentum of norms as in Keras.
_LEAK, _NORM = 0.3, 0.01
#: At first next to nothing is painted into a layer.
_CARRIED = -10.0


class Stream(nn.Module):
    """A layer as an image (N, 1, rows, columns) of latent vectors (N, Z), with negative values."""

    def __init__(self, latent: int, image: tuple[int, int], widths: Sequence[int]) -> None:
        super().__init__()
        first, second, third = widths
        rows, columns = image
        self.start = (first, rows + 2, columns + 2)
        self.dense = nn.Linear(latent, first * (rows + 2) * (columns + 2))
        self.convolution = nn.Conv2d(first, second, 2)
        self.norm = nn.BatchNorm2d(second, momentum=_NORM, eps=1e-3)
        self.local = LocallyConnected(second, third, (2, 2), (rows + 2, columns + 2))
        self.last = LocallyConnected(third, 1, (2, 2), (rows + 1, columns + 1), bias=False)

    def forward(self, latent: Tensor) -> Tensor:
        """See the class."""
        x = self.dense(latent).view(-1, *self.start)
        # One more row and column of zeros: as large as before.
        x = self.norm(functional.leaky_relu(self.convolution(functional.pad(x, (0, 1, 0, 1))), _LEAK))
        out: Tensor = self.last(functional.leaky_relu(self.local(x), _LEAK))
        return out


class Inpainting(nn.Module):
    """A layer with what the layer before it, as large, shines into it: a mean of both with weights of every place."""

    def __init__(self, image: tuple[int, int]) -> None:
        super().__init__()
        self.image = image
        self.local = LocallyConnected(2, 2, (3, 3), image, padding=(1, 1))
        assert self.local.bias is not None
        with torch.no_grad():
            self.local.bias[:, :, 1] = _CARRIED

    def forward(self, own: Tensor, before: Tensor) -> Tensor:
        """Own (N, 1, rows, columns) and the layer before, of any size."""
        both = torch.cat([own, functional.adaptive_avg_pool2d(before, self.image)], dim=1)
        out: Tensor = (self.local(both).softmax(dim=1) * both).sum(dim=1, keepdim=True)
        return out


class CaloMaker(ImageMaker):
    """Streams of layers from one latent vector, which is as long as the energy is large.

    `hundredth` is that of the largest energy in GeV, `unit` what is visible of it, in units of the threshold.
    """

    unit: Tensor
    hundredth: Tensor

    def __init__(self, images: Images, latent: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.images, self.features, self.random_numbers = images, sum(images.sizes), (latent,)
        self.streams = nn.ModuleList(Stream(latent, image, widths) for image in images.layers)
        self.painted = nn.ModuleList(Inpainting(image) for image in images.layers[1:])
        # In the place of the embedding of the class of a particle.
        others = images.columns - 1
        self.embedding = nn.Linear(others, latent, bias=False) if others else None
        self.widest = sum((rows + 2) * (columns + 2) for rows, columns in images.layers) * sum(widths)
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("hundredth", torch.ones(()))

    def of_layers(self, noise: Tensor, c: Tensor) -> list[Tensor]:
        """Images (N, 1, rows, columns) before negative values are cut off, of noise (N, Z)."""
        latent = noise * self.images.energy(c) / (LARGEST * self.hundredth)
        if self.embedding is not None:
            latent = latent * (1 + self.embedding(self.images.others(c)))
        made: list[Tensor] = []
        for number, stream in enumerate(self.streams):
            own = stream(latent)
            made.append(self.painted[number - 1](own, made[-1]) if made else own)
        return made

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        y = torch.cat([image.flatten(1) for image in self.of_layers(noise.to(c.dtype), c)], dim=1)
        return self.images.lit(y, c, self.unit)


class LayerFeatures(nn.Module):
    """What the critic sees of one layer (N, 1, rows, columns): convolutions, sparsity, and both over the batch."""

    def __init__(self, image: tuple[int, int], widths: Sequence[int], batch: Sequence[int]) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.convolution = nn.Conv2d(1, first, 2)
        size, local = image, []
        for before, after, kernel, stride in (
            (first, second, 3, (1, 2)),
            (second, third, 2, (1, 1)),
            (third, fourth, 2, (1, 2)),
        ):
            layer = LocallyConnected(before, after, (kernel, kernel), size, stride=stride, padding=(1, 1))
            local += [layer, nn.LeakyReLU(_LEAK), nn.BatchNorm2d(after, momentum=_NORM, eps=1e-3)]
            size = layer.size
        self.local = nn.Sequential(*local)
        seen = fourth * size[0] * size[1]
        self.of_features, self.of_sparsity = MinibatchFeatures(seen, *batch), MinibatchFeatures(1, *batch)
        self.out = seen + 1 + 2 * batch[0]

    def forward(self, image: Tensor, sparsity: Tensor) -> Tensor:
        """Features (N, `out`) of an image and the share (N, 1) of its voxels with energy."""
        x = functional.leaky_relu(self.convolution(functional.pad(image, (0, 1, 0, 1))), _LEAK)
        x = self.local(x).flatten(1)
        return torch.cat([x, self.of_features(x), sparsity, self.of_sparsity(sparsity)], dim=1)


class CaloCritic(nn.Module):
    """A score (N,) of showers z (N, V) in units of the threshold, all of them true or all generated.

    `unit` and `hundredth` are those of `CaloMaker`.
    """

    unit: Tensor
    hundredth: Tensor

    def __init__(self, images: Images, widths: Sequence[int], batch: Sequence[int]) -> None:
        super().__init__()
        self.images = images
        self.layers = nn.ModuleList(LayerFeatures(image, widths, batch) for image in images.layers)
        self.of_energies = MinibatchFeatures(len(images.layers), *batch)
        seen = sum(int(layer.out) for layer in self.layers if isinstance(layer, LayerFeatures))
        # Layers, total, what it lacks, whether that is much, and the batch.
        self.score = nn.Linear(seen + len(images.layers) + 3 + batch[0] + images.columns - 1, 1)
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("hundredth", torch.ones(()))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """See the class."""
        images = self.images.split(z)
        sparsity = [soft_sparsity(image)[:, None] for image in images]
        seen = [
            layer(image[:, None] / self.unit, share)
            for layer, image, share in zip(self.layers, images, sparsity, strict=True)
        ]
        energies = torch.stack([image.sum(dim=(1, 2)) for image in images], dim=1) / self.unit
        total = energies.sum(dim=1, keepdim=True)
        lacking = (total - self.images.energy(c) / self.hundredth).abs()
        too_far = 10 * (lacking > _TOO_FAR).to(z.dtype)
        about = [energies / _LAYER, total / LARGEST, lacking, too_far, self.of_energies(energies)]
        out: Tensor = self.score(torch.cat([*seen, *about, self.images.others(c)], dim=1))
        return out[:, 0]


def soft_sparsity(image: Tensor) -> Tensor:
    """Share (N,) of voxels (N, rows, columns), in units of the threshold, that have energy; with a gradient."""
    return (image / (1 + image)).mean(dim=(1, 2))
