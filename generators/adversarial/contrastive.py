"""What the images of an event say of each other in the eyes of a critic (IEA-GAN: Hashemi et al., 2303.08046).

Embeddings are (N, S, E), of length one, of S images of each of N events; losses are (N,), one per event.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def data_to_data(embeddings: Tensor, proxies: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Every image near the proxy (S, E) of its class and far from the other images of its event, the mean over them.

    The 2C loss of ContraGAN (Kang & Park, 2006.12681) where every class is there once.
    """
    near = (embeddings * proxies).sum(dim=-1) / temperature
    others = _others(embeddings @ embeddings.transpose(1, 2) / temperature)
    everything = torch.cat([near[..., None], others], dim=-1)
    return (torch.logsumexp(everything, dim=-1) - near).mean(dim=1)


def intra_event(true: Tensor, made: Tensor) -> Tensor:
    """Kullback–Leibler divergence of how alike the images of an event are: of true ones from made ones.

    What is alike is a softmax over the images for each of them; true embeddings get no gradient.
    """
    similar = true.detach() @ true.detach().transpose(1, 2)
    log_p, log_q = (functional.log_softmax(each, dim=-1) for each in (similar, made @ made.transpose(1, 2)))
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean(dim=1)


def uniformity(embeddings: Tensor) -> Tensor:
    """Logarithm of the mean of exp(−2 d²) over pairs of images of an event (Wang & Isola, 2005.10242)."""
    # Of vectors of length one d² = 2 − 2 cos.
    pairs = _others(4 * (embeddings @ embeddings.transpose(1, 2)) - 4).flatten(1)
    return torch.logsumexp(pairs, dim=1) - math.log(max(1, pairs.shape[1]))


def _others(similar: Tensor) -> Tensor:
    """Of matrices (N, S, S) what is not on the diagonal, (N, S, S − 1)."""
    images = similar.shape[1]
    # Without its first number a flattened matrix has one of the diagonal at the end of every S + 1.
    rows = similar.flatten(1)[:, 1:].reshape(len(similar), max(images - 1, 0), images + 1)
    return rows[..., :-1].reshape(len(similar), images, images - 1)
