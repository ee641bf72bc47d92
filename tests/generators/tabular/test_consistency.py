"""Consistency models: the contract of generators without a density, and how near the student is to its teacher."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from generators.continuous.consistency import along_teacher, consistency_loss, jump, towards
from generators.continuous.velocities import RIGHT, AngularVelocity, by_angle, mix
from generators.errors import HyperparameterError
from generators.protocols import DensityGenerator, Progress
from generators.registry import create
from generators.tabular.consistency import Consistency, ConsistencySampler

from ..contracts import GeneratorContract, gaussian_events, name_of, quick
from ..gaussian_field import BestField, one_gaussian, seeded

TRAINING = {"steps": 600, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": 0.98}

SPECIFICATIONS: tuple[dict[str, Any], ...] = (
    {
        "kind": "consistency",
        "teacher": {"kind": "flow_matching", "hidden": 32, "layers": 3, "training": TRAINING},
        "training": {**TRAINING, "learning_rate": 4e-3, "best_states": 2},
    },
    {
        "kind": "consistency",
        "sampling_steps": 2,
        "teacher": {"kind": "diffusion", "hidden": 32, "layers": 3, "training": {**TRAINING, "steps": 1000}},
        "training": {**TRAINING, "learning_rate": 4e-3, "steps": 1000},
    },
)


@pytest.fixture(scope="module", params=SPECIFICATIONS, ids=name_of)
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(GeneratorContract):
    def test_has_no_density(self, fitted: Any) -> None:
        assert not isinstance(fitted, DensityGenerator)


class Consistent(torch.nn.Module):
    """The field whose step is the end of the flow of normal data: exact in one step from anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.data = one_gaussian(2)
        values, self.axes = torch.linalg.eigh(self.data.covariances[0])
        self.widths = values.sqrt()

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """Along the axes of the covariance the flow keeps (x − sin φ mean) / √(sin²φ width² + cos²φ)."""
        angle = (t * RIGHT).expand(len(x))[:, None]
        sin, cos = torch.sin(angle), torch.cos(angle)
        mean = self.data.means[0]
        along = (x - sin * mean) @ self.axes
        end = (along * self.widths / torch.sqrt((sin * self.widths) ** 2 + cos**2)) @ self.axes.T + mean
        return (end - sin * x) / cos.clamp_min(1e-12)


