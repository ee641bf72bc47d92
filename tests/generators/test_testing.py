"""Every check of a contract can fail: for each there is a part with one fault that it finds."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from generators import registry
from generators.bijections.standardise import Standardise
from generators.registry import create
from generators.testing.bijection import BijectionContract, check_bijection
from generators.testing.contract import Check, expect, refused, run_all
from generators.testing.density import DensityContract, check_density, density_checks
from generators.testing.layer import LayerContract, check_layer

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin" / "cathode_example"


@pytest.fixture(autouse=True)
def _tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.GENERATORS, "_known", dict(registry.GENERATORS._known))
    monkeypatch.setattr(registry.BIJECTIONS, "_known", dict(registry.BIJECTIONS._known))


@pytest.fixture
def gaussian() -> Iterator[Any]:
    """The class of the example: a density that is learned in milliseconds and keeps its contract."""
    # The file alone: importing its package would register classifiers and methods as well.
    place = importlib.util.spec_from_file_location("linear_gaussian_of_the_example", EXAMPLE / "linear_gaussian.py")
    assert place is not None
    assert place.loader is not None
    module = sys.modules[place.name] = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    yield module.LinearGaussian
    del sys.modules[place.name]


def altered(cls: Any, **methods: Any) -> Any:
    """A kind with other methods under the same name, so that it can be saved and loaded."""
    other = type(cls.__name__, (cls,), methods)
    for table in (registry.GENERATORS, registry.BIJECTIONS):
        if cls.kind in table:
            table._known[cls.kind] = other
    return other


def after(name: str, change: Callable[..., Any]) -> Callable[[Any], dict[str, Any]]:
    """The method `name` with `change(self, result, *arguments)` of what it gives."""

    def methods(cls: Any) -> dict[str, Any]:
        original = getattr(cls, name)
        return {name: lambda self, *a, **k: change(self, original(self, *a, **k), *a, **k)}

    return methods


def before(name: str, change: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]) -> Callable[[Any], dict[str, Any]]:
    """The method `name` called with what `change(*arguments)` makes of its arguments."""

    def methods(cls: Any) -> dict[str, Any]:
        original = getattr(cls, name)

        def call(self: Any, *a: Any, **k: Any) -> Any:
            a, k = change(*a, **k)
            return original(self, *a, **k)

        return {name: call}

    return methods


def swallowing(*names: str) -> Callable[[Any], dict[str, Any]]:
    """Methods that give zeros where they should refuse."""

    def methods(cls: Any) -> dict[str, Any]:
        def one(name: str) -> Any:
            original = getattr(cls, name)

            def call(self: Any, *a: Any, **k: Any) -> Any:
                try:
                    return original(self, *a, **k)
                except Exception:
                    return np.zeros(1)

            return call

        return {name: one(name) for name in names}

    return methods


def noisy(self: Any, drawn: Any, *a: Any, **k: Any) -> Any:
    return drawn + 1e-9 * torch.rand(1).item()


def forgotten(self: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "log_width_": torch.zeros_like(state["log_width_"])}


def remade(self: Any, fitted: Any, *a: Any, **k: Any) -> Any:
    self.data_hash_ = "0" * 64
    return fitted


def jittered(self: Any, fitted: Any, *a: Any, **k: Any) -> Any:
    self.mean_ = self.mean_ + 1e-9 * np.random.default_rng().random()
    return fitted


def touched(self: Any, fitted: Any, *a: Any, checkpoint: Any = None, **k: Any) -> Any:
    self.mean_ = self.mean_ + (0 if checkpoint is None else 1e-9)
    return fitted


#: Check -> what the density of the example does wrong.
DENSITY_FAULTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "is_a_generator_of_events": lambda cls: {"event_shape": property(lambda self: (3,))},
    "seed_decides_and_nothing_else": after("sample", noisy),
    "no_rows_are_fine": after("sample", lambda self, drawn, c, **k: drawn if len(c) else np.zeros((0, 1))),
    "saved_and_loaded_is_the_same_bit_for_bit": after("state", forgotten),
    "unfitted_says_so": swallowing("sample"),
    "rows_without_weight_do_not_exist": before(
        "fit", lambda x, c, weights=None, **k: ((x, c), {**k, "weights": None if weights is None else weights + 1e-3})
    ),
    "card_records_the_data": after("fit", remade),
    "same_seed_same_model_other_seed_another": after("fit", jittered),
    "interrupted_and_resumed_is_uninterrupted": after("fit", touched),
    "samples_follow_the_context": after("sample", lambda self, drawn, *a, **k: 1.3 * drawn),
    "one_row_of_context_one_event": after("sample", lambda self, drawn, *a, **k: drawn[::-1]),
    "wrong_input_is_named_and_changes_nothing": before("fit", lambda x, *a, **k: ((np.nan_to_num(x), *a), k)),
    "weights_count_events": before("fit", lambda x, c, weights=None, **k: ((x, c), k)),
    "any_number_of_features_and_contexts": after("sample", lambda self, drawn, *a, **k: drawn[:, :2]),
    "is_a_density_generator": lambda cls: {"log_prob": None},
    "density_integrates_to_one": after("log_prob", lambda self, p, *a: p + 0.03),
    "log_prob_is_that_of_the_truth": before("fit", lambda x, c, **k: ((x[:, ::-1], c), k)),
    "samples_and_density_are_of_one_distribution": after(
        "sample", lambda self, drawn, *a, **k: drawn.mean(axis=0) + 0.8 * (drawn - drawn.mean(axis=0))
    ),
    "events_far_outside_have_finite_density": after("log_prob", lambda self, p, *a: np.where(p < -50, -np.inf, p)),
    "density_of_no_rows_is_fine": after("log_prob", lambda self, p, *a: p if len(p) else np.zeros(1)),
    "density_after_loading_is_the_same_bit_for_bit": after("state", forgotten),
    "density_of_wrong_input_is_refused": swallowing("log_prob"),
    "density_counts_every_feature_once": after("log_prob", lambda self, p, *a: 2 * p),
}


def test_there_is_a_fault_for_every_check_of_a_density() -> None:
    assert list(DENSITY_FAULTS) == list(DensityContract.names())


@pytest.mark.parametrize("name", DENSITY_FAULTS)
def test_fault_of_a_density_is_found(name: str, gaussian: Any) -> None:
    faulty = altered(gaussian, **DENSITY_FAULTS[name](gaussian))
    with pytest.raises(AssertionError):
        getattr(DensityContract(faulty), f"check_{name}")()


def test_density_without_a_fault_passes_and_one_with_a_fault_is_told_all_of_it(gaussian: Any) -> None:
    check_density(gaussian)
    faulty = altered(gaussian, **DENSITY_FAULTS["density_integrates_to_one"](gaussian))
    with pytest.raises(AssertionError, match=r"of 23 checks failed\.\n.*density_integrates_to_one: .* it is 1\.03"):
        check_density(faulty)


def test_training_that_ignores_its_seed_or_its_checkpoint_is_found() -> None:
    """What only a generator with a training promises."""
    training = {"steps": 12, "batch_size": 256}
    specification = {"kind": "gaussian_mixture", "components": 1, "hidden": 4, "layers": 1, "training": training}
    cls = registry.generator_class("gaussian_mixture")
    for name, change in (
        ("same_seed_same_model_other_seed_another", lambda *a, seed, **k: (a, {**k, "seed": 1})),
        ("interrupted_and_resumed_is_uninterrupted", lambda *a, checkpoint=None, **k: (a, k)),
    ):
        getattr(DensityContract(lambda: create(specification)), f"check_{name}")()
        altered(cls, **before("fit", change)(cls))
        with pytest.raises(AssertionError):
            getattr(DensityContract(lambda: create(specification)), f"check_{name}")()
        registry.GENERATORS._known["gaussian_mixture"] = cls


# --- bijections ---------------------------------------------------------------------------------------------------


def scaled(self: Any, out: tuple[Tensor, Tensor], *a: Any) -> tuple[Tensor, Tensor]:
    return out[0] * 1.01, out[1]


def shifted_log_det(self: Any, out: tuple[Tensor, Tensor], *a: Any) -> tuple[Tensor, Tensor]:
    return out[0], out[1] + 0.01


def unsteady(self: Any, out: tuple[Tensor, Tensor], *a: Any) -> tuple[Tensor, Tensor]:
    return out[0] - out[0].nan_to_num().mean() * 0 + out[0].mean() * 1e-3, out[1]


def rounded(self: Any, state: dict[str, Tensor], *a: Any, **k: Any) -> dict[str, Tensor]:
    return {name: value.half().to(value) for name, value in state.items()}


def first_half(x: Tensor, w: Tensor | None = None, *a: Any, **k: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    half = len(x) // 2
    return (x[:half], None if w is None else w[:half]), k


def lenient(name: str) -> Callable[[Any], dict[str, Any]]:
    """A method that gives its input back, or itself, where it should refuse."""

    def methods(cls: Any) -> dict[str, Any]:
        original = getattr(cls, name)

        def call(self: Any, x: Tensor, *a: Any, **k: Any) -> Any:
            try:
                return original(self, x, *a, **k)
            except Exception:
                return self if name == "fit" else (x, x.new_zeros(len(x)))

        return {name: call}

    return methods


BIJECTION_FAULTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "inverse_undoes_forward_where_the_map_was_never_trained": after("forward", scaled),
    "single_precision_throughout_is_enough": after("forward", lambda self, out, *a: (out[0].double(), out[1])),
    "log_determinant_is_that_of_autograd": after("forward", shifted_log_det),
    "forward_and_inverse_log_determinants_cancel": after("inverse", lambda self, x, *a: x * 1.01),
    "normal_density_pulled_back_integrates_to_one": after("forward", shifted_log_det),
    "saved_and_loaded_is_the_same_map": after("state_dict", rounded),
    "order_of_rows_does_not_matter": before("fit", first_half),
    "weights_count_rows": before("fit", lambda x, w=None, *a, **k: ((x, None), k)),
    "negative_weights_leave_a_monotone_finite_map": after("forward", lambda self, out, *a: (-out[0], out[1])),
    "non_finite_input_is_refused_by_name_and_changes_nothing": lenient("fit"),
    "one_bad_row_harms_no_other": after("forward", unsteady),
    "single_valued_feature_is_named": lenient("fit"),
    "unusable_calls_are_named": lenient("forward"),
    "no_rows_are_fine": after("forward", lambda self, out, *a: (out[0], out[1][:, None])),
}  # fmt: skip


def test_there_is_a_fault_for_every_check_of_a_bijection() -> None:
    assert list(BIJECTION_FAULTS) == list(BijectionContract.names())


@pytest.mark.parametrize("name", BIJECTION_FAULTS)
def test_fault_of_a_bijection_is_found(name: str) -> None:
    faulty = altered(Standardise, **BIJECTION_FAULTS[name](Standardise))
    with pytest.raises(AssertionError):
        getattr(BijectionContract(faulty), f"check_{name}")()


def test_bijection_without_a_fault_passes() -> None:
    check_bijection(Standardise)


# --- layers -------------------------------------------------------------------------------------------------------


class Affine(nn.Module):
    """z = exp(a) x + b with a in ±3, both from the context: a layer that keeps the contract."""

    def __init__(self, features: int, context: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(2, features))
        self.slope = nn.Parameter(torch.zeros(context, 2, features))

    def numbers(self, context: Tensor | None) -> tuple[Tensor, Tensor]:
        both = self.start if context is None else self.start + torch.einsum("nc,cif->nif", context, self.slope)
        return 3 * torch.tanh(both[..., 0, :] / 3), both[..., 1, :]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.numbers(context)
        return x * log_scale.exp() + shift, log_scale.expand_as(x).sum(dim=1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.numbers(context)
        return (z - shift) * (-log_scale).exp(), -log_scale.expand_as(z).sum(dim=1)


class Wrong(Affine):
    fault: ClassVar[str]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = super().forward(x, context)
        if self.fault == "log_det":
            return z, log_det + 0.01
        if self.fault == "overflow":
            return z * x**2, log_det
        if self.fault == "mean":
            return z + x.mean(), log_det
        if self.fault == "context":
            return super().forward(x, None)
        if self.fault == "branch" and float(z.sum()) > 0:
            return z.clone(), log_det
        return z, log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.fault == "detached":
            x, log_det = super().inverse(z, context)
            return x.detach() + 0 * z, log_det
        if self.fault == "inverse":
            return super().inverse(1.001 * z, context)
        return super().inverse(z, context)


LAYER_FAULTS = {
    "inverse_undoes_forward": "inverse",
    "log_determinant_is_that_of_autograd": "log_det",
    "gradient_of_the_inverse_is_that_of_finite_differences": "detached",
    "is_finite_with_finite_gradients_anywhere": "overflow",
    "bad_row_spoils_only_itself_and_no_input_is_changed": "mean",
    "every_context_matters": "context",
    "members_of_an_ensemble_run_at_once": "state",
    "is_one_graph_for_any_number_of_rows": "branch",
}


class Remembering(Affine):
    """Its first call decides what all others do."""

    def numbers(self, context: Tensor | None) -> tuple[Tensor, Tensor]:
        log_scale, shift = super().numbers(context)
        return log_scale, shift + (
            shift.detach().mean() * 0 + 1e-3 * len(type(self).calls.append(1) or type(self).calls)
        )

    calls: ClassVar[list[int]] = []


def test_there_is_a_fault_for_every_check_of_a_layer() -> None:
    assert list(LAYER_FAULTS) == list(LayerContract.names())


@pytest.mark.parametrize("name", LAYER_FAULTS)
def test_fault_of_a_layer_is_found(name: str) -> None:
    faulty = Remembering if LAYER_FAULTS[name] == "state" else type("Faulty", (Wrong,), {"fault": LAYER_FAULTS[name]})
    with pytest.raises(AssertionError):
        getattr(LayerContract(faulty), f"check_{name}")()


def test_layer_without_a_fault_passes() -> None:
    check_layer(Affine, accuracy=lambda layer, x, c: 1e3 * (1 + x.abs() + layer(x, c)[0].abs()).amax(dim=1))


# --- words --------------------------------------------------------------------------------------------------------


def test_all_failures_are_named_and_success_says_nothing() -> None:
    def fails() -> None:
        expect(math.nan > 0, "not a number")

    def crashes() -> None:
        raise ZeroDivisionError("by nothing")

    run_all([Check("fine", lambda: None)])
    checks = [Check("one", fails), Check("fine", lambda: None), Check("two", crashes)]
    with pytest.raises(AssertionError, match=r"2 of 3 .*\none: AssertionError: not a number\ntwo: ZeroDivisionError"):
        run_all(checks)


def test_an_error_of_another_kind_or_with_other_words_is_no_refusal() -> None:
    with pytest.raises(AssertionError, match="was accepted"), refused(ValueError, "This"):
        pass
    with pytest.raises(AssertionError, match="it raised KeyError"), refused(ValueError, "This"):
        raise KeyError("x")
    with pytest.raises(AssertionError, match="must match 'y'"), refused(ValueError, "This", "y"):
        raise ValueError("x")


def test_checks_are_named_as_pytest_shows_them() -> None:
    names = [str(check) for check in density_checks(lambda: None)]
    assert names[0] == "is_a_generator_of_events"
    assert len(set(names)) == len(names) == 23
