"""From kinds to classes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

import generators
from generators import registry
from generators.errors import HyperparameterError, UnknownKindError
from generators.registry import bijection_class, bijection_kinds, create, generator_class, kinds, register


@pytest.fixture(autouse=True)
def _tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.GENERATORS, "_known", dict(registry.GENERATORS._known))
    monkeypatch.setattr(registry.BIJECTIONS, "_known", dict(registry.BIJECTIONS._known))


@dataclass(frozen=True)
class Settings:
    steps: int = 10
    rate: float = 0.1


@dataclass
class Toy:
    kind: ClassVar[str] = "toy"
    size: int
    training: Settings = field(default_factory=lambda: Settings(rate=0.5))

    def sample(self) -> None: ...


@pytest.mark.parametrize("kind", kinds())
def test_every_generator_kind_leads_to_a_class_of_that_kind(kind: str) -> None:
    cls = generator_class(kind)
    assert cls.kind == kind
    made = create({"kind": kind})
    # What knows a density may be an heir of it.
    assert isinstance(made, cls)
    # What a card stores is what makes the same generator again.
    again = create({"kind": kind, **made.hyperparameters()})
    assert again.hyperparameters() == made.hyperparameters()


@pytest.mark.parametrize("kind", kinds())
def test_every_generator_kind_is_held_to_the_contract(kind: str) -> None:
    """Some test module names it in a specification and has a heir of the contract."""
    modules = [path.read_text() for path in Path(__file__).parent.rglob("*.py")]
    assert any(f'"kind": "{kind}"' in text and "Contract" in text for text in modules)


@pytest.mark.parametrize("kind", bijection_kinds())
def test_every_bijection_kind_leads_to_a_class_of_that_kind(kind: str) -> None:
    cls = bijection_class(kind)
    assert cls.kind == kind
    made = create({"kind": kind} | ({"bijections": ["logit"]} if kind == "chain" else {}))
    # What knows a density may be an heir of it.
    assert isinstance(made, cls)
    assert create(made.specification()).specification() == made.specification()


def test_kinds_are_listed_without_loading_torch() -> None:
    code = "import sys, generators; generators.kinds(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_kinds_name_the_nearest() -> None:
    with pytest.raises(UnknownKindError, match=r"'flow_machting'.*Nearest: flow_matching"):
        generator_class("flow_machting")
    with pytest.raises(UnknownKindError, match="Nearest: quantile_normal"):
        bijection_class("quantile_norm")
    with pytest.raises(UnknownKindError, match=r"Known: .*maf"):
        create({"kind": "zzz"})
    with pytest.raises(UnknownKindError, match="'kind'"):
        create({"epsilon": 1})
    with pytest.raises(UnknownKindError, match="3"):
        create({"kind": 3})
    with pytest.raises(UnknownKindError):
        generator_class("logit")


def test_unknown_hyperparameters_name_the_place_and_the_nearest() -> None:
    with pytest.raises(HyperparameterError, match=r"logit has no hyperparameter 'epsilom'. Nearest: epsilon"):
        create({"kind": "logit", "epsilom": 1e-3})
    register(Toy)
    with pytest.raises(HyperparameterError, match=r"toy.training has no hyperparameter 'step'. Nearest: steps"):
        create({"kind": "toy", "size": 1, "training": {"step": 3}})
    with pytest.raises(HyperparameterError, match="toy needs the hyperparameter 'size'"):
        create({"kind": "toy"})


def test_mapping_for_a_nested_dataclass_keeps_the_defaults_of_the_kind() -> None:
    register(Toy)
    assert create({"kind": "toy", "size": 1, "training": {"steps": 3}}).training == Settings(steps=3, rate=0.5)
    assert create({"kind": "toy", "size": 1, "training": Settings()}).training == Settings()


def test_registered_class_is_found_and_does_not_displace_another() -> None:
    assert register(Toy) is Toy
    assert generator_class("toy") is Toy
    assert "toy" in generators.kinds()
    register(Toy)

    class Impostor:
        kind: ClassVar[str] = "toy"

        def sample(self) -> None: ...

    with pytest.raises(ValueError, match="taken by"):
        register(Impostor)


def test_register_refuses_what_is_neither_generator_nor_bijection() -> None:
    class Nameless:
        def sample(self) -> None: ...

    class Heir(Toy):
        pass

    class Useless:
        kind: ClassVar[str] = "useless"

    for cls, message in ((Nameless, "kind"), (Heir, "of its own"), (Useless, "neither")):
        with pytest.raises(TypeError, match=message):
            register(cls)


def test_facade_offers_exactly_its_names() -> None:
    assert set(generators.__all__) <= set(dir(generators))
    offered: list[Any] = [getattr(generators, name) for name in generators.__all__]
    assert all(callable(entry) for entry in offered)
    with pytest.raises(AttributeError, match="'nothing'"):
        generators.nothing  # noqa: B018
