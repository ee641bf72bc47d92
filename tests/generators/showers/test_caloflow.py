"""CaloFlow: published sizes, teacher and student as one bijection, and what the guided loss asks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.flows.permutation import Permutation
from generators.registry import create
from generators.showers.caloflow import GuidedLoss
from generators.showers.presets import caloflow
from tests.generators.contracts import GeneratorContract, gaussian_events

TEACHER: dict[str, Any] = {
    "kind": "caloflow_teacher",
    "bijection": "quantile_normal",
    "blocks": 3,
    "hidden": 24,
    "tail_bound": 6.0,
    "dropout": 0.0,
    "training": {"epochs": None, "steps": 250, "batch_size": 200, "learning_rate": 6e-3},
}
STUDENT: dict[str, Any] = {
    "kind": "caloflow_student",
    "teacher": TEACHER,
    "hidden": 24,
    "dropout": 0.0,
    "training": {"epochs": None, "steps": 400, "batch_size": 200, "learning_rate": 6e-3},
}

#: Of energies of layers and shapes together (calorimeter facts; CaloChallenge final report 2410.21611).
PUBLISHED = {
    ("ds1-photons", "teacher"): 28_043_810,
    ("ds1-photons", "student"): 56_554_930,
    ("ds1-pions", "teacher"): 57_079_326,
    ("ds1-pions", "student"): 53_426_622,
}
#: Of the shapes alone.
OF_SHAPES = {("calogan", "teacher"): 37_835_280, ("calogan", "student"): 50_924_160}


def parameters(specification: dict[str, Any], features: int, context: int) -> int:
    with torch.device("meta"):
        network = create(specification).build((features,), context)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("dataset", "role"), [*PUBLISHED, *OF_SHAPES])
def test_published_sizes(dataset: str, role: str) -> None:
    chain = caloflow(dataset, role, "published")
    layers = len(chain["layers"])
    voxels = sum(angles * rings for angles, rings in chain["layers"])
    shapes = parameters(chain["shapes"]["generator"], voxels, 1 + layers)
    if (dataset, role) in OF_SHAPES:
        assert shapes == OF_SHAPES[dataset, role]
    else:
        assert parameters(chain["energies"], layers, 1) + shapes == PUBLISHED[dataset, role]


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return STUDENT


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestStudent(GeneratorContract):
    pass


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    """Untrained networks of teacher and student, of five features."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        networks = [create(each).build((5,), 2) for each in (TEACHER, STUDENT)]
        for network in networks:
            for parameter in network.parameters():
                parameter.data = 0.15 * torch.randn_like(parameter)
    return networks[0], networks[1]


@pytest.mark.parametrize("which", [0, 1])
def test_sampling_undoes_the_way_to_noise(pair: tuple[Any, Any], which: int) -> None:
    """Every hidden unit is computed once, and yet the inverse is exact."""
    network = pair[which].eval()
    c = torch.randn(40, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    noise = torch.randn(40, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(network.noise(network.transport(noise, c), c), noise, atol=1e-6)
    network.float()


def test_guided_loss_is_nothing_for_a_student_that_is_its_teacher() -> None:
    """Of one feature nothing is masked away but the feature itself: then both have the same parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        teacher, student = (create(each).build((1,), 2) for each in (TEACHER, STUDENT))
        for parameter in teacher.parameters():
            parameter.data = 0.15 * torch.randn_like(parameter)
    for own, given in zip(student.transforms, teacher.transforms, strict=True):
        if not isinstance(own, Permutation):
            own.transform.load_state_dict(given.state_dict())
    loss = GuidedLoss(student, teacher)
    x, c = torch.randn(30, 1), torch.randn(30, 2)
    assert float(loss(x, c).detach().abs().max()) < 1e-6
    with torch.no_grad():
        next(student.parameters()).add_(0.1)
        next(p for name, p in student.named_parameters() if "final" in name and "bias" in name).add_(0.3)
    assert float(loss(x, c).detach().min()) > 1e-3


def test_student_has_the_permutations_of_its_teacher(pair: tuple[Any, Any]) -> None:
    teacher, student = pair
    GuidedLoss(student, teacher)
    orders = [
        [step.order.tolist() for step in each.transforms if isinstance(step, Permutation)]
        for each in (teacher, student)
    ]
    assert orders[0] == orders[1]
    assert orders[0][0] == [4, 3, 2, 1, 0]
    assert len(orders[0]) == 2


def test_only_a_caloflow_teaches() -> None:
    with pytest.raises(HyperparameterError, match="caloflow_teacher"):
        create({**STUDENT, "teacher": {"kind": "flow_matching"}})
    with pytest.raises(HyperparameterError, match="groups"):
        create({**TEACHER, "groups": [2, 2]}).build((5,), 1)


@pytest.mark.slow
def test_published_size_takes_a_step_and_draws() -> None:
    """Teacher and energies of photons in CaloChallenge 1, on a few showers."""
    chain = caloflow("ds1-photons", "teacher", "published")
    chain["energies"]["training"] = {"epochs": None, "steps": 1, "batch_size": 8}
    chain["shapes"]["generator"]["training"] = {"epochs": None, "steps": 1, "batch_size": 8}
    rng = np.random.default_rng(1)
    incident = rng.uniform(1, 20, (60, 1))
    x = incident * rng.dirichlet(np.full(368, 0.5), 60)
    drawn = create(chain).fit(x, incident, seed=1).sample(incident[:2], seed=1)
    assert drawn.shape == (2, 368)
    assert (drawn >= 0).all()
    assert np.isfinite(drawn).all()
