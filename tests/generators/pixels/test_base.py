"""Generators of pixel events: their contract, what sensors know of each other, and sizes that are published."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from generators import export_sampler
from generators.adversarial.phases import Adversaries
from generators.errors import (
    ConstantFeatureError,
    ExportError,
    HyperparameterError,
    NonFiniteInputError,
    ShapeError,
    TooFewRowsError,
)
from generators.pixels.base import PixelGenerator
from generators.pixels.held_out import DistanceToHeldOut, standing_statistics
from generators.pixels.iea_gan import IEAGAN, RelatedSensors
from generators.pixels.networks import PixelCritic, PixelMaker, in_parts
from generators.pixels.objectives import CriticObjective, Dequantised, MakerObjective
from generators.pixels.pe_gan import PEGAN, SingleSensors
from generators.registry import create
from generators.training.batches import TrainingData
from generators.training.loop import train
from generators.training.settings import TrainingSettings
from tests.generators.contracts import EventContract, quick

Array = NDArray[np.float64]

SHAPE = (3, 5, 8)
_TINY = {
    "channels": [8, 4],
    "critic_channels": [4, 8],
    "width": 8,
    "latent": 4,
    "embedded": 8,
    "critic_attention": 1,
    "training": {"steps": 16, "batch_size": 32, "learning_rate": 2e-3, "clip": None, "ema_decay": 0.9},
}
SYSTEMS: tuple[dict[str, Any], ...] = (
    {"kind": "iea_gan", "freedom": 2, **_TINY},
    {"kind": "pe_gan", "maker_attention": 1, **_TINY, "channels": [8, 8, 4]},
)
#: A contract takes seconds, and that of the second system has the same base.
CONTRACTED = (SYSTEMS[0], pytest.param(SYSTEMS[1], marks=pytest.mark.slow))
#: Of maker and critic of IEA-GAN, without a context.
PUBLISHED = (11_693_473, 4_476_610)


def pixel_events(n: int, seed: int) -> tuple[Array, Array]:
    """Events whose hits grow in number with the context, and which have more or fewer of them in all sensors alike."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(2, 4, (n, 1))
    rate = 0.05 * c * np.exp(rng.normal(0, 0.4, (n, 1)))
    hit = rng.random((n, *SHAPE)) < rate[:, :, None, None]
    return (hit * rng.integers(7, 256, hit.shape)).astype(np.float64), c


@pytest.fixture(scope="module", params=CONTRACTED, ids=lambda s: str(s["kind"]))
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> PixelGenerator:
    found: PixelGenerator = create(specification).fit(*pixel_events(300, seed=10), seed=1)
    return found


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


