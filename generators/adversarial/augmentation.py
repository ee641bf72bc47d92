"""Changes of images in front of a critic that is to see few of them often (DiffAugment: Zhao et al., 2006.10738).

Images are (M, h, w) in [−1, 1], where −1 is nothing. What is changed keeps its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from generators.errors import HyperparameterError

#: Shifts by at most that part of the size, and the part of it that is cut out.
_SHIFT, _CUT = 1 / 8, 1 / 2


def colour(x: Tensor) -> Tensor:
    """Brightness up or down by at most ½, contrast by at most a factor of ½ or 3/2."""
    bright, contrast = torch.rand(2, len(x), 1, 1, dtype=x.dtype, device=x.device)
    x = x + bright - 0.5
    mean = x.mean(dim=(1, 2), keepdim=True)
    return torch.addcmul(mean, x - mean, contrast + 0.5)


def translation(x: Tensor) -> Tensor:
    """Shifted by at most an eighth along both axes; nothing comes in."""
    rows, columns = (_shifted(x, size) for size in x.shape[1:])
    at = torch.arange(len(x), device=x.device)[:, None, None]
    inside = (rows >= 0)[:, :, None] & (columns >= 0)[:, None, :]
    moved = x[at, rows.clamp(min=0)[:, :, None], columns.clamp(min=0)[:, None, :]]
    return torch.where(inside, moved, -1.0)


def cutout(x: Tensor) -> Tensor:
    """A rectangle of half of the height and width, anywhere, is emptied."""
    inside = torch.ones(1, 1, 1, dtype=torch.bool, device=x.device)
    for axis, size in enumerate(x.shape[1:], start=1):
        first = torch.rand(len(x), 1, device=x.device) * size - _CUT * size / 2
        place = torch.arange(size, device=x.device)
        inside = inside & ((place >= first) & (place < first + _CUT * size)).unsqueeze(3 - axis)
    return torch.where(inside, -1.0, x)


AUGMENTATIONS: dict[str, Callable[[Tensor], Tensor]] = {"colour": colour, "translation": translation, "cutout": cutout}


def augmented(x: Tensor, names: Sequence[str]) -> Tensor:
    """Images (…, h, w), each changed in those ways at random with the random numbers of torch."""
    images = x.flatten(0, -3)
    for name in names:
        images = AUGMENTATIONS[name](images)
    return images.reshape(x.shape)


def require_augmentations(names: Sequence[str]) -> None:
    """Refuse names of no augmentation.

    Raises
    ------
    HyperparameterError
        Names it, and those that are.
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise HyperparameterError(f"augment '{name}' is not one of {', '.join(AUGMENTATIONS)}.")


def _shifted(x: Tensor, size: int) -> Tensor:
    """Where every pixel of an axis comes from, (M, size); −1 from beyond."""
    most = int(size * _SHIFT)
    shift = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
    place = torch.arange(size, device=x.device) + shift
    return torch.where((place >= 0) & (place < size), place, -1)
