"""Fréchet ParticleNet distance (FPND) of jets of thirty constituents (Kansal et al., arXiv:2106.11535).

The weights and the moments of true jets belong to the jetnet package, which gives them away with its source; this
module reads them, so that values can be compared with published ones without that package and its dependencies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.frechet import Moments, frechet_distance, moments
from analysis.metrics.sampling import Sampling, over_batches, valid_clouds
from analysis.metrics.sic_and_auc import Measured
from cathode.errors import FpndError

if TYPE_CHECKING:
    from torch import Tensor

    from generators.networks.particle_net import ParticleNet

FloatArray = NDArray[np.floating[Any]]

#: Largest values of Δη, Δφ and relative pT among the jets that the network was trained with, and what was added then.
_SCALE = (1.6211985349655151, 0.520724892616272, 0.8934717178344727)
_SHIFT = (0.0, 0.0, -0.5)

_CONSTITUENTS = 30

# Real jets keep about nine tenths of their momentum in thirty constituents. A sum of one in nearly all of them means
# that momenta are relative to what was kept, and then even true jets have an FPND of about 20.
_SUM_IS_ONE = 1e-3


def fpnd(
    generated: FloatArray,
    truth: Moments,
    network: ParticleNet,
    *,
    sampling: Sampling | None = None,
    seed: int,
    batch_size: int = 16,
) -> Measured:
    """Fréchet distance of the activations of generated clouds (N, 30, 3) and of the truth, over batches of jets.

    Clouds are (Δη, Δφ, pT/pT of the jet), absent constituents zero. Momenta have to be relative to the jet itself, with
    the constituents that were not kept. `truth` is `published_moments` or `activation_moments` of true jets. Without
    `sampling`, such as `PROTOCOLS["epicgan"].activations`, all jets are one batch, of which there is no error.
    Published values are for 50,000 jets; with fewer they are larger.

    Raises
    ------
    FpndError
        If jets do not have thirty constituents, hold NaN, infinity or negative momenta, or if their momenta are
        relative to the sum of what was kept.
    TooFewEventsError
        If there are too few jets for the batches.
    """
    activations = _activations(generated, network, batch_size)
    sampling = sampling or Sampling(len(activations), 1, replacement=False)
    drawn = sampling.draw(len(activations), np.random.default_rng(seed))
    return over_batches([frechet_distance(moments(activations[batch]), truth) for batch in drawn])


def activation_moments(clouds: FloatArray, network: ParticleNet, *, batch_size: int = 16) -> Moments:
    """Moments (256) of the activations of clouds (N, 30, 3); arguments and errors as of `fpnd`."""
    return moments(_activations(clouds, network, batch_size))


def network_input(clouds: FloatArray) -> FloatArray:
    """What the network was trained with: each feature over its largest value, then the relative pT less one half.

    Absent constituents get (0, 0, −½).
    """
    x = np.asarray(clouds)
    scaled: FloatArray = x / np.array(_SCALE, x.dtype) + np.array(_SHIFT, x.dtype)
    return scaled


def load_particle_net(path: str | Path) -> ParticleNet:
    """The network with the weights in a safetensors file, named as in jetnet or as here.

    jetnet ships `pnet_state_dict.pt` in `jetnet/evaluation/fpnd_resources/JetNet/30_particles`. A `.pt` file can hold
    code, so it is converted once, by a loader that runs none: ::

        import torch, safetensors.torch as st
        weights = torch.load("pnet_state_dict.pt", weights_only=True, map_location="cpu")
        st.save_file({k: v.clone().contiguous() for k, v in weights.items()}, "particle_net.safetensors")

    Raises
    ------
    FpndError
        If there is no such file, or its tensors are not those of the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise FpndError(f"{path} does not exist; see the documentation of load_particle_net for how to make it.")
    try:
        return particle_net(load_file(path))
    except SafetensorError as error:
        raise FpndError(f"{path} is not a safetensors file: {error}. A .pt file has to be converted first.") from error


