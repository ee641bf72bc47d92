"""The training loop: what every event, step and epoch does, and that an interruption does nothing."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from generators.errors import CheckpointError, DivergedError, GeneratorError
from generators.protocols import Progress
from generators.registry import create
from generators.training.batches import TrainingData, ordered, shuffled, steps_per_pass
from generators.training.checkpoint import read_checkpoint, write_checkpoint
from generators.training.loop import train
from generators.training.phases import Phase, trainable
from generators.training.schedules import constant, one_cycle
from generators.training.settings import TrainingSettings
from generators.training.stopping import BestStates
from generators.training.trained import Trained

from .contracts import gaussian_events


def data_of(n: int, seed: int = 0, weights: Tensor | None = None) -> TrainingData:
    """Rows x (n, 2) that depend on the context (n, 1)."""
    generator = torch.Generator().manual_seed(seed)
    c = torch.rand(n, 1, generator=generator)
    x = torch.cat([c, -c], dim=1) + 0.1 * torch.randn(n, 2, generator=generator)
    return TrainingData(x, c, torch.ones(n) if weights is None else weights)


class Regression(nn.Module):
    """Squared error of x given c after some noise: deterministic only if the random state is."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return (self.net(c + 0.1 * torch.randn_like(c)) - x).square().sum(dim=1)


class Duel(nn.Module):
    """Two objectives over shared modules that step different parameters, as in a GAN."""

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.critic = Regression(), Regression()
        self.first, self.second = Half(self.maker, self.critic, 1.0), Half(self.maker, self.critic, -0.5)

    def phases(self) -> list[Phase]:
        return [
            Phase("maker", self.first, list(self.maker.parameters())),
            Phase("critic", self.second, list(self.critic.parameters())),
        ]


class Half(nn.Module):
    def __init__(self, maker: nn.Module, critic: nn.Module, sign: float) -> None:
        super().__init__()
        self.maker, self.critic, self.sign = maker, critic, sign

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.maker(x, c) + self.sign * 0.3 * self.critic(x, c).tanh()


