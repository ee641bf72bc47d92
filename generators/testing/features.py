"""What every generator of feature vectors must satisfy; nothing here asks for a density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from generators.errors import ConstantFeatureError, NonFiniteInputError, ShapeError, TooFewRowsError
from generators.testing.contract import Check, expect, refused, run_all
from generators.testing.events import EventContract, Events
from generators.testing.gaussian import gaussian_events, width_of_sum
from generators.testing.shortened import Make

#: Numbers of features and of context columns that are tried.
SHAPES = ((1, 1), (1, 0), (3, 0), (3, 2), (5, 4))
FITTED_ON = 6_000


class FeatureContract(EventContract):
    """A generator of feature vectors, tried on `gaussian_events` and on `shapes`: (features, columns of context)."""

    def __init__(self, make: Make, *, shapes: Sequence[tuple[int, int]] = SHAPES, fitted: Any = None) -> None:
        super().__init__(make, events=gaussian_events, fitted_on=FITTED_ON, fitted=fitted)
        self.shapes = shapes

    def check_samples_follow_the_context(self) -> None:
        """Means and widths are those of the truth at three values of the context."""
        for at in (2.2, 3.0, 3.8):
            c = np.full((4_000, 1), at)
            drawn = self.fitted.sample(c, seed=5)
            total, width = drawn.sum(axis=1), float(width_of_sum(c)[0])
            for what, found, due, allowed in (
                ("mean of the first feature", drawn[:, 0].mean(), 2 * at, 0.1),
                ("width of the first feature", drawn[:, 0].std(), 0.5, 0.1),
                ("mean of the sum of the features", total.mean(), 0.0, 0.1),
                ("width of the sum of the features", total.std(), width, 0.15 * width),
            ):
                expect(abs(found - due) <= allowed, f"At context {at} the {what} must be {due:.3g}; it is {found:.3g}.")

    def check_one_row_of_context_one_event(self) -> None:
        """Event i is drawn at row i of the context."""
        c = np.linspace(2, 4, 3_001)[:, None]
        for order in (np.arange(3_001), np.random.default_rng(0).permutation(3_001)):
            drawn = self.fitted.sample(c[order], seed=7)
            expect(drawn.shape == (3_001, 2), f"3001 rows of context must give (3001, 2); they gave {drawn.shape}.")
            found = np.corrcoef(drawn[:, 0], c[order, 0])[0, 1]
            expect(found > 0.85, f"Events must come in the order of their context; the correlation is {found:.2f}.")

    def check_wrong_input_is_named_and_changes_nothing(self) -> None:
        """NaN, infinity, wrong shapes, constant features and too few events are refused by name before anything."""
        x, c = gaussian_events(300, 13)
        before = {key: value.clone() for key, value in self.fitted.state().items()}
        for name, index in (("x, column 1", 0), ("context, column 0", 1), ("weights", 2)):
            for bad in (math.nan, math.inf):
                arrays = [x.copy(), c.copy(), np.ones(300)]
                arrays[index].reshape(300, -1)[[17, 18], -1] = bad
                with refused(NonFiniteInputError, f"{bad} in two rows of {name}", rf"{name}.*: 2 of 300"):
                    self.fitted.fit(arrays[0], arrays[1], weights=arrays[2], seed=1)
        for a, b, w in ((x, c[:-1], None), (x[:, 0], c, None), (x, c, np.ones(299))):
            shapes = [None if each is None else each.shape for each in (a, b, w)]
            with refused(ShapeError, f"x, context and weights of shapes {shapes}"):
                self.fitted.fit(a, b, weights=w, seed=1)
        with refused(ConstantFeatureError, "A feature with one value", "column 1"):
            self.fitted.fit(np.stack([x[:, 0], np.ones(300)], axis=1), c, seed=1)
        with refused(TooFewRowsError, "A fit to 5 events"):
            self.fitted.fit(x[:5], c[:5], seed=1)
        with refused(NonFiniteInputError, "sample() at a context that is NaN", "context"):
            self.fitted.sample(np.array([[math.nan]]), seed=1)
        with refused(ShapeError, "sample() at two columns of context instead of one", "context"):
            self.fitted.sample(np.ones((3, 2)), seed=1)
        after = self.fitted.state()
        expect(all(torch.equal(before[key], after[key]) for key in before), "A refused fit changed the fitted model.")

    def check_weights_count_events(self) -> None:
        """Two populations of equal number, one with three times the weight, are drawn three to one."""
        rng = np.random.default_rng(20)
        heavy = rng.random(5_000) < 0.5
        x = rng.standard_normal((5_000, 2))
        x[:, 0] += np.where(heavy, 3, -3)
        c = rng.uniform(2, 4, (5_000, 1))
        fitted = self.quick(steps=150, batch_size=256, learning_rate=5e-3)
        fitted.fit(x, c, weights=np.where(heavy, 3.0, 1.0), seed=2)
        share = (fitted.sample(rng.uniform(2, 4, (4_000, 1)), seed=1)[:, 0] > 0).mean()
        expect(abs(share - 0.75) <= 0.06, f"Of weights 3 : 1 three quarters must be drawn; it is {share:.3f}.")

    def check_any_number_of_features_and_contexts(self) -> None:
        """One feature or several, no context or several columns."""
        for features, context in self.shapes:
            rng = np.random.default_rng(15)
            x, c = rng.standard_normal((200, features)), rng.standard_normal((200, context))
            drawn = self.quick(steps=3).fit(x, c, seed=1).sample(c, seed=1)
            where = f"With {features} features and {context} columns of context"
            expect(drawn.shape == x.shape, f"{where} the shape must be {x.shape}; it is {drawn.shape}.")
            expect(np.isfinite(drawn).all(), f"{where} not everything that is drawn is finite.")


def generator_checks(
    make: Make,
    *,
    events: Events | None = None,
    fitted_on: int = FITTED_ON,
    shapes: Sequence[tuple[int, int]] = SHAPES,
) -> list[Check]:
    """What a generator that `make` gives, unfitted, must satisfy.

    Generators of feature vectors are tried on `gaussian_events`, and on `shapes`: numbers of (features, columns of
    context). One of other events says which: (n, seed) -> events (n, *shape) and context (n, C); then what is asked is
    what holds for all events, of a generator that was fitted on `fitted_on` of them.
    """
    if events is None:
        return FeatureContract(make, shapes=shapes).checks()
    return EventContract(make, events=events, fitted_on=fitted_on).checks()


def check_generator(make: Make, **settings: Any) -> None:
    """Run all of `generator_checks`.

    Raises
    ------
    AssertionError
        Names every check that failed.
    """
    run_all(generator_checks(make, **settings))
