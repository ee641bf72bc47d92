"""What is done differently where there is a GPU, as far as a CPU can tell."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch

from generators.distillation import Halving, TeacherStudent
from generators.jets.adversarial_cloud import AdversarialCloud
from generators.jets.base import CloudDensity, CloudGenerator
from generators.jets.jet_flow import JetFlow
from generators.one_phase import OneLoss
from generators.registry import create, generator_class, kinds
from generators.showers.calo_clouds_1 import CaloClouds1
from generators.showers.calo_point_flow import CaloPointFlow
from generators.tabular.base import ConditionalDensity, NoiseSampler, TabularGenerator
from generators.tabular.flow_matching import FlowMatching
from generators.tabular.gan import GenerativeAdversarialNetwork
from generators.training import acceleration
from generators.training.members import Members
from generators.training.settings import TrainingSettings

from ..contracts import gaussian_events

#: Kinds whose networks are those of others, or of another library.
NOT_OURS = {"ensemble", "zuko"}

FEATURES = sorted(kind for kind in set(kinds()) - NOT_OURS if issubclass(generator_class(kind), TabularGenerator))
#: Kinds whose networks have a loss elsewhere, or more to draw than points.
OWN_LOSSES = (AdversarialCloud, JetFlow, CaloPointFlow, CaloClouds1)
CLOUDS = sorted(
    kind
    for kind in kinds()
    if issubclass(generator_class(kind), CloudGenerator) and not issubclass(generator_class(kind), OWN_LOSSES)
)

#: What kinds for showers need to know of the four features.
OF_FOUR: dict[str, dict[str, Any]] = {
    "image_flow": {"grid": [2, 2], "strides": [[1, 1], [2, 1]]},
    "patch_flow": {"layers": [[2, 2]], "patch": [1, 2, 1], "width": 12, "depth": 1},
    "cylindrical_diffusion": {"layers": [[1, 2], [2, 1]], "channels": [8, 8]}
    | {"sampling_steps": 2, "density_steps": 1, "probes": 1},
}

SETTINGS = TrainingSettings(steps=1)
GPU, CPU = torch.device("cuda"), torch.device("cpu")


def losses_of(generator: Any, network: Any, shape: tuple[int, ...]) -> list[torch.nn.Module]:
    """All losses by which a network on the device without values is trained."""
    if isinstance(generator, OneLoss):
        return [generator.objective(network).train()]
    if isinstance(generator, TeacherStudent):
        teacher = generator.prepared_teacher().build(shape, 1).to("meta")
        return [generator.distillation_loss(network, teacher)]
    if isinstance(generator, Halving):
        return [generator.halving_loss(network, copy.deepcopy(network.network), 1)]
    assert isinstance(generator, GenerativeAdversarialNetwork)
    adversaries = generator.adversaries(network, *shape, 1, seed=1).to("meta")
    return [phase.objective for phase in generator.phases(adversaries)]


@pytest.mark.parametrize("kind", FEATURES)
class TestOtherDevice:
    """A device without values: whatever stayed behind on the CPU, or waits for a number, is an error there."""

    def network(self, kind: str) -> Any:
        generator = create({"kind": kind, **OF_FOUR.get(kind, {})})
        assert isinstance(generator, TabularGenerator)
        return generator.build((4,), 1).to("meta")

    def test_training_step_never_waits_and_leaves_nothing_behind(self, kind: str) -> None:
        network = self.network(kind)
        for objective in losses_of(create({"kind": kind, **OF_FOUR.get(kind, {})}), network, (4,)):
            loss = objective(torch.empty(100, 4, device="meta"), torch.empty(100, 1, device="meta"))
            assert loss.shape == (100,)
            loss.sum().backward()
        assert all(p.grad is None or p.grad.device.type == "meta" for p in network.parameters())

    def test_drawing_never_waits(self, kind: str) -> None:
        network = self.network(kind).eval()
        assert isinstance(network, NoiseSampler)
        noise = torch.empty(100, *network.noise_shape, dtype=torch.float64, device="meta")
        z = network.transport(noise, torch.empty(100, 1, device="meta"))
        assert z.shape == (100, 4)
        assert z.device.type == "meta"

    def test_density_never_waits(self, kind: str) -> None:
        network = self.network(kind).eval()
        if isinstance(network, ConditionalDensity):
            log_p = network.log_density(torch.empty(100, 4, device="meta"), torch.empty(100, 1, device="meta"))
            assert log_p.device.type == "meta"


@pytest.mark.parametrize("kind", CLOUDS)
class TestCloudsOnAnotherDevice:
    """The same of generators of clouds, which have to know the sizes of clouds without a look at them."""

    def network(self, kind: str) -> Any:
        generator = create({"kind": kind})
        for name, few in (("sampling_steps", 3), ("density_steps", 1), ("probes", 1)):
            if hasattr(generator, name):
                setattr(generator, name, few)
        return generator.build((5, 3), 1).to("meta")

    def test_training_step_never_waits_and_leaves_nothing_behind(self, kind: str) -> None:
        network = self.network(kind).train()
        for objective in losses_of(create({"kind": kind}), network, (5, 3)):
            loss = objective(torch.empty(20, 5, 3, device="meta"), torch.empty(20, 2, device="meta"))
            assert loss.shape == (20,)
            loss.sum().backward()
        assert all(p.grad is None or p.grad.device.type == "meta" for p in network.parameters())

    def test_drawing_and_judging_never_wait(self, kind: str) -> None:
        network = self.network(kind).eval()
        counts, c = torch.empty(20, dtype=torch.long, device="meta"), torch.empty(20, 1, device="meta")
        z = network.transport(torch.empty(20, 5, network.noise_features, device="meta"), counts, c)
        assert z.shape == (20, 5, 3)
        assert z.device.type == "meta"
        if isinstance(network, CloudDensity):
            assert network.log_density(counts, z, c).device.type == "meta"


class TestPrecision:
    def test_velocities_bear_bfloat16_and_flows_do_not(self) -> None:
        velocity = create({"kind": "flow_matching"}).build((2,), 1)
        flow = create({"kind": "autoregressive_spline"}).build((2,), 1)
        assert acceleration.precision_for(velocity, SETTINGS, GPU) == "bf16-mixed"
        assert acceleration.precision_for(Members([velocity, velocity]), SETTINGS, GPU) == "bf16-mixed"
        assert acceleration.precision_for(flow, SETTINGS, GPU) == "32-true"
        assert acceleration.precision_for(velocity, SETTINGS, CPU) == "32-true"
        assert acceleration.precision_for(flow, TrainingSettings(steps=1, precision="bf16-true"), CPU) == "bf16-true"

    def test_velocity_in_bfloat16_is_off_by_half_a_percent(self) -> None:
        model = create({"kind": "flow_matching"})
        assert isinstance(model, FlowMatching)
        velocity = model.build((4,), 1)
        torch.manual_seed(1)
        for parameter in velocity.parameters():
            parameter.data = torch.randn_like(parameter) / max(parameter.shape[-1], 1) ** 0.5
        z, c = torch.randn(4_000, 4), torch.rand(4_000, 1)
        losses = []
        for enabled in (False, True):
            torch.manual_seed(2)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                losses.append(float(model.objective(velocity)(z, c).detach().mean()))
        assert losses[1] == pytest.approx(losses[0], rel=5e-3)


class TestNoise:
    def test_on_a_cpu_it_is_that_of_the_generator_and_elsewhere_it_is_there(self) -> None:
        made = acceleration.standard_normal((3, 2), torch.Generator().manual_seed(1), CPU, torch.float64)
        same = torch.randn(3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        assert torch.equal(made, same)
        assert acceleration.standard_normal((3,), torch.Generator(), torch.device("meta")).device.type == "meta"

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_a_gpu_makes_its_own_from_the_seed(self) -> None:
        first, again, other = (
            acceleration.standard_normal((100_000,), torch.Generator().manual_seed(seed), GPU) for seed in (1, 1, 2)
        )
        assert first.device.type == "cuda"
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert float(first.mean().abs()) < 0.02
        assert float(first.std()) == pytest.approx(1, abs=0.02)

    @pytest.mark.parametrize(
        ("capability", "cheap"), [((8, 0), True), ((9, 0), True), ((8, 6), False), ((8, 9), False), ((12, 0), False)]
    )
    def test_doubles_are_cheap_on_few_gpus(
        self, capability: tuple[int, int], cheap: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(acceleration.torch.cuda, "get_device_capability", lambda device: capability)
        assert acceleration.doubles_are_cheap(GPU) is cheap
        assert acceleration.doubles_are_cheap(CPU)


class TestCompiled:
    def test_only_where_it_pays_or_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        module = torch.nn.Linear(1, 1)
        monkeypatch.setattr(acceleration.torch, "compile", lambda objective, dynamic: torch.nn.Sequential(objective))
        monkeypatch.setattr(acceleration.importlib.util, "find_spec", lambda name: object())
        enough = acceleration.COMPILED_STEPS
        assert acceleration.compiled(module, SETTINGS, CPU, steps=enough) is module
        assert acceleration.compiled(module, SETTINGS, GPU, steps=enough) is not module
        # Where tracing takes longer than all steps, or is begun again for every size of batch.
        assert acceleration.compiled(module, SETTINGS, GPU, steps=enough - 1) is module
        assert acceleration.compiled(module, SETTINGS, GPU, steps=enough, ragged=True) is module
        assert acceleration.compiled(module, TrainingSettings(steps=1, compile=False), GPU, steps=enough) is module
        assert acceleration.compiled(module, TrainingSettings(steps=1, compile=True), CPU, steps=1) is not module
        monkeypatch.setattr(acceleration.importlib.util, "find_spec", lambda name: None)
        assert acceleration.compiled(module, SETTINGS, GPU, steps=enough) is module

    @pytest.mark.parametrize("kind", ["autoregressive_spline", "coupling_spline"])
    def test_training_is_the_same(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(acceleration.torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
        x, c = gaussian_events(600, seed=1)
        training = {"steps": 20, "batch_size": 128}
        plain, whole = (
            create({"kind": kind, "hidden": 8, "training": {**training, "compile": choice}}).fit(x, c, seed=1)
            for choice in (False, True)
        )
        assert whole.validation_losses_ == pytest.approx(plain.validation_losses_, abs=2e-3)
        assert plain.validation_losses_[-1] < plain.validation_losses_[0] - 0.01
