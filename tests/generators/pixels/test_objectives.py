"""What maker and critic of pixel events learn of events that are nearly empty, as those of pixel detectors are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.adversarial.phases import Adversaries
from generators.pixels.base import PixelGenerator
from generators.pixels.networks import NOTHING, ReadOut
from generators.pixels.objectives import CriticObjective, critic_of, maker_of
from generators.registry import create
from generators.training.batches import TrainingData
from generators.training.phases import Phase

SHAPE = (4, 16, 32)
_TINY: dict[str, Any] = {
    "channels": [16, 8],
    "critic_channels": [8, 16],
    "width": 16,
    "latent": 8,
    "embedded": 8,
    "critic_attention": None,
    "sensors_at_once": None,
}


def sparse_events(n: int, seed: int) -> torch.Tensor:
    """Pairs of hits of 90 ADU at about four of a thousand pixels, on the scale of networks; the others are empty."""
    rng = np.random.default_rng(seed)
    rate = 0.004 * np.exp(rng.normal(0, 0.4, (n, 1, 1, 1)))
    hit = rng.random((n, *SHAPE)) < rate
    hit[..., 1:] |= hit[..., :-1]
    return torch.from_numpy(np.where(hit, 2 * np.log(91) / np.log(256) - 1, NOTHING)).float()


def begun(kind: str, data: TrainingData, **more: Any) -> tuple[PixelGenerator, Adversaries]:
    generator: PixelGenerator = create(kind, **{**_TINY, **more})
    generator.bijection_ = generator.unfitted_bijection().fit(torch.tensor([[0.0], [255.0]]))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        maker = generator.build(SHAPE, 0)
    return generator, generator.adversaries(maker, data, seed=1).train()


def stepped(phases: list[Phase], data: TrainingData, steps: int, batch: int) -> None:
    """A plain training of some phases, without averages and choices of epochs."""
    torch.manual_seed(2)
    moved = [(phase, torch.optim.Adam(phase.parameters, lr=2e-3, betas=(0.0, 0.999))) for phase in phases]
    for _ in range(steps):
        rows = torch.randint(len(data.x), (batch,))
        for phase, optimiser in moved:
            optimiser.zero_grad()
            phase.objective(data.x[rows], data.context[rows]).mean().backward()
            optimiser.step()


def data_of(n: int) -> TrainingData:
    return TrainingData(sparse_events(n, 3), torch.zeros(n, 0), torch.ones(n))


@pytest.mark.parametrize("kind", ["iea_gan", pytest.param("pe_gan", marks=pytest.mark.slow)])
def test_a_critic_learns_within_steps_that_empty_sensors_are_wrong(kind: str) -> None:
    data = data_of(100)
    more = {"maker_attention": None} if kind == "pe_gan" else {}
    generator, adversaries = begun(kind, data, **more)
    maker, critic = maker_of(adversaries), critic_of(adversaries)
    with torch.no_grad():
        maker.trunk.leave.get_parameter("bias").fill_(-20.0)
    stepped(generator.phases(adversaries)[:1], data, 40, 4)
    critic.eval()
    with torch.no_grad():
        true, made = critic(data.x, data.context), critic(maker.draw(data.context), data.context)
    assert float((true[:, None] > made).float().mean()) > 0.95
    assert float(true.mean() - made.mean()) > 0.5


def test_a_maker_begins_with_as_many_hits_as_there_are_and_keeps_them() -> None:
    data = data_of(200)
    generator, adversaries = begun("iea_gan", data)
    maker, lowest = maker_of(adversaries), float(generator.charges()[generator.threshold])

    def share(x: torch.Tensor) -> float:
        return float((x >= lowest).double().mean())

    true = share(data.x)
    with torch.no_grad():
        assert true / 2 < share(maker.draw(data.context)) < 2 * true
    stepped(generator.phases(adversaries), data, 40, 4)
    with torch.no_grad():
        assert true / 3 < share(maker.draw(data.context)) < 3 * true


def test_an_empty_image_is_nothing_to_an_untrained_critic_whatever_is_around() -> None:
    """Zeros around images on a scale where −1 is nothing would be hits along every edge."""
    _, adversaries = begun("iea_gan", data_of(20), of_event=False)
    critic, c = critic_of(adversaries).eval(), torch.zeros(2, 0)
    with torch.no_grad():
        empty = torch.full((2, *SHAPE), NOTHING)
        middle, edge = empty.clone(), empty.clone()
        middle[:, :, 8, 16] = 0.6
        edge[:, :, 0, 0] = 0.6
        found = [critic.seen(x, c)[0] - critic.score.bias for x in (empty, middle, edge)]
    assert float(found[0].abs().max()) < 1e-6
    assert float(found[1].abs().min()) > 1e-4
    assert float(found[2].abs().min()) > 1e-5


def test_a_step_of_some_sensors_is_of_those_of_the_same_place() -> None:
    data = data_of(20)
    _, adversaries = begun("iea_gan", data, sensors_at_once=2, of_event=False)
    maker, critic = maker_of(adversaries).eval(), critic_of(adversaries).eval()
    sensors, c = torch.tensor([3, 1]), data.context[:5]
    with torch.no_grad():
        noise = torch.randn(5, 4, maker.numbers)
        torch.testing.assert_close(
            maker.made(noise, c, sensors), maker.made(noise, c)[:, sensors], atol=1e-5, rtol=1e-4
        )
        torch.testing.assert_close(critic.seen(data.x[:5, sensors], c)[0], critic.seen(data.x[:5], c)[0][:, sensors])
    objective = begun("iea_gan", data, sensors_at_once=2)[0].phases(adversaries)[0].objective
    assert isinstance(objective, CriticObjective)
    torch.manual_seed(1)
    chosen = [objective.chosen(data.x) for _ in range(50)]
    assert {len(each) for each in chosen if each is not None} == {2}
    assert {int(sensor) for each in chosen if each is not None for sensor in each} == {0, 1, 2, 3}
    targets = objective.targets(sensors)
    assert torch.equal(targets, critic.targets()[sensors])


def test_every_term_can_be_left_out() -> None:
    """In the released code a loss that is off is a name without a value."""
    data, terms = data_of(4), ("contrastive", "uniformity", "intra_event", "orthogonal")
    losses = []
    for left in (None, *terms):
        weights = {name: 0.0 if name == left else 1.0 for name in terms}
        generator, adversaries = begun("iea_gan", data, **weights)
        torch.manual_seed(3)
        losses.append([float(p.objective(data.x, data.context).mean().detach()) for p in generator.phases(adversaries)])
    assert np.isfinite(losses).all()
    critic, maker = np.abs(np.array(losses[1:]) - losses[0]).T
    assert (critic[:2] > 1e-3).all()  # the other two are the maker's alone
    assert critic[2:] == pytest.approx(0, abs=1e-3)
    assert (maker > 1e-6).all()


class TestReadOut:
    def test_nothing_is_left_below_the_threshold_and_gradients_are_those_without(self) -> None:
        z = torch.tensor([NOTHING, -0.9, -0.26, -0.24, 0.5], requires_grad=True)
        read = ReadOut(-0.25)(z)
        assert read.tolist() == pytest.approx([NOTHING, NOTHING, NOTHING, -0.24, 0.5])
        (read * torch.arange(5.0)).sum().backward()
        assert z.grad is not None
        assert z.grad.tolist() == [0, 1, 2, 3, 4]

    def test_a_critic_sees_what_is_drawn(self) -> None:
        """Made pixels are hits or exactly empty, and so are true ones, whose charges alone have noise."""
        data = data_of(20)
        generator, adversaries = begun("iea_gan", data)
        lowest, objective = float(generator.charges()[generator.threshold]), generator.phases(adversaries)[0].objective
        assert isinstance(objective, CriticObjective)
        with torch.no_grad():
            for seen in (maker_of(adversaries).draw(data.context), objective.true(data.x, None)):
                empty = seen < lowest
                assert 0.98 < float(empty.double().mean()) < 1
                assert (seen[empty] == NOTHING).all()
            hit = data.x > lowest
            assert not torch.equal(objective.true(data.x, None)[hit], data.x[hit])


def test_an_event_whose_sensors_have_many_hits_together_gets_a_score_of_its_own() -> None:
    """The sum of scores of images is that of the same images in another order of events; that of events is not."""
    data = data_of(40)
    mixed = torch.stack([data.x[:, sensor].roll(7 * sensor, dims=0) for sensor in range(SHAPE[0])], dim=1)
    differences = []
    for of_event in (False, True):
        _, adversaries = begun("iea_gan", data, of_event=of_event)
        critic = critic_of(adversaries).eval()
        with torch.no_grad():
            differences.append(abs(float(critic(data.x, data.context).mean() - critic(mixed, data.context).mean())))
    assert differences[0] < 1e-6
    assert differences[1] > 1e-4


def test_the_penalty_is_added_in_some_steps_and_never_outside_of_training() -> None:
    data = data_of(8)
    for slope, due in ((0.0, False), (5.0, True)):
        generator, adversaries = begun("iea_gan", data, slope=slope)
        phase = generator.phases(adversaries)[0]
        assert phase.compile == (not due)
        with torch.no_grad():
            phase.objective.eval()(data.x, data.context)  # no derivative is taken

        def losses(steps: int, phase: Phase = phase) -> list[float]:
            torch.manual_seed(4)
            return [float(phase.objective.train()(data.x, data.context).mean().detach()) for _ in range(steps)]

        found = losses(12)
        assert (max(found) > 2 * min(found)) == due, found
