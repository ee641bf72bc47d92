"""Images of one channel from vectors and back: the deep residual networks of BigGAN (Brock et al., 1809.11096)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

#: A block works in so many times fewer channels than it has.
_RATIO = 4


#: Width of features in front of the last layer, and where this begins: few pixels are hit, and the others are empty.
CONTRAST, _EMPTY = 2.5, -4.0


class ConditionalNorm(nn.Module):
    """Batch norm of images (M, C, h, w) whose gain and bias are linear in a vector (M, V)."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain, self.bias = (nn.Linear(condition, channels, bias=False) for _ in range(2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Images of the same shape."""
        gain, bias = (1 + self.gain(y))[:, :, None, None], self.bias(y)[:, :, None, None]
        return torch.addcmul(bias, self.norm(x), gain)


class MakerBlock(nn.Module):
    """Four convolutions with conditional norms, and a way around them that leaves channels out; `up` doubles sizes."""

    def __init__(self, channels: int, out: int, condition: int, *, up: bool) -> None:
        super().__init__()
        inner = max(1, channels // _RATIO)
        self.out, self.up = out, up
        self.norms = nn.ModuleList(ConditionalNorm(size, condition) for size in (channels, inner, inner, inner))
        self.layers = nn.ModuleList(_convolutions(channels, inner, out))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Images (M, out, h, w) or twice as large, at vectors (M, V)."""
        h = x
        for place, (norm, layer) in enumerate(zip(self.norms, self.layers, strict=True)):
            h = torch.relu(norm(h, y))
            if place == 1 and self.up:
                h = functional.interpolate(h, scale_factor=2)
            h = layer(h)
        around = x[:, : self.out]
        return h + (functional.interpolate(around, scale_factor=2) if self.up else around)


class CriticBlock(nn.Module):
    """Four convolutions, and a way around them that adds channels by one more; `down` halves sizes."""

    def __init__(self, channels: int, out: int, *, down: bool) -> None:
        super().__init__()
        self.down = down
        self.layers = nn.ModuleList(_convolutions(channels, max(1, out // _RATIO), out))
        self.more = nn.Conv2d(channels, out - channels, 1) if out > channels else None

    def forward(self, x: Tensor) -> Tensor:
        """Images (M, out, h, w) or half as large."""
        h = x
        for place, layer in enumerate(self.layers):
            h = torch.relu(h)
            if place == 3 and self.down:
                h = functional.avg_pool2d(h, 2)
            h = layer(h)
        around = functional.avg_pool2d(x, 2) if self.down else x
        return h + (around if self.more is None else torch.cat([around, self.more(around)], dim=1))


class PixelAttention(nn.Module):
    """Attention of all pixels to all blocks of 2 × 2 (Zhang et al., 1805.08318), of no effect at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow, half = max(1, channels // 8), max(1, channels // 2)
        self.query, self.key = (nn.Conv2d(channels, narrow, 1, bias=False) for _ in range(2))
        self.value, self.leave = nn.Conv2d(channels, half, 1, bias=False), nn.Conv2d(half, channels, 1, bias=False)
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same shape."""
        query = self.query(x).flatten(2).transpose(1, 2)
        key, value = (functional.max_pool2d(layer(x), 2).flatten(2).transpose(1, 2) for layer in (self.key, self.value))
        mixed = functional.scaled_dot_product_attention(query, key, value, scale=1.0).transpose(1, 2)
        out: Tensor = x + self.strength * self.leave(mixed.reshape(*mixed.shape[:2], *x.shape[2:]))
        return out


class ImageMaker(nn.Module):
    """Vectors (M, V) to images (M, 1, h, w) in [−1, 1], 2^K times as large as `base` after K stages of two blocks.

    `channels` are those of the base and of every stage; behind stage `attention` there is `PixelAttention`. With `fold`
    the last convolution makes so many pixels along each axis at once, and images are larger by that. Normal noise of
    single pixels enters in front of the last norm and of so many stages before, `grain` in all (StyleGAN: Karras et
    al., 1812.04948); without it a vector has to say where everything is.
    """

    def __init__(
        self,
        condition: int,
        channels: Sequence[int],
        base: tuple[int, int],
        *,
        fold: int = 1,
        attention: int | None = None,
        grain: int = 0,
        contrast: float = CONTRAST,
    ) -> None:
        super().__init__()
        self.first = channels[0]
        self.base, self.attention = base, attention
        self.enter = nn.Linear(condition, channels[0] * base[0] * base[1])
        self.blocks = nn.ModuleList(
            MakerBlock(one, out, condition, up=up)
            for one, other in pairwise(channels)
            for out, up in ((one, False), (other, True))
        )
        self.look = None if attention is None else PixelAttention(channels[attention])
        self.norm, self.leave = nn.BatchNorm2d(channels[-1]), nn.Conv2d(channels[-1], fold**2, 3, padding=1)
        self.fold = fold
        grain = min(grain, len(channels) - 1)
        # Of so many pixels along each axis an image of that stage has one.
        self.pixels = [fold * 2**stage for stage in reversed(range(grain))]
        self.grain = nn.ModuleList(
            nn.Conv2d(pixels**2, channels[stage - grain], 3, padding=1, bias=False)
            for stage, pixels in enumerate(self.pixels)
        )
        nn.init.constant_(self.norm.weight, contrast)
        nn.init.constant_(self.leave.get_parameter("bias"), _EMPTY)

    def forward(self, y: Tensor, grain: Tensor | None = None) -> Tensor:
        """The images, of noise (M, 1, h, w) if there is a grain."""
        # Where channels are few, convolutions are twice as fast with these next to each other in memory.
        x = self.enter(y).reshape(-1, self.first, *self.base).contiguous(memory_format=torch.channels_last)
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, y)
            if self.look is not None and number == 2 * (self.attention or 0):
                x = self.look(x)
            late = number // 2 - 1 - (len(self.blocks) // 2 - len(self.grain))
            if grain is not None and number % 2 == 0 and late >= 0:
                x = x + self.grain[late](blocks_of(grain, self.pixels[late]))
        return torch.tanh(functional.pixel_shuffle(self.leave(torch.relu(self.norm(x))), self.fold))


class ImageEye(nn.Module):
    """Images (M, 1, h, w) to vectors (M, C) by K stages of two blocks, the first of which halves, and a sum.

    The first convolution takes `fold` × `fold` pixels at once.
    """

    def __init__(self, channels: Sequence[int], *, fold: int = 1, attention: int | None = None) -> None:
        super().__init__()
        self.fold, self.attention = fold, attention
        self.enter = nn.Conv2d(fold**2, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            CriticBlock(size, other, down=down)
            for one, other in pairwise(channels)
            for size, down in _halved(one, other)
        )
        self.look = None if attention is None else PixelAttention(channels[attention])
        # An image of zeros is a vector of zeros at first, however many pixels are summed.
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The vectors."""
        x = blocks_of(x, self.fold)
        x = self.enter(x.contiguous(memory_format=torch.channels_last))
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if self.look is not None and number == 2 * (self.attention or 0):
                x = self.look(x)
        return torch.relu(x).sum(dim=(2, 3))


def blocks_of(x: Tensor, size: int) -> Tensor:
    """Images (M, 1, h, w) as (M, size², h / size, w / size); `pixel_unshuffle` refuses to do so with none."""
    images, _, rows, columns = x.shape
    blocks = x.reshape(images, rows // size, size, columns // size, size).permute(0, 2, 4, 1, 3)
    return blocks.reshape(images, size**2, rows // size, columns // size)


def _halved(one: int, other: int) -> tuple[tuple[int, bool], tuple[int, bool]]:
    return (one, True), (other, False)


def _convolutions(channels: int, inner: int, out: int) -> list[nn.Module]:
    middle = [nn.Conv2d(inner, inner, 3, padding=1) for _ in range(2)]
    return [nn.Conv2d(channels, inner, 1), *middle, nn.Conv2d(inner, out, 1)]
