"""A generator with its reweighting: what is kept of what is drawn, and how the ratio is learned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chisquare, norm

from analysis.events import Events
from cathode import observables
from cathode.classifiers import BoostedTrees, register
from cathode.classifiers.cross_fitting import CrossFit
from cathode.classifiers.storage import load_folder, save_folder
from cathode.errors import RunFolderError, TemplateError
from cathode.observables import AsRead
from cathode.template.drawing import Template, draw_at
from cathode.template.rejection import Reweighted, fit_reweighted
from cathode.template.reweighting import Reweighting

from ..toys import REGION, TrueGenerator, background_features, toy_events

Array = NDArray[np.float64]

#: How far the generators of these tests are off.
SHIFT = 0.5


class Normal:
    """Draws x (N, 1) from the standard normal distribution, whatever the mass."""

    def sample(self, context: Any, *, seed: int) -> Any:
        return np.random.default_rng(seed).standard_normal((len(context), 1))


@dataclasses.dataclass
class Known:
    """Knows the density ratio exp(δx − δ²/2) of N(δ, 1) and N(0, 1), with δ > 0 above 3.5 TeV and −δ below."""

    kind: ClassVar[str] = "known"
    delta: float = 1.0

    def ratio(self, x: Any, mass: Any) -> Array:
        shift = np.where(mass > 3500, self.delta, -self.delta)
        return np.asarray(np.exp(shift * x - self.delta**2 / 2))

    def score(self, x: Any) -> Array:
        w = self.ratio(x[:, 0], x[:, 1])
        return np.asarray(w / (1 + w))


class Thin(Known):
    """Takes the template for far too dense below 3.5 TeV, and for right above."""

    def ratio(self, x: Any, mass: Any) -> Array:
        return np.where(mass > 3500, 1.0, 1e-6)


def known(clip: float, *classifiers: Any, generator: Any = None) -> Reweighted:
    """With classifiers of so many folds, of the normal distribution or another generator."""
    reweighting = Reweighting(clip=clip)
    reweighting.cross_fit_ = CrossFit(classifiers, np.empty(0), np.empty(0))
    return Reweighted(generator=generator or Normal(), reweighting=reweighting, observables=AsRead())


def follows(sampler: Reweighted, ratio: Callable[[Array, float], Array]) -> None:
    """At each mass by itself the draws follow the generator times this ratio, for the price of the bound."""
    mass = np.tile([3400.0, 3600.0], 10_000)
    drawn = draw_at(sampler, mass, seed=1)
    np.testing.assert_array_equal(drawn.mass, mass)
    edges = np.linspace(-2.5, 2.5, 21)
    fine = np.linspace(-6, 6, 24_001)
    cost = []
    for at in (3400.0, 3600.0):
        density = norm.pdf(fine) * ratio(fine, at)
        cumulative = np.concatenate([[0.0], np.cumsum(density)]) / density.sum()
        share = np.diff(np.interp(edges, fine, cumulative[1:]))
        counts = np.histogram(drawn.x[mass == at, 0], edges)[0]
        assert chisquare(counts, share / share.sum() * counts.sum()).pvalue > 1e-3
        cost.append(sampler.bound / float(density.sum() * (fine[1] - fine[0])))
    assert sampler.proposed / sampler.drawn == pytest.approx(np.mean(cost), rel=0.03)
    assert sampler.drawn == 20_000
    assert sampler.unaccepted <= 2


@pytest.mark.parametrize(("clip", "deltas"), [(2.0, [1.0]), (20.0, [1.0]), (4.0, [1.5, -0.5, 0.5])])
def test_kept_events_follow_the_generator_times_the_cut_ratio(clip: float, deltas: list[float]) -> None:
    """With the mean ratio of all folds; the ratio without cut has a mean of one: an event costs `clip` draws."""
    classifiers = [Known(delta) for delta in deltas]

    def ratio(x: Array, at: float) -> Array:
        return np.asarray(np.mean([each.ratio(x, at).clip(1 / clip, clip) for each in classifiers], axis=0))

    follows(known(clip, *classifiers), ratio)


def test_ratios_of_several_reweightings_multiply_and_are_cut_at_the_largest_clip() -> None:
    """For the price of that clip; what the first has ruled out the second is not asked about."""

    class Counting(Known):
        asked: ClassVar[int] = 0

        def score(self, x: Any) -> Array:
            Counting.asked += len(x)
            return super().score(x)

    first, second = Known(1.2), Counting(0.6)
    sampler = known(2.0, second, generator=known(4.0, first))

    def ratio(x: Array, at: float) -> Array:
        product = first.ratio(x, at).clip(1 / 4, 4) * second.ratio(x, at).clip(1 / 2, 2)
        assert product.max() > 7.9
        return np.asarray(product.clip(max=4))

    follows(sampler, ratio)
    # As 4u < 2 r1 says, where r1 is the first ratio.
    fine = np.linspace(-6, 6, 24_001)
    shown = np.average((2 * first.ratio(fine, 3600).clip(1 / 4, 4) / 4).clip(max=1), weights=norm.pdf(fine))
    assert Counting.asked / sampler.proposed == pytest.approx(shown, abs=0.01)
    assert shown < 0.5
    assert sampler.generator.proposed == 0


def test_a_draw_repeats_and_another_seed_is_another_one() -> None:
    mass = np.linspace(3300, 3700, 500)
    one, again, other = (draw_at(known(5.0, Known()), mass, seed=seed).x for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.any(one == other)


def test_events_that_are_never_kept_are_counted_told_and_too_many_refused() -> None:
    """Kept with 1/clip² in each of 10 clip draws: a share of (1 − 1/100)^100 is left at clip 10."""
    sampler = known(10.0, Thin())
    sampler.reweighting.diagnostics_ = dataclasses.replace(  # type: ignore[type-var]
        fit(TrueGenerator()).reweighting.diagnostics_, warnings=("of the fit",)
    )
    mass = np.where(np.arange(20_000) % 10 == 0, 3400.0, 3600.0)
    assert len(draw_at(sampler, mass, seed=3)) == 20_000
    assert sampler.unaccepted == pytest.approx(2000 * 0.99**100, rel=0.1)
    assert sampler.warnings()[0] == "of the fit"
    assert "of 20,000 events were drawn 100 times and never kept" in sampler.warnings()[1]
    with pytest.raises(TemplateError, match=r"too low: 3.% of the events are not kept in 100 tries"):
        known(10.0, Thin()).sample(np.full((200, 1), 3400.0), seed=4)


def test_broken_events_of_the_generator_are_not_hidden() -> None:
    class Broken(Normal):
        def sample(self, context: Any, *, seed: int) -> Any:
            return np.where(np.arange(len(context))[:, None] % 50 == 0, np.nan, super().sample(context, seed=seed))

    sampler = known(2.0, Known())
    sampler.generator = Broken()
    with pytest.raises(TemplateError, match="NaN"):
        draw_at(sampler, np.full(1000, 3400.0), seed=5)
    assert sampler.sample(np.empty((0, 1)), seed=5).shape[0] == 0


@observables.register
@dataclasses.dataclass(frozen=True)
class First(observables.Observables):
    """The first feature and no other."""

    kind: ClassVar[str] = "first"

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return columns[:1]

    def compute(self, x: Any) -> Any:
        return x[:, :1]


@register
@dataclasses.dataclass(kw_only=True, eq=False)
class Logistic:
    """Logistic regression by three steps of Newton: exact where the density ratio is the exponential of a plane."""

    kind: ClassVar[str] = "toy_logistic"

    ridge: float = 1e-6

    def fit(self, x: Any, y: Any, *, weights: Any = None, seed: int, monitor: Any = None) -> Self:
        balance = np.where(y == 1, weights / weights[y == 1].sum(), weights / weights[y == 0].sum())
        rows, self.plane_ = self._rows(x), np.zeros(x.shape[1] + 1)
        for _ in range(3):
            p = self.score(x)
            curvature = (rows * (balance * p * (1 - p))[:, None]).T @ rows
            self.plane_ += np.linalg.solve(
                curvature + self.ridge * np.eye(len(curvature)), rows.T @ (balance * (y - p))
            )
        self.seed_ = seed
        return self

    def score(self, x: Any) -> Array:
        return np.asarray(1 / (1 + np.exp(-self._rows(x) @ self.plane_)))

    def hyperparameters(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def save(self, folder: Any) -> Path:
        return save_folder(folder, self.kind, self.hyperparameters(), self.seed_, {"plane": self.plane_})

    @classmethod
    def load(cls, folder: Any) -> Self:
        card, arrays = load_folder(folder, cls.kind)
        loaded = cls(**card.hyperparameters)
        loaded.plane_, loaded.seed_ = arrays["plane"], card.seed
        return loaded

    @staticmethod
    def _rows(x: Any) -> Array:
        """Features and mass, which stands last, in TeV from the middle, and a one."""
        x = np.asarray(x, np.float64)
        return np.column_stack([x[:, :-1], (x[:, -1] - 3500) / 1000, np.ones(len(x))])


def trees(members: int = 1, **more: Any) -> BoostedTrees:
    return BoostedTrees(members=members, max_iter=30, jobs=1, **more)


def fit(generator: Any, events: Events | None = None, **more: Any) -> Reweighted:
    events = toy_events(3_000, seed=61) if events is None else events
    sideband = events[REGION.sideband(events.mass)]
    return fit_reweighted(Reweighting(classifier=trees(), folds=2), generator, AsRead(), sideband, seeds=(1, 2), **more)


class TestFit:
    def test_template_lies_at_the_masses_of_the_weighted_data(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[tuple[Events, Template]] = []
        original = Reweighting.fit

        def spy(self: Any, data: Any, template: Any, **more: Any) -> Any:
            seen.append((data, template))
            return original(self, data, template, **more)

        monkeypatch.setattr(Reweighting, "fit", spy)
        events = toy_events(3_000, seed=62)
        fit(TrueGenerator(), events)
        heavy = events.mass > 4000
        fit(TrueGenerator(), dataclasses.replace(events, weights=np.where(heavy, 3.0, 1.0)))
        data, template = seen[0]
        np.testing.assert_array_equal(template.mass, np.repeat(data.mass, 2))
        data, template = seen[1]
        assert len(template) == pytest.approx(2 * len(data), abs=1)
        above = data.weights[data.mass > 4000].sum() / data.weights.sum()
        assert (template.mass > 4000).mean() == pytest.approx(above, abs=2e-3)

    def test_it_may_look_at_less_than_the_search(self) -> None:
        """The first feature alone is wrong, and right again when events are kept by that one alone."""
        sideband = toy_events(10_000, seed=62)
        sideband = sideband[REGION.sideband(sideband.mass)]
        generator = TrueGenerator(shift=SHIFT)
        reweighting = Reweighting(classifier=Logistic(), folds=2, observables=First())
        sampler = fit_reweighted(reweighting, generator, AsRead(), sideband, seeds=(1, 2))
        mass = np.full(20_000, 3500.0)
        before, after = (draw_at(each, mass, seed=3).x for each in (generator, sampler))
        truth = background_features(mass, np.random.default_rng(4))
        assert before[:, 0].mean() - truth[:, 0].mean() > SHIFT - 0.05
        assert abs(after[:, 0].mean() - truth[:, 0].mean()) < 0.05
        assert after.shape == (20_000, 3)

    def test_a_generator_elsewhere_is_refused_before_anything_is_drawn_with_it(self) -> None:
        generator = TrueGenerator(shift=9.0)
        with pytest.raises(TemplateError, match="acceptance of the reweighting is too low"):
            fit(generator)


def test_a_damaged_closure_is_named(tmp_path: Path) -> None:
    fit(TrueGenerator(), folder=tmp_path)
    (tmp_path / "closure_after.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"closure_after\.json: unreadable"):
        fit(TrueGenerator(), folder=tmp_path)
