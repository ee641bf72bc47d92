"""Phases: who is stepped when, by what, and that nothing of any of them is lost."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from generators.errors import DivergedError, GeneratorError, HyperparameterError, PhaseError
from generators.protocols import Progress
from generators.training.checkpoint import read_checkpoint, write_checkpoint
from generators.training.loop import train
from generators.training.optimisers import OPTIMISERS, Adam, AdamW, Optimiser, RAdam, RMSprop
from generators.training.phases import Phase, trainable
from generators.training.rules import BestLoss, BestMetric, Last
from generators.training.schedules import one_cycle
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained

from ..test_training import InterruptionError, Regression, Slope, alone, data_of, equal, settings, stop_after

CONSTANT = {"schedule": "constant", "clip": None}


class Lonely(nn.Module):
    """A loss with a module that no model has, a running mean that no state has, and dropout."""

    passing: Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.critic = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 1))
        self.register_buffer("passing", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        loss = (self.critic(x)[:, 0] - c[:, 0] - self.passing).square()
        if self.training:
            self.passing.lerp_(loss.detach().mean(), 0.1)
        return loss


class Watched(nn.Module):
    """What a maker and a watcher outside of the model have to do with each other."""

    def __init__(self, maker: nn.Module, watcher: Lonely) -> None:
        super().__init__()
        self.maker, self.watcher = maker, watcher

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.maker(x, c) * (1 + self.watcher(x, c).tanh())


def watched() -> tuple[Regression, list[Phase]]:
    maker, watcher = Regression(), Lonely()
    own = AdamW(learning_rate=0.02, **CONSTANT)
    return maker, [
        Phase("watcher", watcher, trainable(watcher), own, repeat=2),
        Phase("maker", Watched(maker, watcher), trainable(maker), start=3),
    ]


class TestCheckpoint:
    @pytest.mark.parametrize("epoch", [1, 3])
    @pytest.mark.parametrize("ema_decay", [None, 0.9])
    def test_what_is_outside_of_the_model_is_continued_too(
        self, epoch: int, ema_decay: float | None, tmp_path: Path
    ) -> None:
        def fit(path: Path, monitor: Any = None) -> tuple[Trained, list[Phase]]:
            maker, phases = watched()
            chosen = settings(epochs=5, ema_decay=ema_decay)
            return train(
                maker, phases, data_of(200), chosen, seed=1, monitor=monitor, checkpoint=path, rule=BestLoss("maker")
            ), phases

        whole, phases = fit(tmp_path / "whole")
        with pytest.raises(InterruptionError):
            fit(tmp_path / "state", stop_after(epoch))
        resumed, again = fit(tmp_path / "state")
        assert resumed.best_epochs == whole.best_epochs
        assert equal(resumed.states, whole.states)
        assert repr(resumed.losses) == repr(whole.losses)
        for one, other in zip(phases, again, strict=True):
            assert equal(dict(one.objective.state_dict()), dict(other.objective.state_dict()))
        watcher, other_watcher = phases[0].objective, again[0].objective
        assert isinstance(watcher, Lonely)
        assert isinstance(other_watcher, Lonely)
        assert torch.equal(watcher.passing, other_watcher.passing)
        assert float(watcher.passing) > 0

    def test_shared_weights_are_stored_once(self, tmp_path: Path) -> None:
        shared, other = torch.randn(500), torch.randn(500)
        write_checkpoint(tmp_path / "one", {"a": shared, "b": other})
        write_checkpoint(tmp_path / "two", {"a": shared, "b": [other, {"c": shared, "d": shared.view(5, 100)}]})
        size = [(tmp_path / name).stat().st_size for name in ("one", "two")]
        assert size[1] - size[0] < 500 * 4 + 500
        again = read_checkpoint(tmp_path / "two")
        assert torch.equal(again["b"][1]["c"], shared)
        assert torch.equal(again["b"][1]["d"], shared.view(5, 100))
        # Nothing that looks alike is taken for the same.
        write_checkpoint(tmp_path / "three", {"a": shared[:10], "b": shared[10:20], "c": torch.empty(0)})
        again = read_checkpoint(tmp_path / "three")
        assert torch.equal(again["b"], shared[10:20])

    def test_another_optimiser_is_another_training(self, tmp_path: Path) -> None:
        model = Regression()
        for learning_rate in (0.01, 0.02):
            phase = Phase("only", model, trainable(model), Adam(learning_rate=learning_rate))
            if learning_rate == 0.01:
                train(model, [phase], data_of(100), settings(), seed=1, checkpoint=tmp_path / "state")
                continue
            with pytest.raises(GeneratorError, match="belongs to another"):
                train(model, [phase], data_of(100), settings(), seed=1, checkpoint=tmp_path / "state")


class TestTurns:
    def steps(self, phases: list[tuple[str, nn.Module, dict[str, Any]]], **changes: Any) -> tuple[list[str], Trained]:
        """The names of the phases in the order of their steps."""
        model = nn.ModuleDict({name: module for name, module, _ in phases})
        made = [Phase(name, module, trainable(module), **more) for name, module, more in phases]
        order: list[str] = []
        names = {id(phase.parameters[0]): phase.name for phase in made}

        def record(optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            order.append(names[id(optimiser.param_groups[0]["params"][0])])

        handle = register_optimizer_step_post_hook(record)
        try:
            trained = train(model, made, data_of(100), settings(**changes), seed=1)
        finally:
            handle.remove()
        return order, trained

    def test_a_phase_is_repeated_and_begins_late(self) -> None:
        phases = [("critic", Slope(), {"repeat": 3}), ("maker", Slope(), {"start": 2})]
        order, trained = self.steps(phases, epochs=None, steps=4, batch_size=10)
        assert order == ["critic"] * 6 + (["critic"] * 3 + ["maker"]) * 2
        assert all(math.isfinite(loss) for loss in trained.losses["critic"].train)

    def test_every_repetition_has_another_batch_and_all_end_with_the_same(self) -> None:
        seen: dict[str, list[tuple[float, ...]]] = {"critic": [], "maker": []}

        class Noting(Slope):
            def __init__(self, name: str) -> None:
                super().__init__()
                self.name = name

            def forward(self, x: Tensor, c: Tensor) -> Tensor:
                if self.training:
                    seen[self.name].append(tuple(c[:, 0].tolist()))
                return super().forward(x, c)

        self.steps(
            [("critic", Noting("critic"), {"repeat": 3}), ("maker", Noting("maker"), {})], epochs=1, batch_size=9
        )
        critic = seen["critic"]
        assert len(critic) == 9
        assert len(seen["maker"]) == 3
        assert seen["maker"] == critic[2::3]
        rows = Counter(value for batch in critic for value in batch)
        assert max(rows.values()) == 1

    def test_an_epoch_is_still_a_pass(self) -> None:
        assert TrainingSettings(epochs=3, batch_size=10).plan(100, 5) == [2, 2, 2]
        assert sum(TrainingSettings(steps=77, batch_size=10).plan(100, 5)) == 77

    def test_schedule_of_a_late_phase_begins_with_it(self) -> None:
        slope = Slope()
        phase = Phase("late", slope, trainable(slope), AdamW(learning_rate=0.02, clip=None), start=10)
        other = Slope()
        model = nn.ModuleList([slope, other])
        train(
            model,
            [Phase("first", other, trainable(other)), phase],
            data_of(100),
            settings(epochs=None, steps=40, batch_size=90),
            seed=1,
        )
        expected = -0.02 * sum(one_cycle(step / 30) for step in range(30))
        assert slope.p.item() == pytest.approx(expected, rel=1e-5)

    def test_losses_come_back_by_phase_and_are_told(self) -> None:
        told: list[Progress] = []
        fast, slow = Slope(), Slope()
        model = nn.ModuleList([fast, slow])
        phases = [
            Phase("fast", fast, trainable(fast), AdamW(learning_rate=0.2, **CONSTANT)),
            Phase("slow", slow, trainable(slow), AdamW(learning_rate=0.1, **CONSTANT), start=1),
        ]
        trained = train(model, phases, data_of(100), settings(epochs=3, batch_size=90), seed=1, monitor=told.append)
        # One batch per epoch, measured before its step.
        assert trained.losses["fast"].train == pytest.approx([0, -0.2, -0.4])
        assert trained.losses["fast"].validation == pytest.approx([-0.2, -0.4, -0.6])
        assert math.isnan(trained.losses["slow"].train[0])
        assert trained.losses["slow"].train[1:] == pytest.approx([0, -0.1])
        assert trained.losses["slow"].validation == pytest.approx([0, -0.1, -0.2])
        assert trained.train_losses == trained.losses["fast"].train
        assert told[-1].phases["slow"] == pytest.approx((-0.1, -0.2))
        assert told[-1].validation_loss == pytest.approx(-0.6)

    def test_only_what_is_moved_gets_a_gradient_and_all_can_afterwards(self) -> None:
        maker, watcher = Regression(), Lonely()
        needed: list[tuple[bool, bool]] = []

        class Looking(Watched):
            def forward(self, x: Tensor, c: Tensor) -> Tensor:
                if torch.is_grad_enabled():
                    flags = (next(m.parameters()).requires_grad for m in (self.maker, self.watcher))
                    needed.append((next(flags), next(flags)))
                return super().forward(x, c)

        both = Looking(maker, watcher)
        phases = [Phase("a", both, trainable(maker)), Phase("b", both, trainable(watcher))]
        train(maker, phases, data_of(100), settings(epochs=1), seed=1)
        assert needed[:2] == [(True, False), (False, True)]
        assert all(parameter.requires_grad for parameter in both.parameters())

    def test_a_critic_outside_of_the_model_is_evaluated_in_the_mode_of_evaluation(self) -> None:
        maker, watcher = Regression(), Lonely()
        teacher = Lonely().eval()
        modes: list[tuple[bool, bool, bool]] = []

        class Looking(Watched):
            def __init__(self) -> None:
                super().__init__(maker, watcher)
                self.teacher = teacher

            def forward(self, x: Tensor, c: Tensor) -> Tensor:
                modes.append(
                    (torch.is_grad_enabled(), self.watcher.critic[1].training, self.teacher.critic[1].training)
                )
                return super().forward(x, c)

        both = Looking()
        phases = [Phase("b", both, trainable(watcher))]
        train(maker, phases, data_of(100), settings(epochs=2), seed=1)
        assert set(modes) == {(True, True, False), (False, False, False)}


class TestRefusals:
    def test_a_phase_without_parameters_of_its_own_is_refused(self) -> None:
        model, other = Regression(), Regression()
        with pytest.raises(PhaseError, match="'only' has no parameters"):
            Phase("only", model, [])
        with pytest.raises(PhaseError, match="4 of its 4 parameters belong to no module"):
            Phase("only", model, trainable(other))
        parameters = trainable(model)
        parameters[0].requires_grad_(False)
        with pytest.raises(PhaseError, match="1 of its 4 parameters need no gradient"):
            Phase("only", model, parameters)
        assert len(trainable(model)) == 3
        for wrong in ({"repeat": 0}, {"start": -1}):
            with pytest.raises(PhaseError, match="repeat"):
                Phase("only", other, trainable(other), **wrong)
        with pytest.raises(TypeError, match="parameters"):
            Phase("only", model)  # type: ignore[call-arg]

    def test_names_are_different_and_there_is_one(self) -> None:
        model = Regression()
        for phases in ([], [alone(model), alone(model)]):
            with pytest.raises(PhaseError, match="different names"):
                train(model, phases, data_of(100), settings(), seed=1)

    def test_unknown_phase_of_a_rule_is_named(self) -> None:
        model = Regression()
        with pytest.raises(PhaseError, match=r"no phase 'critic'.*only"):
            train(model, [alone(model)], data_of(100), settings(), seed=1, rule=BestLoss("critic"))

    @pytest.mark.parametrize(
        ("wrong", "match"),
        [
            ({"learning_rate": 0.0}, "learning_rate = 0"),
            ({"learning_rate": math.nan}, "learning_rate = nan"),
            ({"weight_decay": -1.0}, "weight_decay"),
            ({"clip": 0.0}, "clip = 0"),
            ({"schedule": "cosine"}, "schedule 'cosine'"),
            ({"betas": (0.5, 1.0)}, r"betas\[1\] = 1"),
        ],
    )
    def test_nonsense_of_an_optimiser_is_named(self, wrong: dict[str, Any], match: str) -> None:
        with pytest.raises(HyperparameterError, match=match):
            Adam(**wrong)

    @pytest.mark.parametrize("wrong", [{"smoothing": 1.0}, {"momentum": -0.1}])
    def test_nonsense_of_a_mean_square_is_named(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(HyperparameterError, match=next(iter(wrong))):
            RMSprop(**wrong)

    @pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"clip": -1.0}, {"ema_decay": 1.0}, {"devices": 0}])
    def test_settings_refuse_it_before_anything_is_trained(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(GeneratorError, match=next(iter(wrong))):
            TrainingSettings(steps=1, **wrong)


def first_steps(optimiser: Optimiser, gradients: list[float]) -> list[float]:
    """Where a parameter is after each of these gradients."""
    p = nn.Parameter(torch.zeros((), dtype=torch.float64))
    stepped, places = optimiser.of([p]), []
    for gradient in gradients:
        p.grad = torch.tensor(gradient, dtype=torch.float64)
        stepped.step()
        places.append(p.item())
    return places


class TestOptimisers:
    """Two steps by hand, with gradients 1 and 3 and a rate of 0.1."""

    @pytest.mark.parametrize("made", [Adam, AdamW])
    def test_adam_forgets_as_it_is_told(self, made: type[Adam]) -> None:
        b1, b2 = 0.5, 0.9
        m, v, p, expected = 0.0, 0.0, 0.0, []
        for step, g in enumerate([1.0, 3.0], start=1):
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            p -= 0.1 * (m / (1 - b1**step)) / (math.sqrt(v / (1 - b2**step)) + 1e-8)
            expected.append(p)
        assert first_steps(made(learning_rate=0.1, betas=(b1, b2)), [1.0, 3.0]) == pytest.approx(expected, rel=1e-6)

    def test_root_of_the_mean_square(self) -> None:
        square, p, expected = 0.0, 0.0, []
        for g in (1.0, 3.0):
            square = 0.8 * square + 0.2 * g**2
            p -= 0.1 * g / (math.sqrt(square) + 1e-8)
            expected.append(p)
        assert first_steps(RMSprop(learning_rate=0.1, smoothing=0.8), [1.0, 3.0]) == pytest.approx(expected, rel=1e-6)

    def test_rectified_adam_begins_with_plain_momentum(self) -> None:
        """As long as the variance can not be trusted the step is the mean gradient."""
        b1 = 0.9
        expected = [-0.1, -0.1 - 0.1 * (b1 * (1 - b1) + (1 - b1) * 3) / (1 - b1**2)]
        assert first_steps(RAdam(learning_rate=0.1, betas=(b1, 0.999)), [1.0, 3.0]) == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("kind", OPTIMISERS)
    def test_weight_decay_takes_weights_down(self, kind: str) -> None:
        p = nn.Parameter(torch.ones(()))
        p.grad = torch.zeros(())
        OPTIMISERS[kind](learning_rate=0.1, weight_decay=0.1).of([p]).step()
        assert p.item() < 1

    @pytest.mark.parametrize("kind", OPTIMISERS)
    def test_every_kind_learns_and_goes_on_bit_for_bit(self, kind: str, tmp_path: Path) -> None:
        def fit(path: Path, monitor: Any = None) -> Trained:
            model = Regression()
            phase = Phase("only", model, trainable(model), OPTIMISERS[kind](learning_rate=0.01))
            return train(model, [phase], data_of(200), settings(), seed=1, monitor=monitor, checkpoint=path)

        whole = fit(tmp_path / "whole")
        with pytest.raises(InterruptionError):
            fit(tmp_path / "state", stop_after(2))
        assert equal(fit(tmp_path / "state").states, whole.states)
        assert whole.validation_losses[-1] < whole.validation_losses[0]

    def test_description_names_everything(self) -> None:
        made = Adam(learning_rate=0.1, betas=(0.0, 0.9))
        assert made.description() == {"kind": "adam", **dataclasses.asdict(made)}


class TestRules:
    def run(self, rule: Any, **changes: Any) -> tuple[Trained, nn.ModuleDict]:
        maker, critic = Slope(), Slope()
        model = nn.ModuleDict({"maker": maker, "critic": critic})
        phases = [
            Phase("critic", critic, trainable(critic), AdamW(learning_rate=0.1, **CONSTANT)),
            Phase("maker", maker, trainable(maker), AdamW(learning_rate=0.2, **CONSTANT)),
        ]
        more = {name: changes.pop(name) for name in ("keep", "averaged") if name in changes}
        named = {name: model[place] if name == "keep" else [model[place]] for name, place in more.items()}
        chosen = settings(epochs=6, batch_size=90, **changes)
        return train(model, phases, data_of(100), chosen, seed=1, rule=rule, **named), model

    def test_best_metric_on_what_is_held_out(self) -> None:
        """The maker is at -0.2 times the epoch: the fourth is nearest to -0.7."""
        held: list[int] = []

        def metric(model: nn.Module, held_out: Any) -> float:
            held.append(len(held_out))
            assert not model.training
            assert not torch.is_grad_enabled()
            assert isinstance(model, nn.ModuleDict)
            return abs(float(model["maker"].p) + 0.75)

        trained, _ = self.run(BestMetric(metric), keep="maker", best_states=2)
        assert trained.best_epochs == [4, 3]
        assert trained.scores == pytest.approx([0.05, 0.15])
        assert [float(state["p"]) for state in trained.states] == pytest.approx([-0.8, -0.6])
        assert held == [10] * 6

    def test_metric_has_the_same_random_numbers_every_epoch(self) -> None:
        drawn: list[float] = []

        def metric(model: nn.Module, held_out: Any) -> float:
            drawn.append(float(torch.rand(())))
            return 0.0

        self.run(BestMetric(metric))
        assert len(drawn) == 6
        assert len(set(drawn)) == 1

    def test_patience_counts_epochs_without_a_better_metric(self) -> None:
        trained, _ = self.run(BestMetric(lambda model, _: abs(float(model["maker"].p) + 0.4)), patience=2)
        assert trained.best_epochs == [2]
        assert len(trained.validation_losses) == 4

    def test_last_is_the_last(self) -> None:
        trained, _ = self.run(Last(), best_states=2, keep="maker")
        assert trained.best_epochs == [6, 5]
        assert [float(state["p"]) for state in trained.states] == pytest.approx([-1.2, -1.0])

    def test_loss_of_any_phase(self) -> None:
        assert self.run(BestLoss("maker"))[0].scores == pytest.approx([-1.2])
        assert self.run(BestLoss())[0].scores == pytest.approx([-0.6])

    def test_metric_that_is_no_number_ends_the_training(self) -> None:
        with pytest.raises(DivergedError, match="metric of epoch 1"):
            self.run(BestMetric(lambda model, _: math.nan))

    def test_kept_is_the_named_part_alone(self) -> None:
        assert self.run(Last(), keep="maker")[0].states[0].keys() == {"p"}
        assert self.run(Last())[0].states[0].keys() == {"maker.p", "critic.p"}

    def test_average_of_chosen_modules_alone(self) -> None:
        trained, model = self.run(Last(), averaged="maker", ema_decay=0.4)
        p = -0.2 * np.arange(1, 7)
        average = p[0]
        for value in p[1:]:
            average = 0.4 * average + 0.6 * value
        state = trained.states[0]
        assert float(state["maker.p"]) == pytest.approx(average)
        assert float(state["critic.p"]) == pytest.approx(-0.6)
        # What goes on being trained is not the average.
        assert float(model["maker"].p.detach()) == pytest.approx(-1.2)
        assert trained.losses["maker"].validation[-1] == pytest.approx(average)


class TestCompile:
    def test_a_phase_that_can_not_be_compiled_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compiled: list[nn.Module] = []

        def note(objective: nn.Module, *_: Any, **__: Any) -> nn.Module:
            compiled.append(objective)
            return objective

        monkeypatch.setattr("generators.training.loop.compiled", note)
        model = nn.ModuleList([Slope(), Slope()])
        phases = [
            Phase("a", model[0], trainable(model[0])),
            Phase("b", model[1], trainable(model[1]), compile=False),
        ]
        train(model, phases, data_of(100), settings(epochs=1), seed=1)
        assert len(compiled) == 1
