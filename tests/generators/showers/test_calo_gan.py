"""CaloGAN: contract, layers that know those before them and not those after, and sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from generators.errors import ExportError, HyperparameterError, NonFiniteInputError, ShapeError
from generators.export.onnx import export_sampler
from generators.protocols import DensityGenerator
from generators.registry import create
from generators.showers.calo_gan_network import CaloMaker, Inpainting, LayerFeatures, Stream, soft_sparsity
from generators.showers.presets import LAYERS as PUBLISHED
from tests.generators.contracts import EventContract, quick
from tests.generators.showers.toys import LAYERS, THRESHOLD, showers, with_layers

SPECIFICATION: dict[str, Any] = {
    "kind": "calo_gan",
    "layers": LAYERS,
    "latent": 8,
    "widths": [6, 6, 4],
    "critic_widths": [6, 6, 6, 6],
    "batch_features": [4, 3],
    "training": {"steps": 200, "batch_size": 64, "learning_rate": 4e-3, "ema_decay": None},
}
#: The same as shapes in layers of known energy.
SHAPES: dict[str, Any] = {**SPECIFICATION, "given": [-2, -1]}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted() -> Any:
    return create(SPECIFICATION).fit(*showers(600, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 600
    events = staticmethod(showers)


def maker(layers: list[list[int]], columns: int = 1, **changes: Any) -> CaloMaker:
    voxels = sum(rows * columns for rows, columns in layers)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made: CaloMaker = create({**SPECIFICATION, "layers": layers, **changes}).build((voxels,), columns)
    return made.eval()


def test_energy_is_that_of_the_truth(fitted: Any) -> None:
    x, c = showers(2_000, 11)
    drawn = fitted.sample(c, seed=2).astype(np.float64)
    assert not isinstance(fitted, DensityGenerator)
    assert drawn[drawn > 0].min() >= THRESHOLD * (1 - 1e-6)
    assert drawn.sum(axis=1).mean() == pytest.approx(x.sum(axis=1).mean(), rel=0.2)
    assert np.corrcoef(drawn.sum(axis=1), c[:, 0])[0, 1] > 0.6
    assert 0.02 < (drawn == 0).mean() < 0.6


def test_given_layers_have_their_energies() -> None:
    x, c = with_layers(600, 12)
    made = quick(SHAPES).fit(x, c, seed=1)
    drawn = made.sample(c, seed=2).astype(np.float64)
    assert drawn[:, :2].sum(axis=1) == pytest.approx(c[:, 1], rel=1e-5)
    assert drawn[:, 2:].sum(axis=1) == pytest.approx(c[:, 2], rel=1e-5)
    assert drawn[drawn > 0].min() >= THRESHOLD * (1 - 1e-6)
    again = create({"kind": made.kind, **made.hyperparameters()}).restore(made.state())
    assert np.array_equal(again.sample(c, seed=2), made.sample(c, seed=2))


def test_shapes_of_a_search() -> None:
    """The chain gives layers, columns and threshold by itself."""
    x, c = showers(300, 13)
    own = {name: value for name, value in SPECIFICATION.items() if name != "layers"}
    energies = {"kind": "coupling_spline", "blocks": 2, "hidden": 8, "bijection": "quantile_normal"}
    energies["training"] = {"steps": 10, "batch_size": 64}
    made = quick({"kind": "showers", "layers": LAYERS, "energies": energies, "shapes": own}).fit(x, c, seed=1)
    assert made.sample(c, seed=2).shape == x.shape


def test_a_layer_depends_on_those_before_it_and_on_none_after() -> None:
    made = maker([[3, 8], [4, 4], [4, 2]])
    noise, c = torch.randn(5, 8, generator=torch.Generator().manual_seed(2)), torch.tensor([[0.0, 50.0]] * 5)
    with torch.no_grad():
        for painted in made.painted:
            assert isinstance(painted, Inpainting)
            assert painted.local.bias is not None
            painted.local.bias.zero_()
        before = made.of_layers(noise, c)
        for changed in range(3):
            stream = made.streams[changed]
            assert isinstance(stream, Stream)
            stream.dense.bias += 1
            after = made.of_layers(noise, c)
            stream.dense.bias -= 1
            moved = [not torch.allclose(a, b) for a, b in zip(before, after, strict=True)]
            assert moved == [layer >= changed for layer in range(3)]


def test_latent_vectors_are_as_long_as_the_energy_is_large() -> None:
    """Twice the energy with half the noise is the same, and noise of an angle is another."""
    made, angled = maker([[3, 8], [4, 4]]), maker([[3, 8], [4, 4]], columns=2)
    noise = torch.randn(5, 8, generator=torch.Generator().manual_seed(2))
    one = made.transport(noise, torch.tensor([[0.0, 40.0]] * 5))
    assert torch.allclose(one, made.transport(noise / 2, torch.tensor([[0.3, 80.0]] * 5)), atol=1e-6)
    one, two = (angled.transport(noise, torch.tensor([[0.0, angle, 40.0]] * 5)) for angle in (-1.0, 1.0))
    assert not torch.allclose(one, two)


def test_at_first_a_layer_is_its_own() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        painted = Inpainting((12, 12))
    own, before = (torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(2)) for size in ((12, 12), (3, 96)))
    assert torch.allclose(painted(own, before), own, atol=1e-2)
    # Weights of both add up to one.
    assert torch.allclose(painted(torch.ones(2, 1, 12, 12), torch.ones(2, 1, 3, 96)), torch.ones(2, 1, 12, 12))


def test_layers_are_resized_as_published() -> None:
    """Rows four times and the mean of eight columns; then the mean of two columns (hep-lbdl/CaloGAN)."""
    image = torch.rand(2, 1, 3, 96, generator=torch.Generator().manual_seed(2))
    due = image.repeat_interleave(4, dim=2).view(2, 1, 12, 12, 8).mean(dim=-1)
    assert torch.allclose(functional.adaptive_avg_pool2d(image, (12, 12)), due, atol=1e-6)
    assert torch.allclose(functional.adaptive_avg_pool2d(due, (12, 6)), due.view(2, 1, 12, 6, 2).mean(dim=-1))


def test_sparsity_has_a_gradient_where_the_published_one_has_none() -> None:
    image = torch.tensor([[[0.5, 2.0], [0.0, 200.0]]], requires_grad=True)
    (slope,) = torch.autograd.grad(soft_sparsity(image).sum(), image)
    assert (slope > 0).all()
    assert float(soft_sparsity(image).detach()) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("image", [(1, 2), (3, 1), (3, 96), (1, 8), (10, 19)])
def test_layers_of_any_binning(image: tuple[int, int]) -> None:
    features = LayerFeatures(image, [2, 2, 2, 2], [2, 2])
    assert features(torch.rand(3, 1, *image), torch.rand(3, 1)).shape == (3, features.out)
    assert maker([list(image), [2, 3]]).transport(torch.randn(3, 8), torch.ones(3, 2)).shape[0] == 3


def test_sizes() -> None:
    """No source counts parameters; these are ours, of both sides."""
    found = {}
    for preset in ("published", "small"):
        made = create({"kind": "calo_gan", "preset": preset, "layers": PUBLISHED["calogan"]})
        with torch.device("meta"):
            sides = made.build((504,), 1), made.critic((504,), 1)
        found[preset] = tuple(sum(parameter.numel() for parameter in side.parameters()) for side in sides)
    assert found == SIZES


#: Parameters of maker and critic on CaloGAN's layers.
SIZES = {"published": (29_726_280, 2_744_332), "small": (1_447_956, 722_362)}


def test_what_does_not_fit_is_named(fitted: Any, tmp_path: Any) -> None:
    x, c = with_layers(300, 12)
    with pytest.raises(ShapeError, match="energies of layers"):
        quick(SHAPES).fit(x, c + np.array([0, 0, 0.01]), seed=1)
    with pytest.raises(ShapeError, match="5"):
        quick(SPECIFICATION).fit(x[:, :3], c, seed=1)
    with pytest.raises(NonFiniteInputError, match="negative energy"):
        quick(SPECIFICATION).fit(x - 0.001, c, seed=1)
    with pytest.raises(NonFiniteInputError, match="positive"):
        quick(SPECIFICATION).fit(x, 0 * c, seed=1)
    for name, value in (("given", [1]), ("widths", [4]), ("energy_weight", -1.0), ("critic_rate", 0.0), ("latent", 0)):
        with pytest.raises(HyperparameterError, match=name):
            create({**SPECIFICATION, name: value})
    with pytest.raises(ExportError, match="calo_gan"):
        export_sampler(fitted, tmp_path / "sampler.onnx")