def particle_net(weights: Mapping[str, Tensor]) -> ParticleNet:
    """The network, ready for evaluation, with weights (state dictionary) named as in jetnet or as here.

    Raises
    ------
    FpndError
        If a tensor is missing, unknown, or has another shape.
    """
    from generators.networks.particle_net import ParticleNet

    network = ParticleNet()
    own = dict(_renamed(weights))
    expected = network.state_dict()
    missing, unknown = sorted(expected.keys() - own.keys()), sorted(own.keys() - expected.keys())
    wrong = [
        f"{name} {tuple(own[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in own and own[name].shape != tensor.shape
    ]
    if missing or unknown or wrong:
        raise FpndError(
            f"these are not the weights of ParticleNet: {len(missing)} tensors are missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}, {len(wrong)} of another shape {wrong[:3]}."
        )
    network.load_state_dict(own)
    return network.eval().requires_grad_(False)


def published_moments(mean: str | Path, covariance: str | Path) -> Moments:
    """Moments of true jets from text files of jetnet, such as `t_mu.txt` and `t_sigma.txt`.

    Raises
    ------
    FpndError
        If a file is missing, or its numbers are no mean (256,) and covariance (256, 256).
    """
    try:
        found = Moments(*(np.loadtxt(path, dtype=np.float64) for path in (mean, covariance)))
    except (OSError, ValueError) as error:
        raise FpndError(f"the moments in {mean} and {covariance} can not be read: {error}") from error
    if found.mean.ndim != 1 or found.covariance.shape != found.mean.shape * 2:
        raise FpndError(
            f"{mean} and {covariance} hold arrays {found.mean.shape} and {found.covariance.shape}; "
            "a mean (256,) and a covariance (256, 256) are needed."
        )
    return found


def _renamed(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Our names for the tensors of jetnet; others stay."""
    for name, tensor in weights.items():
        # Each perceptron is there twice: by itself, and as the inside of the convolution that uses it.
        if name.startswith("edge_convs."):
            continue
        for theirs, ours in (("edge_nets.", "edges."), ("fc1.0.", "activate."), ("fc2.", "classify.")):
            if name.startswith(theirs):
                name = ours + name.removeprefix(theirs).replace(".model.", ".layers.")
                break
        yield name, tensor


def _activations(clouds: FloatArray, network: ParticleNet, batch_size: int) -> FloatArray:
    """Activations (N, 256) of valid clouds (N, 30, 3)."""
    import torch

    x = _checked(clouds)
    like = network.activate.weight
    network.eval()
    with torch.no_grad():
        found = [
            network.activations(torch.as_tensor(network_input(x[start : start + batch_size])).to(like)).cpu().numpy()
            for start in range(0, len(x), batch_size)
        ]
    return np.concatenate(found)


def _checked(clouds: FloatArray) -> FloatArray:
    x = np.asarray(clouds)
    if x.ndim != 3 or x.shape[1:] != (_CONSTITUENTS, 3):
        raise FpndError(
            f"clouds have the shape {x.shape}; FPND is defined for (N, {_CONSTITUENTS}, 3). Pad shorter jets with "
            "zeros, and of longer ones keep the thirty hardest constituents without rescaling."
        )
    bad = valid_clouds(x)[1]
    if bad.total:
        raise FpndError(
            f"{bad.total} of {len(x)} jets are invalid ({bad.non_finite} not finite, {bad.negative_pt} with negative "
            f"pT, {bad.empty} empty); leave them out by `valid_clouds`, and report how many there were."
        )
    if np.median(np.abs(x[..., 2].sum(axis=1) - 1)) < _SUM_IS_ONE:
        raise FpndError(
            "the relative momenta of most jets add up to one: they seem to be relative to the sum of the kept "
            "constituents. Divide by the pT of the whole jet."
        )
    return x