class TestLoss:
    def ways(self, n: int = 2_000) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noise, data, and angles a small turn apart."""
        now = torch.linspace(0.05, 1.4, n, dtype=torch.float64)
        return seeded(n, 2, seed=1), one_gaussian(2).draw(n, seed=2), now, now + 0.05

    def test_step_leaves_data_where_they_are(self) -> None:
        field = AngularVelocity(lambda x, t, c: seeded(*x.shape, seed=9), torch.empty(5, 0))
        x = seeded(5, 2, 3)
        assert torch.allclose(jump(field, x, torch.full((5,), RIGHT).double()), x, atol=1e-12)

    def test_consistent_field_has_hardly_any_loss_and_no_other_has(self) -> None:
        noise, data, now, then = self.ways()
        x, _ = mix(noise, data, now)
        c = torch.empty(len(x), 0)
        advance = along_teacher(AngularVelocity(BestField(one_gaussian(2)).forward_rows, c, by_angle), 1)
        perfect = consistency_loss(AngularVelocity(Consistent(), c), advance, x, now, then)
        assert perfect.shape == (len(x),)
        assert float(perfect.mean()) < 1e-5
        teacher = AngularVelocity(BestField(one_gaussian(2)).forward_rows, c, by_angle)
        assert float(consistency_loss(teacher, advance, x, now, then).mean()) > 100 * float(perfect.mean())

    def test_no_gradient_goes_through_the_target(self) -> None:
        noise, data, now, then = self.ways(50)
        shift = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        c = torch.empty(50, 0)
        student = AngularVelocity(lambda x, t, c: x + shift, c)
        consistency_loss(student, towards(noise, data), mix(noise, data, now)[0], now, then).sum().backward()
        expected = torch.zeros(2, dtype=torch.float64)
        x, ahead = mix(noise, data, now)[0], mix(noise, data, then)[0]
        missed = jump(student, x, now) - jump(student, ahead, then)
        expected = (missed * torch.cos(now)[:, None]).sum(dim=0).detach()
        assert shift.grad is not None
        assert torch.allclose(shift.grad, expected)

    def test_teacher_is_followed_to_second_order(self) -> None:
        n = 20
        start = seeded(n, 2)
        advance = along_teacher(AngularVelocity(BestField(one_gaussian(2)).forward_rows, torch.empty(n, 0)), 1)

        def after(steps: int) -> Tensor:
            x, angles = start, torch.linspace(0.1, 1.3, steps + 1, dtype=torch.float64)
            for now, then in itertools.pairwise(angles):
                x = advance(x, now.expand(n), then.expand(n))
            return x

        fine = after(400)
        ratio = (after(20) - fine).abs().max() / (after(40) - fine).abs().max()
        assert float(ratio) == pytest.approx(4, rel=0.25)

    def test_perfect_student_draws_the_data_in_one_step_and_in_more(self) -> None:
        truth, n = one_gaussian(2), 20_000
        for steps in (1, 3):
            network = Consistency(sampling_steps=steps, teacher={"kind": "flow_matching", "hidden": 4}).build((2,), 0)
            network.network = Consistent()
            z = network.draw(torch.empty(n, 0, dtype=torch.float64), torch.Generator().manual_seed(1))
            assert torch.allclose(z.mean(0), truth.means[0], atol=5 * float(truth.covariances.max() / n) ** 0.5)
            assert torch.allclose(torch.cov(z.T), truth.covariances[0], rtol=0.05, atol=0.03)


class TestDistillation:
    def test_student_is_near_its_teacher_in_one_step(self, fitted: Any, specification: dict[str, Any]) -> None:
        """From the same noise, to a small part of the width; the expected data, a step of the teacher, is far off."""
        teacher = create(specification["teacher"]).fit(*gaussian_events(6_000, seed=10), seed=1)
        student, network = fitted.networks_[0], teacher.networks_[0]
        assert isinstance(student, ConsistencySampler)
        noise, c = seeded(4_000, 2, seed=3).float(), torch.rand(4_000, 1) * 2 - 1
        angle = torch.tensor(student.first)
        end = network.transport(noise, c)
        missed = (jump(student.field(c), noise, angle) - end).square().mean().sqrt()
        naive = (jump(network.field(c), noise, angle) - end).square().mean().sqrt()
        assert float(missed) < 0.1
        assert float(naive) > 4 * float(missed)

    def test_interrupted_student_goes_on_with_the_same_teacher(self, tmp_path: Path) -> None:
        x, c = gaussian_events(600, seed=16)
        changes = {"epochs": 3, "steps": None, "batch_size": 128}
        whole = quick(SPECIFICATIONS[0], **changes).fit(x, c, seed=1)

        def stop(progress: Progress) -> None:
            assert progress.epochs == 6
            if progress.epoch == 4:
                raise InterruptedError

        path = tmp_path / "training.checkpoint"
        resumed = quick(SPECIFICATIONS[0], **changes)
        with pytest.raises(InterruptedError):
            resumed.fit(x, c, seed=1, monitor=stop, checkpoint=path)
        assert {entry.name for entry in tmp_path.iterdir()} == {path.name, f"{path.name}.student"}
        epochs: list[int] = []
        resumed.fit(x, c, seed=1, monitor=lambda progress: epochs.append(progress.epoch), checkpoint=path)
        assert epochs == [5, 6]
        assert {entry.name for entry in tmp_path.iterdir()} == {path.name}
        one, two = whole.state(), resumed.state()
        assert all(torch.equal(one[key], two[key]) for key in one)

    def test_bijection_is_that_of_the_teacher(self) -> None:
        inner = {"kind": "flow_matching", "bijection": "standardise", "hidden": 4, "training": {"steps": 2}}
        fitted = create({"kind": "consistency", "teacher": inner, "training": {"steps": 2}})
        fitted.fit(*gaussian_events(100, seed=1), seed=1)
        assert fitted.bijection_.kind == "standardise"

    @pytest.mark.parametrize("inner", ["maf", "consistency"])
    def test_teacher_must_be_a_flow_in_time(self, inner: str) -> None:
        with pytest.raises(HyperparameterError, match=f"'{inner}' is no flow in time"):
            create({"kind": "consistency", "teacher": {"kind": inner}})

    @pytest.mark.parametrize("name", ["stages", "teacher_steps", "sampling_steps"])
    def test_sizes_below_one_are_refused(self, name: str) -> None:
        with pytest.raises(HyperparameterError, match=f"{name} = 0"):
            create({"kind": "consistency", name: 0})