class Slope(nn.Module):
    """A loss of p in every event: its gradient is one, so Adam moves p down by exactly the learning rate."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.p.expand(len(x))


class Valley(Slope):
    """A loss that falls until p has reached `bottom`, but whose gradient drives on: the validation loss turns."""

    def __init__(self, bottom: float) -> None:
        super().__init__()
        self.bottom = bottom

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        depth = (self.p.detach() - self.bottom).abs()
        return (depth + self.p - self.p.detach()).expand(len(x))


def settings(**changes: Any) -> TrainingSettings:
    return TrainingSettings(
        **{"epochs": 5, "batch_size": 32, "learning_rate": 0.01, "schedule": "constant", "clip": None, **changes}
    )


def alone(model: nn.Module) -> Phase:
    return Phase("only", model, trainable(model))


def run(model: nn.Module, rows: int = 100, **changes: Any) -> Trained:
    return train(model, [alone(model)], data_of(rows), settings(**changes), seed=1)


class TestBatches:
    @pytest.mark.parametrize(("rows", "size"), [(96, 32), (100, 32), (20, 32), (64, 64), (33, 32)])
    def test_every_event_is_seen_once_per_pass(self, rows: int, size: int) -> None:
        data = TrainingData(torch.arange(rows)[:, None], torch.zeros(rows, 1), torch.ones(rows))
        per_pass = steps_per_pass(rows, size)
        batches = list(shuffled(data, size, 3 * per_pass, seed=5))
        assert {len(b) for b in batches} == {min(size, rows)}
        orders = []
        for index in range(3):
            seen = torch.cat([b.x for b in batches[index * per_pass : (index + 1) * per_pass]]).flatten().tolist()
            # Whole batches only: less than one batch is left out, other rows every time.
            assert len(seen) == len(set(seen)) == min(size, rows) * per_pass > rows - size
            orders.append(seen)
        assert orders[0] != orders[1] != orders[2]

    def test_rows_left_out_of_a_pass_differ(self) -> None:
        data = TrainingData(torch.arange(100)[:, None], torch.zeros(100, 1), torch.ones(100))
        counted = Counter(torch.cat([b.x for b in shuffled(data, 30, 3 * 200, seed=1)]).flatten().tolist())
        # 200 passes that show 90 of 100 rows: binomial.
        assert min(counted.values()) > 180 - 5 * (200 * 0.9 * 0.1) ** 0.5
        assert len(counted) == 100

    def test_rows_stay_together(self) -> None:
        data = data_of(50)
        tagged = TrainingData(torch.arange(50.0)[:, None], 2 * torch.arange(50.0)[:, None], 3 * torch.arange(50.0))
        for batch in (*shuffled(tagged, 7, 20, seed=1), *ordered(tagged, 7), *tagged.split(0.3, seed=1)):
            assert torch.equal(batch.context, 2 * batch.x)
            assert torch.equal(batch.weights, 3 * batch.x[:, 0])
        assert len(data) == 50

    def test_ordered_gives_everything_in_order(self) -> None:
        data = data_of(50)
        assert torch.equal(torch.cat([b.x for b in ordered(data, 16)]), data.x)

    @pytest.mark.parametrize(
        ("rows", "fraction", "held"), [(100, 0.1, 10), (3, 0.1, 1), (3, 0.99, 2), (1_000, 0.25, 250)]
    )
    def test_split_is_disjoint_complete_and_random(self, rows: int, fraction: float, held: int) -> None:
        data = TrainingData(torch.arange(rows)[:, None], torch.zeros(rows, 1), torch.ones(rows))
        training, validation = data.split(fraction, seed=2)
        assert len(validation) == held
        both = torch.cat([training.whole().x, validation.x]).flatten()
        assert torch.equal(both.sort().values, torch.arange(rows))
        if rows > 10:
            assert not torch.equal(validation.x, data.split(fraction, seed=3)[1].x)
            assert abs(float(validation.x.double().mean()) - rows / 2) < 5 * rows / (12 * held) ** 0.5

    def test_seed_decides_the_order(self) -> None:
        def order(seed: int) -> list[float]:
            return [float(b.x.sum()) for b in shuffled(data_of(100), 8, 30, seed=seed)]

        assert order(1) == order(1) != order(2)


class TestSettings:
    def test_one_cycle_rises_to_one_in_a_tenth_and_falls_to_zero(self) -> None:
        t = np.linspace(0, 1, 2_001)
        factor = np.array([one_cycle(x) for x in t])
        assert factor[0] == pytest.approx(0.04)
        assert factor[-1] == pytest.approx(0, abs=1e-12)
        assert t[factor.argmax()] == pytest.approx(0.1, abs=1e-3)
        assert factor.max() == pytest.approx(1)
        assert (np.diff(factor)[t[1:] <= 0.1] > 0).all()
        assert (np.diff(factor)[t[:-1] >= 0.1] < 0).all()
        assert np.abs(np.diff(factor)).max() < 0.01
        assert factor.mean() == pytest.approx(0.1 * 0.52 + 0.9 * 0.5, abs=1e-3)
        assert constant(0.3) == 1

    @pytest.mark.parametrize("rows", [10, 999, 1_000, 50_000])
    @pytest.mark.parametrize("steps", [1, 7, 400, 6_001])
    def test_budget_in_steps_is_kept_and_evaluated_about_forty_times(self, rows: int, steps: int) -> None:
        plan = TrainingSettings(steps=steps, batch_size=100).plan(rows)
        assert sum(plan) == steps
        assert min(plan) >= 1
        assert len(plan) <= 41
        whole = steps_per_pass(rows, 100)
        assert all(n % whole == 0 for n in plan[:-1])

    def test_budget_in_epochs_is_that_many_passes(self) -> None:
        assert TrainingSettings(epochs=3, batch_size=30).plan(100) == [3, 3, 3]

    @pytest.mark.parametrize(
        ("wrong", "match"),
        [
            ({}, "epochs or steps"),
            ({"epochs": 1, "steps": 1}, "epochs or steps"),
            ({"epochs": 0}, "epochs = 0"),
            ({"steps": -3}, "steps = -3"),
            ({"epochs": 1, "batch_size": 0}, "batch_size = 0"),
            ({"epochs": 1, "best_states": 0}, "best_states = 0"),
            ({"epochs": 1, "patience": 0}, "patience = 0"),
            ({"epochs": 1, "schedule": "cosine"}, "schedule 'cosine' is not one of one_cycle, constant"),
            ({"epochs": 1, "validation_fraction": 1.0}, "validation_fraction = 1.0"),
        ],
    )
    def test_nonsense_is_refused(self, wrong: dict[str, Any], match: str) -> None:
        with pytest.raises(GeneratorError, match=match):
            TrainingSettings(**wrong)


class TestSteps:
    @pytest.mark.parametrize(("schedule", "factor"), [("constant", constant), ("one_cycle", one_cycle)])
    def test_learning_rate_follows_the_schedule(self, schedule: str, factor: Callable[[float], float]) -> None:
        """Under a constant gradient every step of Adam is the learning rate itself."""
        model = Slope()
        trained = run(model, epochs=7, schedule=schedule, learning_rate=0.02)
        steps = 7 * (90 // 32)
        expected = -0.02 * sum(factor(step / steps) for step in range(steps))
        assert model.p.item() == pytest.approx(expected, rel=1e-5)
        assert trained.validation_losses[-1] == pytest.approx(expected, rel=1e-5)

    def test_training_loss_is_the_mean_over_the_steps_of_the_epoch(self) -> None:
        trained = run(Slope(), epochs=2, learning_rate=0.5)
        # Two batches per epoch, each measured before its step.
        assert trained.train_losses == pytest.approx([-0.25, -1.25])
        assert trained.validation_losses == pytest.approx([-1.0, -2.0])

    def test_averaged_weights_are_evaluated_and_kept(self) -> None:
        model = Slope()
        trained = run(model, epochs=4, learning_rate=0.1, ema_decay=0.5)
        p = -0.1 * np.arange(1, 9)
        averages = [p[0]]
        for value in p[1:]:
            averages.append(0.5 * averages[-1] + 0.5 * value)
        assert trained.validation_losses == pytest.approx(averages[1::2], rel=1e-5)
        assert float(trained.states[0]["p"]) == pytest.approx(averages[-1], rel=1e-5)
        assert model.p.item() == pytest.approx(p[-1], rel=1e-5)

    @pytest.mark.parametrize("clip", [None, 0.05])
    def test_gradient_is_clipped(self, clip: float | None) -> None:
        norms: list[float] = []
        model = Regression()

        def record(optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            grads = [p.grad for group in optimiser.param_groups for p in group["params"]]
            norms.append(float(torch.linalg.vector_norm(torch.stack([g.norm() for g in grads]))))

        handle = register_optimizer_step_pre_hook(record)
        try:
            run(model, clip=clip)
        finally:
            handle.remove()
        assert len(norms) == 10
        if clip is None:
            assert max(norms) > 0.5
        else:
            assert max(norms) == pytest.approx(clip, rel=1e-3)

    def test_phases_step_their_own_parameters(self) -> None:
        model = Duel()
        before = copy.deepcopy(model.state_dict())
        first, second = model.phases()
        train(model, [first], data_of(100), settings(), seed=1)
        for key, value in model.state_dict().items():
            assert torch.equal(value, before[key]) == (".critic." in f".{key}"), key
        middle = copy.deepcopy(model.state_dict())
        train(model, [second], data_of(100), settings(), seed=1)
        for key, value in model.state_dict().items():
            assert torch.equal(value, middle[key]) == (".critic." not in f".{key}"), key

    def test_random_state_of_the_caller_is_left_alone(self) -> None:
        torch.manual_seed(12)
        np.random.seed(12)  # noqa: NPY002 (the global state is what must not change)
        before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        run(Regression(), ema_decay=0.9, best_states=2)
        create({"kind": "flow_matching", "hidden": 4, "layers": 1, "training": {"steps": 3, "batch_size": 32}}).fit(
            *gaussian_events(100, seed=1), seed=1
        )
        assert torch.equal(before, torch.get_rng_state())
        assert np.array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002

    def test_random_state_of_the_caller_decides_nothing(self) -> None:
        losses = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            losses.append(run(Regression()).validation_losses)
        assert losses[0] == losses[1]

    def test_every_epoch_has_its_own_random_numbers_and_validation_always_the_same(self) -> None:
        drawn: dict[bool, list[float]] = {True: [], False: []}

        class Noisy(Slope):
            def forward(self, x: Tensor, c: Tensor) -> Tensor:
                drawn[self.training].append(torch.randn(()).item())
                return super().forward(x, c)

        run(Noisy(), epochs=4)
        assert len(drawn[True]) == len(set(drawn[True])) == 8
        assert len(drawn[False]) == 4
        assert len(set(drawn[False])) == 1


class TestWeights:
    def test_a_weight_of_n_is_n_events(self) -> None:
        """Full batches: the loss and the whole path of the training are those of repeated rows."""
        weights = torch.randint(1, 5, (100,), generator=torch.Generator().manual_seed(3)).float()
        data = data_of(100, weights=weights)

        class Mean(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.mean = nn.Parameter(torch.zeros(2, dtype=torch.float64))

            def forward(self, x: Tensor, c: Tensor) -> Tensor:
                return (x.double() - self.mean).square().sum(dim=1)

        part = data.split(0.1, seed=1)[0].whole()
        model = Mean()
        trained = train(model, [alone(model)], data, settings(epochs=300, batch_size=1_000, learning_rate=0.02), seed=1)
        repeated = part.x.double().repeat_interleave(part.weights.long(), dim=0)
        assert trained.train_losses[0] == pytest.approx(float(repeated.square().sum(dim=1).mean()), rel=1e-6)
        assert torch.allclose(model.mean.data, repeated.mean(dim=0), atol=1e-4)
        assert not torch.allclose(model.mean.data, part.x.double().mean(dim=0), atol=1e-3)

    def test_validation_loss_is_the_weighted_mean(self) -> None:
        weights = torch.rand(100, generator=torch.Generator().manual_seed(3))
        data = data_of(100, weights=weights)

        class Feature(Slope):
            def forward(self, x: Tensor, c: Tensor) -> Tensor:
                return x[:, 0] + 0 * self.p

        model = Feature()
        trained = train(model, [alone(model)], data, settings(epochs=1), seed=1)
        _, held = data.split(0.1, seed=1)
        expected = float((held.x[:, 0] * held.weights).sum() / held.weights.sum())
        assert trained.validation_losses == pytest.approx([expected], rel=1e-6)

    @pytest.mark.parametrize("unit", [2.0**10, 2.0**-20])
    def test_unit_of_the_weights_changes_nothing(self, unit: float) -> None:
        weights = torch.rand(100, generator=torch.Generator().manual_seed(3)) - 0.1
        trained = []
        for scale in (1.0, unit):
            model = Regression()
            data = data_of(100, weights=weights * scale)
            trained.append(train(model, [alone(model)], data, settings(clip=0.5), seed=1))
        assert trained[0].train_losses == trained[1].train_losses
        assert all(torch.equal(trained[0].states[0][k], trained[1].states[0][k]) for k in trained[0].states[0])


class TestStopping:
    def test_best_states_are_those_of_lowest_validation_loss(self) -> None:
        trained = run(Valley(bottom=-1.0), epochs=10, learning_rate=0.1, best_states=3, batch_size=90)
        # p = -0.1 per epoch: losses 0.9, 0.8, …, 0.0 after epoch 10; then turn it around.
        assert trained.best_epochs == [10, 9, 8]
        trained = run(Valley(bottom=-0.42), epochs=10, learning_rate=0.1, best_states=3, batch_size=90)
        assert trained.best_epochs == [4, 5, 3]
        assert [float(s["p"]) for s in trained.states] == pytest.approx([-0.4, -0.5, -0.3], rel=1e-5)
        losses = trained.validation_losses
        assert sorted(range(1, 11), key=lambda epoch: losses[epoch - 1])[:3] == trained.best_epochs

    @pytest.mark.parametrize("patience", [1, 3])
    def test_patience_counts_epochs_without_a_better_loss(self, patience: int) -> None:
        trained = run(Valley(bottom=-0.42), epochs=30, learning_rate=0.1, patience=patience, batch_size=90)
        assert trained.best_epochs == [4]
        assert len(trained.validation_losses) == 4 + patience
        assert len(run(Valley(bottom=-0.42), epochs=8, learning_rate=0.1, batch_size=90).train_losses) == 8

    def test_ties_go_to_the_earlier_epoch(self) -> None:
        best = BestStates(2)
        for epoch, loss in enumerate([3.0, 1.0, 1.0, 2.0, 1.0], start=1):
            best.offer(loss, epoch, {"w": torch.tensor(float(epoch))})
        assert best.epochs == [2, 3]
        assert [float(s["w"]) for s in best.states] == [2, 3]
        assert (best.best_epoch, best.best_loss) == (2, 1.0)

    def test_kept_states_are_copies(self) -> None:
        best, weight = BestStates(1), torch.zeros(2)
        best.offer(1.0, 1, {"w": weight})
        weight += 5
        assert torch.equal(best.states[0]["w"], torch.zeros(2))

    def test_survives_its_tree(self, tmp_path: Path) -> None:
        best = BestStates(2, patience=3)
        for epoch, loss in enumerate([3.0, 1.0, 2.0], start=1):
            best.offer(loss, epoch, {"w": torch.full((2, 2), loss)})
        write_checkpoint(tmp_path / "best", best.to_tree())
        again = BestStates(2, patience=3)
        again.restore(read_checkpoint(tmp_path / "best"))
        assert (again.epochs, again.best_epoch, again.best_loss) == (best.epochs, 2, 1.0)
        assert all(torch.equal(a["w"], b["w"]) for a, b in zip(again.states, best.states, strict=True))
        assert [again.out_of_patience(e) for e in (3, 4, 5)] == [False, False, True]

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    @pytest.mark.parametrize("at", [0, 2])
    def test_loss_that_is_not_finite_ends_the_training_by_name(self, bad: float, at: int, tmp_path: Path) -> None:
        class Broken(Slope):
            def forward(self, x: Tensor, c: Tensor) -> Tensor:
                # p starts at zero and moves by -0.1 per epoch.
                broken = self.training and float(self.p.detach()) < 0.05 - 0.1 * at
                return super().forward(x, c) + (bad if broken else 0.0)

        model, path = Broken(), tmp_path / "state"
        with pytest.raises(DivergedError, match=rf"epoch {at + 1} is (nan|-?inf).*learning_rate \(now 0.1\)"):
            train(
                model,
                [alone(model)],
                data_of(100),
                settings(epochs=6, learning_rate=0.1, batch_size=90),
                seed=1,
                checkpoint=path,
            )
        # What was stored is the last good epoch.
        assert path.exists() == (at > 0)
        if at:
            assert read_checkpoint(path)["position"]["epoch"] == at


class InterruptionError(Exception):
    pass


def stop_after(epoch: int) -> Callable[[Progress], None]:
    def monitor(at: Progress) -> None:
        if at.epoch == epoch:
            raise InterruptionError

    return monitor


def equal(one: Any, other: Any) -> bool:
    """Nested dictionaries and lists of tensors and plain values, equal to the last bit."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


