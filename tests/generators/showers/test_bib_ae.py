"""BIB-AE: contract, published architecture, and latent variables that are drawn given energy and angle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from generators.errors import ExportError, HyperparameterError, ShapeError
from generators.export.onnx import export_sampler
from generators.registry import create
from generators.showers.bib_ae_network import UNIT, BibAe
from tests.generators.contracts import EventContract, quick
from tests.generators.showers.toys import THRESHOLD, of_layers

LAYERS = [[2, 3], [2, 3], [2, 3]]
SPECIFICATION: dict[str, Any] = {
    "kind": "bib_ae",
    "layers": LAYERS,
    "threshold": THRESHOLD,
    "latent": 6,
    "active": 4,
    "encoder_widths": [2, 2],
    "decoder_widths": [2, 2, 2],
    "hidden": [16],
    "critic_width": 4,
    "post_width": 6,
    "training": {"steps": 40, "batch_size": 64, "learning_rate": 4e-3},
}
FLOW = {"kind": "coupling_spline", "blocks": 2, "hidden": 8}


def without_energies(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Showers and their incident energy alone."""
    x, c = of_layers(LAYERS, n, seed)
    return x, c[:, :1]


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted() -> Any:
    return create({**SPECIFICATION, "flow": FLOW}).fit(*without_energies(600, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 600
    events = staticmethod(without_energies)


def test_energy_is_that_of_the_flow(fitted: Any) -> None:
    x, c = without_energies(2_000, 11)
    drawn = fitted.sample(c, seed=2).astype(np.float64)
    assert drawn[drawn > 0].min() >= THRESHOLD * (1 - 1e-6)
    ratios = [part.sum(axis=1) / c[:, 0] for part in (drawn, x)]
    assert ratios[0].mean() == pytest.approx(ratios[1].mean(), rel=0.1)
    assert ratios[0].std() == pytest.approx(ratios[1].std(), rel=0.6)


def test_latent_variables_follow_the_angle() -> None:
    """Showers lean to one side at one angle, and to the other at the other."""
    rng, n = np.random.default_rng(1), 300
    angle = np.where(np.arange(n) % 2, 40.0, 85.0)
    side = (angle == 40)[:, None, None, None]
    x = np.where(np.arange(3) == np.where(side, 0, 2), 1.0, 0.1) * rng.uniform(0.5, 1.5, (n, 3, 2, 3))
    x = 0.1 * (x / x.sum(axis=(1, 2, 3), keepdims=True)).reshape(n, -1)
    c = np.column_stack([np.full(n, 0.1), angle])
    changes = {"flow": FLOW, "training": {"steps": 90, "batch_size": 32, "learning_rate": 6e-3}}
    drawn = create({**SPECIFICATION, **changes}).fit(x, c, seed=1).sample(c, seed=2).reshape(n, 6, 3)
    lean = (drawn[..., 0] - drawn[..., 2]).sum(axis=1) / drawn.sum(axis=(1, 2))
    # It is ±0.75 in truth.
    assert lean[angle == 40].mean() > 0.3
    assert lean[angle == 85].mean() < -0.3


@pytest.mark.parametrize("flow", [None, FLOW])
def test_given_layers_have_their_energies(flow: Any) -> None:
    x, c = of_layers(LAYERS, 300, 12)
    made = quick({**SPECIFICATION, "flow": flow, "given": [-3, -2, -1]}).fit(x, c, seed=1)
    drawn = made.sample(c, seed=2).astype(np.float64)
    assert drawn.reshape(-1, 3, 6).sum(axis=2) == pytest.approx(c[:, 1:], rel=1e-5, abs=1e-7)
    again = create({"kind": made.kind, **made.hyperparameters()}).restore(made.state())
    assert np.array_equal(again.sample(c, seed=2), made.sample(c, seed=2))


def test_shapes_of_a_search() -> None:
    """The chain gives layers, columns and threshold by itself."""
    x, c = without_energies(300, 13)
    own = {name: value for name, value in SPECIFICATION.items() if name not in ("layers", "threshold")}
    energies: dict[str, Any] = {"kind": "coupling_spline", "blocks": 2, "hidden": 8, "bijection": "quantile_normal"}
    energies["training"] = {"steps": 10, "batch_size": 64}
    made = quick({"kind": "showers", "layers": LAYERS, "energies": energies, "shapes": own}).fit(x, c, seed=1)
    assert made.sample(c, seed=2).shape == x.shape


def network(**changes: Any) -> BibAe:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made: BibAe = create({**SPECIFICATION, **changes}).build((18,), 1)
    return made.eval()


def test_a_turned_shower_is_processed_as_it_is() -> None:
    """Without norms the post-processor does the same at every voxel; with those of the paper it does not."""
    random = torch.Generator().manual_seed(2)
    x, c = torch.rand(4, 3, 2, 3, generator=random), torch.rand(4, 2, generator=random)
    turned = x.flip(dims=(2, 3))
    with torch.no_grad():
        same = network()
        assert torch.allclose(same.processed(turned, c), same.processed(x, c).flip(dims=(2, 3)), atol=1e-6)
        norms = network(post_norms=True)
        assert norms.post is not None
        first = norms.post.norms[0]
        assert isinstance(first, torch.nn.LayerNorm)
        first.weight.copy_(torch.rand(3, 2, 3, generator=random))
        assert not torch.allclose(norms.processed(turned, c), norms.processed(x, c).flip(dims=(2, 3)), atol=1e-6)


def test_most_latent_variables_are_noise() -> None:
    """The encoder fills the first ones; what is reconstructed twice differs, for the others are drawn anew."""
    made = network()
    true, c = torch.rand(5, 3, 2, 3, generator=torch.Generator().manual_seed(2)), torch.ones(5, 2)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        z, divergence = made.encoded(true, c)
        one, two = (made.reconstructed(true, c)[0] for _ in range(2))
    assert z.shape == (5, 4)
    assert (divergence >= 0).all()
    assert not torch.allclose(one, two)
    assert made.volume(torch.full((1, 18), UNIT)).flatten().tolist() == [1.0] * 18


def test_sizes() -> None:
    """No source counts parameters of all parts; these are ours, of maker and critic, on 30 × 30 × 30 voxels."""
    found = {}
    for preset in ("published", "small"):
        made = create({"kind": "bib_ae", "preset": preset})
        with torch.device("meta"):
            parts = made.build((27_000,), 1), made.critic(1)
            image: torch.Tensor = parts[0].decoder(torch.zeros(2, made.latent), torch.zeros(2, 1))
        assert image.shape == (2, 30, 30, 30)
        found[preset] = tuple(sum(parameter.numel() for parameter in part.parameters()) for part in parts)
    assert found == SIZES


#: Parameters of all networks that are kept, and of the critic of pairs.
SIZES = {"published": (71_526_231, 4_762_753), "small": (2_239_107, 132_133)}


def test_encoder_has_the_published_volumes() -> None:
    """16³, 9³ and 5³ of 30³; a decoder from 10³ over 60³."""
    made = create({"kind": "bib_ae", "preset": "published"})
    with torch.device("meta"):
        network, critic = made.build((27_000,), 1), made.critic(1)
    norms = [layer.normalized_shape[0] for layer in network.encoder.volumes if isinstance(layer, torch.nn.LayerNorm)]
    assert norms == [16, 9, 5, 5]
    norms = [layer.normalized_shape[0] for layer in network.decoder.volumes if isinstance(layer, torch.nn.LayerNorm)]
    assert norms == [30, 60, 30, 30, 30, 30]
    assert [layer.normalized_shape[0] for layer in critic.views[0] if isinstance(layer, torch.nn.LayerNorm)] == [14, 6]
    assert [layer.in_features for layer in network.encoder.numbers if isinstance(layer, torch.nn.Linear)][:2] == [
        8_001,
        4_000,
    ]


def test_what_does_not_fit_is_named(fitted: Any, tmp_path: Any) -> None:
    x, c = without_energies(300, 12)
    with pytest.raises(HyperparameterError, match="same binning"):
        create({**SPECIFICATION, "layers": [[1, 2], [3, 1]]})
    with pytest.raises(ShapeError, match="18"):
        quick(SPECIFICATION).fit(x[:, :3], c, seed=1)
    for name, value in (("active", 7), ("hidden", []), ("imitation", 1.0), ("divergence", -1.0), ("sharpness", [])):
        with pytest.raises(HyperparameterError, match=name):
            create({**SPECIFICATION, name: value})
    with pytest.raises(HyperparameterError, match="no generator"):
        create({**SPECIFICATION, "flow": "vae"})
    with pytest.raises(HyperparameterError, match="no density"):
        create({**SPECIFICATION, "flow": {"kind": "gan"}})
    with pytest.raises(ExportError, match="bib_ae"):
        export_sampler(fitted, tmp_path / "sampler.onnx")
