"""ParticleNet: a classifier of jets as point clouds, whose activations a Fréchet distance compares."""

from __future__ import annotations

from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.errors import ShapeError


class ParticleNet(nn.Module):
    """The network of the Fréchet ParticleNet distance (Qu, Gouskos 1902.08570; Kansal et al. 2106.11535).

    Three edge convolutions: each constituent gathers the mean over its nearest neighbours of a perceptron of itself and
    of its difference to the neighbour, and keeps what it knew before. The first finds neighbours in (η, φ), the others
    among all features of theirs. Then the mean over constituents, a layer whose outputs are the activations, and the
    logits of the classes. Absent constituents are points like any other: the network has learned to live with them.
    """

    def __init__(
        self,
        *,
        features: int = 3,
        widths: tuple[int, ...] = (64, 128, 256),
        neighbours: int = 16,
        activations: int = 256,
        classes: int = 5,
    ) -> None:
        super().__init__()
        self.neighbours = neighbours
        known = list(accumulate(widths, initial=features))
        self.edges = nn.ModuleList(_EdgeConvolution(n, width) for n, width in zip(known, widths, strict=False))
        self.activate = nn.Linear(known[-1], activations)
        self.dropout = nn.Dropout(0.1)
        self.classify = nn.Linear(activations, classes)

    def activations(self, x: Tensor) -> Tensor:
        """The layer before the logits, without its rectifier, (N, A), of jets (N, P, F) with η and φ first.

        Raises
        ------
        ShapeError
            If jets have not more constituents than there are to be neighbours.
        """
        if x.dim() != 3 or x.shape[1] <= self.neighbours:
            raise ShapeError(
                f"ParticleNet takes jets (N, P, F) with P > {self.neighbours}, the number of neighbours of each "
                f"constituent; it was given {tuple(x.shape)}."
            )
        place = x[..., :2]
        for convolve in self.edges:
            x = torch.cat([convolve(x, _nearest(place, self.neighbours)), x], dim=2)
            place = x
        activations: Tensor = self.activate(x.mean(dim=1))
        return activations

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of jets (N, P, F)."""
        logits: Tensor = self.classify(self.dropout(self.activations(x).relu()))
        return logits


class _EdgeConvolution(nn.Module):
    """Mean (N, P, W) over neighbours j (N, P, k) of a perceptron of (x_i, x_j − x_i), for points x (N, P, F)."""

    def __init__(self, features: int, width: int) -> None:
        sizes = pairwise([2 * features, width, width, width])
        super().__init__()
        self.layers = nn.Sequential(
            *(part for a, b in sizes for part in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()))
        )

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        n, points, k = neighbours.shape
        weight, features = self.layers.get_parameter("0.weight"), x.shape[2]
        own, difference = weight[:, :features], weight[:, features:]
        # The first layer is linear: it needs to see every point once, not every pair.
        centre = functional.linear(x, own - difference, self.layers.get_parameter("0.bias"))
        other = functional.linear(x, difference)
        rows = torch.arange(n, device=x.device)[:, None, None]
        # Batch normalisation counts pairs, not jets.
        pairs = (centre[:, :, None] + other[rows, neighbours]).reshape(n * points * k, -1)
        gathered: Tensor = self.layers[1:](pairs)
        return gathered.reshape(n, points, k, -1).mean(dim=2)


def _nearest(place: Tensor, k: int) -> Tensor:
    """Indices (N, P, k) of the nearest other points of places (N, P, D)."""
    # By differences: products of vectors cancel for the close pairs that matter here.
    distance = torch.cdist(place, place, compute_mode="donot_use_mm_for_euclid_dist")
    itself = torch.eye(place.shape[1], dtype=torch.bool, device=place.device)
    return distance.masked_fill(itself, torch.inf).topk(k, dim=2, largest=False).indices
