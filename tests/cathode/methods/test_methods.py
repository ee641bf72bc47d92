"""The contract of methods, asked of all of them: the one suite that a new file in `cathode/methods` has to pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analysis.events import Events
from cathode.classifiers.mlp import Mlp
from cathode.errors import ConfigError, RunFolderError
from cathode.methods import Method, create, kinds
from cathode.registry import METHODS
from cathode.search import Search
from cathode.testing.method import MethodContract
from generators.registry import create as create_generator
from generators.testing import Check

from ..toys import Discriminant, TrueGenerator, toy_events


def gaussian(**training: Any) -> Any:
    """A density that fits the toy in a moment: it is a Gaussian whose mean follows the mass."""
    settings = {"steps": 60, "learning_rate": 3e-2, "batch_size": 1024, "ema_decay": 0.9, **training}
    return create_generator(
        {"kind": "gaussian_mixture", "components": 1, "hidden": 8, "layers": 1, "training": settings}
    )


def component() -> Any:
    """A normal density of the signal."""
    settings = {"steps": 150, "learning_rate": 3e-2, "batch_size": 1024, "ema_decay": 0.9}
    made = {"kind": "gaussian_mixture", "components": 1, "hidden": 4, "layers": 1, "bijection": "standardise"}
    return create_generator({**made, "training": settings})


def flow(**training: Any) -> Any:
    """A normal distribution whose mean follows the mass, as a flow that can be followed both ways."""
    settings = {"steps": 150, "learning_rate": 3e-2, "batch_size": 1024, "ema_decay": 0.9, **training}
    return create_generator(
        {"kind": "linear_flow", "bijection": "standardise", "hidden": 8, "layers": 1, "training": settings}
    )


def velocity(**training: Any) -> Any:
    """A small flow along a velocity."""
    settings = {"steps": 200, "learning_rate": 2e-2, "batch_size": 512, "ema_decay": 0.95, **training}
    return create_generator(
        {"kind": "flow_matching", "hidden": 16, "layers": 2, "sampling_steps": 4, "training": settings}
    )


def network() -> Any:
    """A ratio that is smooth in the mass."""
    return Mlp(hidden=16, layers=2, epochs=6, batch_size=512, best_epochs=1)


#: Settings with which a method searches the toy in seconds.
PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "cathode": lambda: {"generator": TrueGenerator(), "classifier": Discriminant()},
    "cwola": lambda: {"classifier": Discriminant()},
    "anode": lambda: {"generator": gaussian(), "oversampling": 1},
    "idealised": lambda: {"classifier": Discriminant()},
    "supervised": lambda: {"classifier": Discriminant()},
    "salad": lambda: {"ratio": network(), "classifier": Discriminant()},
    "sa_cwola": lambda: {"classifier": Discriminant()},
    "lacathode": lambda: {"generator": flow(), "classifier": Discriminant()},
    "curtains": lambda: {"generator": flow(), "map": flow(), "classifier": Discriminant(), "oversampling": 2},
    "feta": lambda: {"generator": flow(), "map": flow(), "classifier": Discriminant(), "oversampling": 2},
    "rad_ot": lambda: {"classifier": Discriminant(), "batch": 300},
    "transit": lambda: {
        "map": flow(steps=25, batch_size=512),
        "critic_steps": 1,
        "classifier": Discriminant(),
        "oversampling": 2,
    },
    "sigma": lambda: {"generator": velocity(), "classifier": Discriminant(), "oversampling": 2},
    "r_anode": lambda: {"generator": gaussian(), "signal": component(), "oversampling": 1},
    "paws": lambda: {"prior": network(), "points": 5},
    "interplay": lambda: {
        "members": ("cathode", {"kind": "rad_ot", "batch": 300}),
        "generator": TrueGenerator(),
        "classifier": Discriminant(),
    },
    "drapes": lambda: {"generator": velocity(), "classifier": Discriminant(), "oversampling": 2},
}
#: What is not true of a method.
NOT: dict[str, dict[str, bool]] = {"supervised": {"learns_from_window": False}, "sigma": {"held_out": False}}


def method(kind: str) -> Method:
    made: Method = create({"kind": kind, **PARTS[kind]()})
    return made


def search(kind: str, **changes: Any) -> Search:
    return CONTRACTS[kind].search(**changes)


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(12_000, signal=250, seed=91, truth=True)


CONTRACTS = {kind: MethodContract(partial(method, kind), **NOT.get(kind, {})) for kind in PARTS}
CHECKS = [pytest.param(check, id=f"{kind}-{check}") for kind, held in CONTRACTS.items() for check in held.checks()]


def test_every_method_is_here() -> None:
    assert set(PARTS) == set(kinds())


@pytest.mark.parametrize("check", CHECKS)
def test_contract(check: Check) -> None:
    check()


# Neither the sidebands of cwola nor the linear discriminant of this toy are random.
@pytest.mark.parametrize("kind", ["cathode", "anode"])
def test_another_seed_gives_another_result(kind: str, events: Events) -> None:
    one = CONTRACTS[kind].run[0]
    other = search(kind, seed=4).run(events)
    assert other.primary.thresholds != one.primary.thresholds


def test_cwola_makes_no_direct_estimate() -> None:
    result = CONTRACTS["cwola"].run[0]
    assert result.primary.estimate == "spectrum"
    assert result.primary.reason
    assert result.systematics == {}
    assert any("not a direct estimate" in warning for warning in result.warnings)


def test_a_method_without_classifiers_has_none_to_load(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a finished run of method anode"):
        METHODS.resolve("anode").load(tmp_path, folds=2)


def test_anode_needs_a_density_and_what_was_read() -> None:
    with pytest.raises(ConfigError, match="knows its density"):
        create({"kind": "anode", "generator": TrueGenerator()})


def test_a_sample_that_a_method_needs_is_asked_for_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, events: Events
) -> None:
    monkeypatch.setattr(METHODS.resolve("cwola"), "needs", frozenset({"simulation"}))
    with pytest.raises(ConfigError, match="cwola needs the sample 'simulation'"):
        search("cwola").run(events)