class TestPixels(EventContract):
    fitted_on = 300
    events = staticmethod(pixel_events)

    def test_charges_are_whole_adu_above_the_threshold(self, fitted: PixelGenerator) -> None:
        drawn = fitted.sample(pixel_events(100, seed=2)[1], seed=3)
        assert (drawn == np.floor(drawn)).all()
        assert drawn.min() == 0
        assert drawn[drawn > 0].min() >= 7
        assert drawn.max() <= 255

    def test_every_charge_comes_back_with_and_without_noise(self, fitted: PixelGenerator) -> None:
        """The noise of the released code would turn 250 ADU into up to 255."""
        adu = torch.arange(256, dtype=torch.float64)
        z = fitted.mapped(adu.reshape(1, 1, 16, 16), torch.zeros(1, 1).double(), seed=1)[0].float()
        assert float(z.min()) == pytest.approx(-1, abs=1e-6)
        assert float(z.max()) == pytest.approx(1, abs=1e-6)
        torch.manual_seed(1)
        noise = Dequantised(fitted.charges(), 8e-3)
        for _ in range(50):
            noisy = noise(z)
            assert (noisy >= z).all()
            back = (fitted.bijection_.inverse(noisy.double().reshape(-1, 1)) + 1e-3).floor().flatten()
            assert torch.equal(back, adu)
        assert float((noise(z) - z).max()) > 4e-3

    def test_both_sides_are_moved_without_clipping(
        self, specification: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In the released code the generator moves only where gradients are clipped."""
        x, c = pixel_events(60, seed=4)
        phases, taken = PixelGenerator.phases, list[Adversaries]()
        before: dict[str, torch.Tensor] = {}

        def noted(self: PixelGenerator, adversaries: Adversaries) -> Any:
            taken.append(adversaries)
            before.update({name: values.detach().clone() for name, values in adversaries.named_parameters()})
            return phases(self, adversaries)

        monkeypatch.setattr(PixelGenerator, "phases", noted)
        for clip in (None, 1.0):
            quick(specification, steps=3, clip=clip, ema_decay=None).fit(x, c, seed=1)
            moved = {name: not torch.equal(before[name], now) for name, now in taken[-1].named_parameters()}
            for side in ("maker", "critic"):
                assert np.mean([moved[name] for name in moved if name.startswith(side)]) > 0.9, (side, clip, moved)

    def test_no_event_depends_on_the_others_of_its_batch(self, fitted: PixelGenerator) -> None:
        maker: PixelMaker = fitted.networks_[0]
        critic = fitted.critic(SHAPE, 1).eval()
        torch.manual_seed(1)
        c = torch.rand(6, 1) * 2 - 1
        with torch.no_grad():
            noise = torch.randn(6, 3, maker.numbers)
            x = maker.made(noise, c)
            assert (x[1:] - x[:1]).abs().max() > 1e-3
            torch.testing.assert_close(maker.made(noise[:1], c[:1]), x[:1], atol=2e-5, rtol=1e-4)
            scores, embeddings = critic.seen(x, c)
            for rows in (slice(2, 3), slice(3, 6)):
                one = critic.seen(x[rows], c[rows])
                torch.testing.assert_close(one, (scores[rows], embeddings[rows]), atol=2e-5, rtol=1e-4)
        assert torch.allclose(embeddings.norm(dim=-1), torch.ones(6, 3))

    def test_sensors_know_of_each_other_where_they_should(self, fitted: PixelGenerator) -> None:
        """The noise of one sensor changes the images of the others in IEA-GAN alone."""
        maker: PixelMaker = fitted.networks_[0]
        noise, c = torch.randn(4, 3, maker.conditions.numbers), torch.zeros(4, 1)
        moved = noise.clone()
        moved[:, 1] += 1
        with torch.no_grad():
            difference = (maker.conditions(moved, c) - maker.conditions(noise, c)).abs().amax(dim=(0, 2))
        related = fitted.kind == "iea_gan"
        assert bool(difference[0] > 1e-4) == related
        assert bool(difference[2] > 1e-4) == related

    def test_context_is_seen_by_both_sides(self, fitted: PixelGenerator) -> None:
        critic = fitted.critic(SHAPE, 1).eval()
        x = torch.rand(4, *SHAPE) * 2 - 1
        low, high = torch.full((4, 1), -1.0), torch.full((4, 1), 1.0)
        assert (critic(x, low) - critic(x, high)).abs().min() > 1e-4
        drawn = [fitted.networks_[0].draw(c, torch.Generator().manual_seed(1)) for c in (low, high)]
        assert (drawn[0] - drawn[1]).abs().max() > 1e-4

    def test_wrong_events_are_named(self, fitted: PixelGenerator) -> None:
        x, c = pixel_events(60, seed=5)
        for bad in (-1.0, 256.0, 7.5):
            wrong = x.copy()
            wrong[20, 1, 2, 3] = bad
            with pytest.raises(NonFiniteInputError, match=f"1 of .* such as {bad:g}, are no whole ADU"):
                fitted.fit(wrong, c, seed=1)
        wrong = x.copy()
        wrong[3, 0, 0, 1] = np.nan
        with pytest.raises(NonFiniteInputError, match="x, column 1: 1 of 60"):
            fitted.fit(wrong, c, seed=1)
        for shape in (x[:, 0], x[:, :1], x.reshape(60, -1)):
            with pytest.raises(ShapeError, match="at least two sensors"):
                fitted.fit(shape, c, seed=1)
        with pytest.raises(ConstantFeatureError, match="every row has the value 0"):
            fitted.fit(np.zeros_like(x), c, seed=1)
        with pytest.raises(TooFewRowsError):
            fitted.fit(x[:5], c[:5], seed=1)

    def test_no_context_is_fine(self, specification: dict[str, Any]) -> None:
        x, _ = pixel_events(60, seed=6)
        none = np.zeros((60, 0))
        assert quick(specification, steps=2).fit(x, none, seed=1).sample(none[:7], seed=1).shape == (7, *SHAPE)

    def test_as_a_graph_it_is_refused_by_name(self, fitted: PixelGenerator, tmp_path: Any) -> None:
        with pytest.raises(ExportError, match=f"'{fitted.kind}' is no generator of feature vectors"):
            export_sampler(fitted, tmp_path / "model.onnx")  # type: ignore[arg-type]

    def test_nothing_waits_for_another_device(self, specification: dict[str, Any]) -> None:
        generator = create(specification)
        generator.bijection_ = generator.unfitted_bijection().fit(torch.tensor([[0.0], [255.0]]))
        maker = generator.build(SHAPE, 1)
        data = TrainingData(torch.zeros(4, *SHAPE), torch.zeros(4, 1), torch.ones(4))
        adversaries = generator.adversaries(maker, data, seed=1)
        for phase in generator.phases(adversaries):
            objective = phase.objective.to("meta").train()
            assert isinstance(objective, CriticObjective | MakerObjective)
            loss = objective(torch.empty(4, *SHAPE, device="meta"), torch.empty(4, 1, device="meta"))
            assert loss.shape == (4,)
            loss.sum().backward()

    def test_more_events_than_in_memory_are_read_from_files(self, fitted: PixelGenerator) -> None:
        _, c = pixel_events(40, seed=7)
        out = np.zeros((40, *SHAPE), np.float32)
        assert fitted.sample(c, seed=1, out=out) is out
        assert np.array_equal(out, fitted.sample(c, seed=1))


def test_published_sizes() -> None:
    system = create("iea_gan", preset="published")
    maker, critic = system.build((40, 250, 768), 0), system.critic((40, 250, 768), 0)
    assert (parameters(maker), parameters(critic)) == PUBLISHED
    assert maker.padded == (256, 768)


class TestHeldOut:
    def world(self) -> tuple[PixelGenerator, Any, TrainingData]:
        generator = create(SYSTEMS[0])
        x, c = (torch.tensor(values) for values in pixel_events(400, seed=8))
        generator.bijection_ = generator.unfitted_bijection().fit(torch.tensor([[0.0], [255.0]]))
        z = generator.bijection_.forward(x.reshape(-1, 1))[0].reshape(x.shape).float()
        data = TrainingData(z, c.float(), torch.ones(400))
        with torch.random.fork_rng():
            return generator, generator.adversaries(generator.build(SHAPE, 1), data, seed=1).eval(), data

    def test_summaries_count_hits(self) -> None:
        z = torch.full((1, 2, 3, 3), -1.0)
        z[0, 0, 0, :2] = torch.tensor([0.4, 0.95])
        z[0, 0, 1, 1] = 0.0
        found = DistanceToHeldOut(-0.25, 1, None).summaries(z)  # type: ignore[arg-type]
        assert found[0].tolist() == pytest.approx([3, 0, 3, 2 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3])

    def test_truth_is_near_and_broken_truth_is_far(self) -> None:
        """A maker that gives true events, those with sensors of other events, and those with too few hits."""
        _, adversaries, data = self.world()
        from generators.adversarial.collapse import Watch

        distance = DistanceToHeldOut(-0.25, 100, Watch("x"))
        first, second = data.rows(torch.arange(200)), data.rows(torch.arange(200, 400))

        class Giving(torch.nn.Module):
            def __init__(self, x: torch.Tensor) -> None:
                super().__init__()
                self.x, self.at = x, 0

            def made_like(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
                self.at = (self.at + len(x)) % len(self.x)
                return self.x.roll(self.at, dims=0)[: len(x)]

        def of(x: torch.Tensor) -> float:
            adversaries.maker = Giving(x)
            with torch.no_grad():
                return distance(adversaries, first)

        alike = of(second.x)
        mixed = torch.stack([second.x[:, s].roll(17 * s, dims=0) for s in range(3)], dim=1)
        fewer = torch.where(torch.rand_like(second.x) < 0.3, -1.0, second.x)
        assert of(mixed) > 1.15 * alike
        assert of(fewer) > 2 * alike

    def test_standing_statistics_are_those_of_what_is_made(self) -> None:
        _, adversaries, data = self.world()
        maker = adversaries.maker
        norm = maker.trunk.norm
        with torch.no_grad():
            standing_statistics(adversaries, data.x[:160], data.context[:160], 40)
            seen: list[torch.Tensor] = []
            hook = norm.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
            norm.train()
            torch.manual_seed(3)
            maker.draw(data.context)
            hook.remove()
        assert not maker.training
        assert norm.momentum == pytest.approx(0.1)
        everything = torch.cat(seen)
        due = everything.mean(dim=(0, 2, 3))
        assert norm.running_var.shape == due.shape


def test_parts_are_the_whole() -> None:
    rows = torch.randn(7, 3)
    assert torch.equal(in_parts(lambda x: 2 * x, rows, (1 << 10, 1 << 9)), 2 * rows)
    assert in_parts(lambda x: 2 * x, rows[:0], (4, 4)).shape == (0, 3)


def test_hyperparameters_that_make_no_sense_are_named() -> None:
    for wrong, words in (
        ({"channels": [8]}, "stages of channels = 0"),
        ({"channels": [8, 16]}, "channels = .* must not rise"),
        ({"critic_channels": [16, 8]}, "critic_channels = .* must not fall"),
        ({"threshold": 300}, "threshold = 300"),
        ({"critic_rate": 0.0}, "critic_rate = 0.0"),
        ({"contrast": math.inf}, "contrast = inf"),
        ({"grain": -1}, "grain = -1"),
        ({"slope": -0.1}, "slope = -0.1"),
        ({"contrastive": -1.0}, "contrastive = -1.0"),
        ({"augment": ["rotation"]}, "augment 'rotation' is not one of colour, translation, cutout"),
        ({"heads": 3}, "3 heads can not share a width of 64"),
        ({"freedom": 0}, "freedom = 0"),
    ):
        with pytest.raises(HyperparameterError, match=words):
            create("iea_gan", **wrong)
    with pytest.raises(HyperparameterError, match="attention behind stage 9 of 3"):
        create("pe_gan", maker_attention=9).build(SHAPE, 1)
    with pytest.raises(ShapeError, match="prior of pe_gan has 2 numbers for 3 sensors"):
        create("pe_gan", prior=[1.0, 2.0]).build(SHAPE, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["iea_gan", "pe_gan"])
def test_published_size_makes_a_step_and_an_event(kind: str) -> None:
    """Steps of both sides with images of 250 × 768, of two sensors for the memory, and an event of all 40."""
    system = create(kind, preset="published")
    x = torch.full((2, 2, 250, 768), -1.0)
    x[:, :, 40:44, 100:104] = 0.5
    system.bijection_ = system.unfitted_bijection().fit(torch.tensor([[0.0], [255.0]]))
    data = TrainingData(x, torch.rand(2, 2), torch.ones(2))
    adversaries = system.adversaries(system.build((2, 250, 768), 2), data, seed=1)
    before = [parameter.detach().clone() for parameter in adversaries.parameters()]
    settings = TrainingSettings(steps=1, batch_size=1, clip=None, validation_fraction=0.5)
    trained = train(adversaries, system.phases(adversaries), data, settings, seed=1, keep=adversaries.maker)
    assert np.isfinite([trained.losses[name].train[0] for name in ("critic", "maker")]).all()
    moved = [not torch.equal(one, other) for one, other in zip(before, adversaries.parameters(), strict=True)]
    assert np.mean(moved) > 0.8
    maker = system.build((40, 250, 768), 2).eval()
    with torch.no_grad():
        event = maker.draw(torch.zeros(1, 2), torch.Generator().manual_seed(1))
    assert event.shape == (1, 40, 250, 768)
    assert float(event.abs().max()) <= 1


def test_sensors_are_told_apart_by_what_is_known_of_them() -> None:
    """Of PE-GAN two sensors with one number and one embedding are the same sensor; IEA-GAN has embeddings alone."""
    sensors = PEGAN(prior=[1.0, 2.0, 2.0]).build(SHAPE, 1).conditions
    assert isinstance(sensors, SingleSensors)
    with torch.no_grad():
        sensors.sensor.table.weight[:] = 1.0
        found = sensors(torch.zeros(1, 3, 0), torch.zeros(1, 1))[0]
    assert torch.equal(found[1], found[2])
    assert not torch.equal(found[0], found[1])
    related = IEAGAN().build(SHAPE, 1).conditions
    assert isinstance(related, RelatedSensors)
    assert related.sensor.weight.shape == (3, 64)


def test_proxies_are_directions() -> None:
    critic = create(SYSTEMS[1]).critic(SHAPE, 1)
    assert isinstance(critic, PixelCritic)
    assert critic.targets().shape == (3, 8)
    assert torch.allclose(critic.targets().norm(dim=1), torch.ones(3))