class TestResume:
    def fit(self, phases: int, path: Path | None, monitor: Any = None, **changes: Any) -> tuple[Trained, nn.Module]:
        torch.rand(3)  # whatever state the caller is in
        model: Any = Duel() if phases == 2 else Regression()
        objectives = model.phases() if phases == 2 else [alone(model)]
        chosen = settings(**{"epochs": 6, "schedule": "one_cycle", "weight_decay": 0.01, "best_states": 2, **changes})
        seed = changes.pop("seed", 1)
        return train(model, objectives, data_of(120), chosen, seed=seed, monitor=monitor, checkpoint=path), model

    @pytest.mark.parametrize("phases", [1, 2])
    @pytest.mark.parametrize("ema_decay", [None, 0.9])
    @pytest.mark.parametrize("epoch", [1, 4, 6])
    def test_interrupted_is_uninterrupted(
        self, phases: int, ema_decay: float | None, epoch: int, tmp_path: Path
    ) -> None:
        whole, whole_model = self.fit(phases, tmp_path / "whole", ema_decay=ema_decay)
        with pytest.raises(InterruptionError):
            self.fit(phases, tmp_path / "state", stop_after(epoch), ema_decay=ema_decay)
        seen: list[int] = []
        resumed, model = self.fit(phases, tmp_path / "state", lambda at: seen.append(at.epoch), ema_decay=ema_decay)
        assert seen == list(range(epoch + 1, 7))
        assert resumed.train_losses == whole.train_losses
        assert resumed.validation_losses == whole.validation_losses
        assert resumed.best_epochs == whole.best_epochs
        assert equal(resumed.states, whole.states)
        assert equal(dict(model.state_dict()), dict(whole_model.state_dict()))
        one, other = read_checkpoint(tmp_path / "state"), read_checkpoint(tmp_path / "whole")
        assert one["optimisers"][0]["state"][0]["exp_avg"].abs().sum() > 0
        assert len(one["optimisers"]) == phases
        assert (one["average"] is None) == (ema_decay is None)
        assert equal(one, other)

    def test_a_checkpoint_makes_no_difference(self, tmp_path: Path) -> None:
        with_one, without = self.fit(2, tmp_path / "state")[0], self.fit(2, None)[0]
        assert with_one.validation_losses == without.validation_losses
        assert equal(with_one.states, without.states)

    def test_after_patience_has_ended_it_nothing_is_trained(self, tmp_path: Path) -> None:
        def again() -> tuple[Trained, int]:
            model, calls = Valley(-0.42), Counter[str]()
            trained = train(
                model,
                [alone(model)],
                data_of(100),
                settings(epochs=30, learning_rate=0.1, patience=2, batch_size=90),
                seed=1,
                monitor=lambda at: calls.update(["epoch"]),
                checkpoint=tmp_path / "state",
            )
            return trained, calls["epoch"]

        first, epochs = again()
        second, more = again()
        assert (epochs, more) == (6, 0)
        assert first.validation_losses == second.validation_losses
        assert equal(first.states, second.states)

    @pytest.mark.parametrize(
        "changes", [{"learning_rate": 0.02}, {"epochs": 7}, {"ema_decay": 0.9}, {"batch_size": 16}]
    )
    def test_state_of_other_settings_is_refused(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        self.fit(1, tmp_path / "state")
        before = (tmp_path / "state").read_bytes()
        with pytest.raises(CheckpointError, match=r"belongs to another model, data set, setting or seed.*Delete it"):
            self.fit(1, tmp_path / "state", **changes)
        assert (tmp_path / "state").read_bytes() == before

    def test_state_of_other_data_seed_or_model_is_refused(self, tmp_path: Path) -> None:
        def start(data: TrainingData, seed: int, model: nn.Module, **more: Any) -> None:
            train(model, [alone(model)], data, settings(), seed=seed, checkpoint=tmp_path / "state", **more)

        start(data_of(100), 1, Regression())
        start(data_of(100), 1, Regression())
        heavier = data_of(100)
        heavier.weights[3] = 1.5
        wider = Regression()
        wider.net[0] = nn.Linear(1, 8, bias=False)
        for data, seed, model in (
            (data_of(100, seed=1), 1, Regression()),
            (data_of(99), 1, Regression()),
            (heavier, 1, Regression()),
            (data_of(100), 2, Regression()),
            (data_of(100), 1, wider),
        ):
            with pytest.raises(CheckpointError, match="belongs to another"):
                start(data, seed, model)
        with pytest.raises(CheckpointError, match="belongs to another"):
            start(data_of(100), 1, Regression(), description={"path": "straight"})

    def test_hyperparameter_that_changes_no_shape_is_another_model(self, tmp_path: Path) -> None:
        x, c = gaussian_events(200, seed=1)
        plain = {"kind": "flow_matching", "hidden": 4, "layers": 1, "training": {"epochs": 1, "steps": None}}
        create(plain).fit(x, c, seed=1, checkpoint=tmp_path / "state")
        with pytest.raises(CheckpointError, match="belongs to another"):
            create({**plain, "path": "straight"}).fit(x, c, seed=1, checkpoint=tmp_path / "state")


#: Everything that a checkpoint may hold.
TREE: dict[str, Any] = {
    "identity": "abc",
    "numbers": {0: torch.arange(3.0), 7: [torch.ones(2, 2, dtype=torch.float64), None, "x", 1.5, True]},
    "empty": torch.empty(0),
    "scalar": torch.tensor(3),
    "infinite": float("inf"),
    "tuple": (1, 2),
}


class TestCheckpointFile:
    def test_comes_back_with_its_types(self, tmp_path: Path) -> None:
        write_checkpoint(tmp_path / "new" / "state", TREE)
        again = read_checkpoint(tmp_path / "new" / "state")
        assert equal({**again, "tuple": None}, {**TREE, "tuple": None})
        assert again["tuple"] == [1, 2]
        assert list(again["numbers"]) == [0, 7]
        assert [p.name for p in (tmp_path / "new").iterdir()] == ["state"]

    def test_does_not_hold_on_to_the_file(self, tmp_path: Path) -> None:
        write_checkpoint(tmp_path / "state", {"w": torch.zeros(1_000)})
        first = read_checkpoint(tmp_path / "state")
        write_checkpoint(tmp_path / "state", {"w": torch.ones(1_000)})
        assert first["w"].sum() == 0

    def test_failed_write_leaves_the_old_file_and_nothing_else(self, tmp_path: Path) -> None:
        write_checkpoint(tmp_path / "state", {"w": torch.zeros(3)})
        with pytest.raises(TypeError):
            write_checkpoint(tmp_path / "state", {"w": object()})
        assert equal(read_checkpoint(tmp_path / "state"), {"w": torch.zeros(3)})
        assert [p.name for p in tmp_path.iterdir()] == ["state"]

    def test_every_truncation_is_found(self, tmp_path: Path) -> None:
        path = tmp_path / "state"
        write_checkpoint(path, TREE)
        whole = path.read_bytes()
        for length in [0, 1, 7, 8, 9, *range(20, len(whole), 37), len(whole) - 1]:
            path.write_bytes(whole[:length])
            with pytest.raises(CheckpointError, match=r"state: .*Delete it"):
                read_checkpoint(path)

    def test_every_flipped_bit_is_found(self, tmp_path: Path) -> None:
        path = tmp_path / "state"
        write_checkpoint(path, TREE)
        whole = path.read_bytes()
        for position in range(len(whole)):
            for bit in (position % 8, (position + 5) % 8):
                altered = bytearray(whole)
                altered[position] ^= 1 << bit
                path.write_bytes(altered)
                with pytest.raises(CheckpointError, match="state: "):
                    read_checkpoint(path)

    def test_other_files_are_refused(self, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        (tmp_path / "text").write_text("no checkpoint")
        save_file({"w": torch.zeros(3)}, tmp_path / "foreign")
        for name in ("text", "foreign", "absent"):
            with pytest.raises(CheckpointError, match=name):
                read_checkpoint(tmp_path / name)
