"""Every check of a contract can fail: for each there is a part with one fault that it finds."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from cathode.errors import MassModelError
from cathode.methods.cathode import Cathode
from cathode.observables import Observables
from cathode.registry import CLASSIFIERS, MASS_MODELS, METHODS, OBSERVABLES
from cathode.testing.classifier import ClassifierContract, check_classifier
from cathode.testing.mass_model import MassModelContract, check_mass_model
from cathode.testing.method import MethodContract, check_method
from cathode.testing.observables import ObservablesContract, check_observables
from cathode.testing.toy import Discriminant, TrueGenerator, toy_events

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin" / "cathode_example"

Methods = dict[str, Any]


@pytest.fixture(autouse=True)
def _tables(monkeypatch: pytest.MonkeyPatch) -> None:
    for table in (CLASSIFIERS, MASS_MODELS, METHODS, OBSERVABLES):
        monkeypatch.setattr(table, "_known", dict(table._known))


@pytest.fixture
def example() -> Iterator[Callable[[str], Any]]:
    """The module of a part of the example, alone."""
    loaded = []

    def load(name: str) -> Any:
        place = importlib.util.spec_from_file_location(f"{name}_of_the_example", EXAMPLE / f"{name}.py")
        assert place is not None
        assert place.loader is not None
        module = sys.modules[place.name] = importlib.util.module_from_spec(place)
        loaded.append(place.name)
        place.loader.exec_module(module)
        return module

    yield load
    for name in loaded:
        del sys.modules[name]


def altered(cls: Any, methods: Methods) -> Any:
    """A kind with other methods under the same name, so that it can be saved and loaded."""
    other = type(cls.__name__, (cls,), methods)
    for table in (CLASSIFIERS, MASS_MODELS, METHODS, OBSERVABLES):
        if cls.kind in table:
            table._known[cls.kind] = other
    return other


def after(name: str, change: Callable[..., Any]) -> Callable[[Any], Methods]:
    """The method `name` with `change(self, result, *arguments)` of what it gives."""

    def methods(cls: Any) -> Methods:
        original = getattr(cls, name)
        return {name: lambda self, *a, **k: change(self, original(self, *a, **k), *a, **k)}

    return methods


def before(name: str, change: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]) -> Callable[[Any], Methods]:
    """The method `name` called with what `change(*arguments)` makes of its arguments."""

    def methods(cls: Any) -> Methods:
        original = getattr(cls, name)

        def call(self: Any, *a: Any, **k: Any) -> Any:
            a, k = change(*a, **k)
            return original(self, *a, **k)

        return {name: call}

    return methods


def lenient(name: str) -> Callable[[Any], Methods]:
    """A method that gives itself or zeros where it should refuse."""

    def methods(cls: Any) -> Methods:
        original = getattr(cls, name)

        def call(self: Any, *a: Any, **k: Any) -> Any:
            try:
                return original(self, *a, **k)
            except Exception:
                return self if name == "fit" else np.zeros(1)

        return {name: call}

    return methods


# --- classifiers --------------------------------------------------------------------------------------------------


def touching(self: Any, fitted: Any, x: Any, *a: Any, **k: Any) -> Any:
    torch.rand(1)
    return fitted


def jittered(self: Any, fitted: Any, *a: Any, **k: Any) -> Any:
    self.coefficients_ = self.coefficients_ * (1 + 1e-9 * np.random.default_rng().random())
    return fitted


def absolute(x: Any, y: Any, weights: Any = None, **k: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (x, y), {**k, "weights": None if weights is None else np.abs(weights)}


def knowing_the_order(self: Any, scores: Any, x: Any) -> Any:
    return np.random.default_rng(1).random(len(x)) + (np.arange(len(x)) < len(x) / 2)


def with_a_little_more(x: Any, y: Any, weights: Any = None, **k: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (x, y), {**k, "weights": None if weights is None else weights + 1e-3}


def loaded_otherwise(cls: Any) -> Methods:
    def load(folder: Any) -> Any:
        loaded = cls.load(folder)
        return jittered(loaded, loaded)

    return {"load": staticmethod(load)}


def counting_down(cls: Any) -> Methods:
    def fit(self: Any, x: Any, y: Any, *, monitor: Any = None, **k: Any) -> Any:
        if monitor is not None:
            monitor(2, 2)
            monitor(1, 2)
        return cls.fit(self, x, y, **k)

    return {"fit": fit}


def unchecked(cls: Any) -> Methods:
    def load(folder: Any) -> Any:
        try:
            return cls.load(folder)
        except Exception:
            return cls()

    return {"load": staticmethod(load)}


def remembering(cls: Any) -> Methods:
    """What is learned by a copy is seen in the original."""
    return {"__deepcopy__": lambda self, memo: self}


CLASSIFIER_FAULTS: dict[str, Callable[[Any], Methods]] = {
    "is_a_classifier_that_can_be_copied_and_named": remembering,
    "equal_distributions_give_an_auc_of_one_half": after("score", knowing_the_order),
    "shifted_gaussians_reach_the_optimum_of_neyman_and_pearson": after("score", lambda self, s, x: -s),
    "rows_without_weight_are_as_good_as_absent": before("fit", with_a_little_more),
    "weights_act_as_repeated_rows_do": before("fit", lambda x, y, weights=None, **k: ((x, y), k)),
    "negative_weights_subtract": before("fit", absolute),
    "same_seed_same_scores": after("fit", jittered),
    "fitting_leaves_no_trace_outside": after("fit", touching),
    "the_monitor_hears_rising_steps_to_the_last": counting_down,
    "bad_rows_are_refused_by_name_before_anything_changes": lenient("fit"),
    "scoring_refuses_what_it_was_not_trained_for": lenient("score"),
    "saved_and_loaded_scores_are_the_same_bit_for_bit": loaded_otherwise,
    "every_altered_file_is_found": unchecked,
}


def test_there_is_a_fault_for_every_check_of_a_classifier() -> None:
    assert list(CLASSIFIER_FAULTS) == list(ClassifierContract.names())


@pytest.mark.parametrize("name", CLASSIFIER_FAULTS)
def test_fault_of_a_classifier_is_found(name: str, example: Callable[[str], Any]) -> None:
    cls = example("quadratic_logistic").QuadraticLogistic
    faulty = altered(cls, CLASSIFIER_FAULTS[name](cls))
    with pytest.raises(AssertionError):
        getattr(ClassifierContract(faulty), f"check_{name}")()


# --- mass models --------------------------------------------------------------------------------------------------


def peeking(cls: Any) -> Methods:
    """Masses in the window are left out, not refused."""

    def fit(self: Any, mass: Any, region: Any, *, weights: Any = None) -> Any:
        kept = ~region.signal(np.asarray(mass))
        return cls.fit(self, np.asarray(mass)[kept], region, weights=None if weights is None else weights[kept])

    return {"fit": fit}


def beyond(cls: Any) -> Methods:
    """What lies outside of the sidebands is counted."""

    def fit(self: Any, mass: Any, region: Any, *, weights: Any = None) -> Any:
        cls.fit(self, mass, region, weights=weights)
        outside = np.count_nonzero(~region.sideband(mass)) / len(mass)
        self.coefficients_ = self.coefficients_ + np.array([np.log1p(outside), 0, 0, 0])
        return self

    return {"fit": fit}


def flat(self: Any, mass: Any, *a: Any, **k: Any) -> Any:
    return 3300 + 400 * np.random.default_rng(1).random(len(mass))


def accepting(cls: Any) -> Methods:
    def fit(self: Any, mass: Any, region: Any, *, weights: Any = None) -> Any:
        try:
            return cls.fit(self, mass, region, weights=weights)
        except MassModelError:
            return self

    return {"fit": fit}


MASS_MODEL_FAULTS: dict[str, Callable[[Any], Methods]] = {
    "is_a_mass_model": lambda cls: {"band": None},
    "prediction_in_the_window_is_unbiased_with_the_right_error": after(
        "expected", lambda self, e, *a: e._replace(events=1.05 * e.events)
    ),
    "drawn_masses_follow_the_background": after("sample", flat),
    "draws_stay_in_the_window_and_repeat_with_the_seed": after("sample", lambda self, m, *a, **k: m + 5.0),
    "a_mass_in_the_window_is_refused": peeking,
    "density_and_count_agree_and_the_band_encloses": after("density", lambda self, d, m: 1.01 * d),
    "events_beyond_the_sidebands_do_not_count": beyond,
    "weights_count_negative_ones_too": before("fit", lambda mass, region, weights=None: ((mass, region), {})),
    "survives_json_with_its_settings": after(
        "to_dict", lambda self, d: {**d, "coefficients": [round(c, 6) for c in d["coefficients"]]}
    ),
    "what_can_not_be_modelled_is_named": accepting,
}


def test_there_is_a_fault_for_every_check_of_a_mass_model() -> None:
    assert list(MASS_MODEL_FAULTS) == list(MassModelContract.names())


@pytest.mark.parametrize("name", MASS_MODEL_FAULTS)
def test_fault_of_a_mass_model_is_found(name: str, example: Callable[[str], Any]) -> None:
    cls = example("log_polynomial").LogPolynomial
    faulty = altered(cls, MASS_MODEL_FAULTS[name](cls))
    if name == "density_and_count_agree_and_the_band_encloses":  # expected() has the density of before
        faulty.expected = lambda self, within=None: cls.from_dict(self.to_dict()).expected(within)
    with pytest.raises(AssertionError):
        getattr(MassModelContract(faulty), f"check_{name}")()


# --- methods ------------------------------------------------------------------------------------------------------


def blind_to_folds(cls: Any) -> Methods:
    """One classifier, that saw everything, scores everything."""

    def fit(self: Any, task: Any, learned: Any, stages: Any) -> Any:
        fitted = cls.fit(self, task, learned, stages)
        seen = task.target.observables
        x = np.concatenate([seen.x, fitted.reference.x])
        labels = np.repeat([1, 0], [len(seen), len(fitted.reference.x)])
        all_of_it = Discriminant().fit(x, labels, seed=1)
        return dataclasses.replace(fitted, classifiers=(all_of_it,) * task.folds)

    return {"fit": fit}


def peeking_at_the_window(cls: Any) -> Methods:
    """What is learned of the background beside the window follows what is in it."""
    seen: list[float] = []

    def prepared(self: Any, unlabelled: Any, stages: Any) -> Any:
        return self

    def fit(self: Any, task: Any, learned: Any, stages: Any) -> Any:
        if task.members is None:
            seen[:] = [float(task.target.events.x.sum())]
        fitted = cls.fit(self, task, learned, stages)
        if task.members is None:
            return fitted
        scores = fitted.reference.scores + 1e-3 * seen[0]
        return dataclasses.replace(fitted, reference=dataclasses.replace(fitted.reference, scores=scores))

    return {"prepared": prepared, "fit": fit}


def random_template(cls: Any) -> Methods:
    def fit(self: Any, task: Any, learned: Any, stages: Any) -> Any:
        chance = int(np.random.default_rng().integers(1 << 30))
        return cls.fit(self, dataclasses.replace(task, masses=lambda n, seed: task.masses(n, chance)), learned, stages)

    return {"fit": fit}


def nowhere(cls: Any) -> Methods:
    """Nothing that is trained is kept."""

    def fit(self: Any, task: Any, learned: Any, stages: Any) -> Any:
        return cls.fit(self, task, learned, dataclasses.replace(stages, folder=type(stages.folder)(None)))

    return {"fit": fit}


def inverted(cls: Any) -> Methods:
    return {"load": classmethod(lambda kind, folder, *, folds: Inverted(cls.load(folder, folds=folds)))}


@dataclasses.dataclass(frozen=True)
class Inverted:
    inner: Any

    def score(self, events: Any) -> FloatArray:
        return np.asarray(-self.inner.score(events))


def noise(cls: Any) -> Methods:
    """Scores that are nothing but the fold of an event."""

    def fit(self: Any, task: Any, learned: Any, stages: Any) -> Any:
        fitted = cls.fit(self, task, learned, stages)
        chance = np.random.default_rng(1).random(len(fitted.reference.scores))
        return Noise(dataclasses.replace(fitted.reference, scores=chance))

    return {"fit": fit}


@dataclasses.dataclass(frozen=True)
class Noise:
    reference: Any

    def score(self, events: Any) -> FloatArray:
        return np.asarray(fold_of(events.events.ids, 97) / 97)


def always_an_excess(cls: Any) -> Methods:
    """The template looks less like a signal than it should, in the window and not in its validation regions."""

    def fit(self: Any, task: Any, learned: Any, stages: Any) -> Any:
        fitted = cls.fit(self, task, learned, stages)
        if task.members is not None:
            return fitted
        scores = fitted.reference.scores - 2.0
        return dataclasses.replace(fitted, reference=dataclasses.replace(fitted.reference, scores=scores))

    return {"fit": fit}


METHOD_FAULTS: dict[str, Callable[[Any], Methods]] = {
    "is_a_method": lambda cls: {"template_events": None},
    "an_injected_signal_is_found": noise,
    "no_signal_no_excess": always_an_excess,
    "same_seed_same_result": random_template,
    "interrupted_and_resumed_is_uninterrupted": nowhere,
    "stored_scores_are_those_of_the_run": inverted,
    "no_event_is_scored_by_a_model_that_saw_its_fold": blind_to_folds,
    "nothing_in_the_window_changes_what_is_learned_beside_it": peeking_at_the_window,
    "the_result_names_the_method_and_its_parts": lambda cls: {"kind": "another"},
}


def test_there_is_a_fault_for_every_check_of_a_method() -> None:
    assert list(METHOD_FAULTS) == list(MethodContract.names())


@pytest.mark.parametrize("name", METHOD_FAULTS)
def test_fault_of_a_method_is_found(name: str) -> None:
    faulty = altered(Cathode, METHOD_FAULTS[name](Cathode))
    contract = MethodContract(lambda: faulty(generator=TrueGenerator(), classifier=Discriminant()))
    if name == "the_result_names_the_method_and_its_parts":
        contract.make = lambda: Cathode(generator=TrueGenerator(), classifier=Discriminant())
        assert contract.run
        contract.make = lambda: faulty(generator=TrueGenerator(), classifier=Discriminant())
    with pytest.raises(AssertionError):
        getattr(contract, f"check_{name}")()


# --- observables --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Sums(Observables):
    """Sum and difference of the first two columns."""

    kind: ClassVar[str] = "sums_of_a_test"

    factor: float = 1.0

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return ("sum", "difference")

    def compute(self, x: FloatArray) -> FloatArray:
        return np.stack([x[:, 0] + self.factor * x[:, 1], x[:, 0] - self.factor * x[:, 1]], axis=1)


def in_place(self: Any, out: Any, x: Any) -> Any:
    x[:, 0] += 1
    return out


OBSERVABLES_FAULTS: dict[str, Callable[[Any], Methods]] = {
    "specification_makes_the_same_again": lambda cls: {"kind": "unknown_of_a_test"},
    "every_observable_has_a_name_and_is_finite": after("names", lambda self, names, *a: ("sum", "sum")),
    "data_and_template_go_through_the_same_function": after(
        "of_template", lambda self, made, *a: dataclasses.replace(made, x=1.001 * made.x)
    ),
    "nothing_of_an_event_depends_on_another": after("compute", lambda self, out, x: out - out.mean(axis=0)),
    "events_are_not_changed": after("compute", in_place),
}


@pytest.fixture
def toys() -> Events:
    return toy_events(200, seed=5)


def test_there_is_a_fault_for_every_check_of_observables() -> None:
    assert list(OBSERVABLES_FAULTS) == list(ObservablesContract.names())


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
@pytest.mark.parametrize("name", OBSERVABLES_FAULTS)
def test_fault_of_observables_is_found(name: str, toys: Events) -> None:
    OBSERVABLES.register(Sums)
    faulty = dataclasses.dataclass(frozen=True)(altered(Sums, OBSERVABLES_FAULTS[name](Sums)))
    with pytest.raises(AssertionError):
        getattr(ObservablesContract(faulty, toys), f"check_{name}")()


# --- parts without a fault ----------------------------------------------------------------------------------------


def test_parts_without_a_fault_pass(example: Callable[[str], Any], toys: Events) -> None:
    OBSERVABLES.register(Sums)
    check_observables(Sums, toys)
    check_mass_model(example("log_polynomial").LogPolynomial)
    check_classifier(example("quadratic_logistic").QuadraticLogistic)
    check_method(lambda: Cathode(generator=TrueGenerator(), classifier=Discriminant()))
