"""What every generator that knows its density must satisfy, beyond what all generators of feature vectors must."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import generators
from generators.errors import NotFittedError, ShapeError
from generators.protocols import DensityGenerator
from generators.testing.contract import Check, expect, refused, run_all
from generators.testing.features import SHAPES, FeatureContract
from generators.testing.gaussian import Floats, gaussian_events, gaussian_log_prob
from generators.testing.shortened import Make


class DensityContract(FeatureContract):
    """A density of feature vectors, compared with the known one of `gaussian_events`."""

    def check_is_a_density_generator(self) -> None:
        """It has the methods of the protocol."""
        expect(isinstance(self.fitted, DensityGenerator), "A density needs a method log_prob(x, context).")

    def check_density_integrates_to_one(self) -> None:
        """At two values of the context."""
        for at in (2.2, 3.0):
            first = np.linspace(2 * at - 4, 2 * at + 4, 71)
            second = np.linspace(-2 * at - 6, -2 * at + 6, 71)
            density = np.exp(self._on_grid(first, second, at))
            integral = np.trapezoid(np.trapezoid(density, second, axis=1), first)
            expect(abs(integral - 1) <= 0.02, f"The density at context {at} must integrate to 1; it is {integral:.4f}.")

    def check_log_prob_is_that_of_the_truth(self) -> None:
        """The mean log-likelihood of other events is that of the true density, up to 0.08."""
        x, c = gaussian_events(2_000, 11)
        lost = float((gaussian_log_prob(x, c) - self.fitted.log_prob(x, c)).mean())
        expect(lost > -0.01, f"No density is better than the truth, but log_prob is by {-lost:.3f}: is it normalised?")
        expect(lost < 0.08, f"log_prob is {lost:.3f} below the truth in the mean; 0.08 is allowed.")

    def check_samples_and_density_are_of_one_distribution(self) -> None:
        """Mean log p over own samples equals minus the entropy found by integrating p log p: no truth is needed."""
        c = np.full((3_000, 1), 3.0)
        own = self.fitted.log_prob(self.fitted.sample(c, seed=6).astype(float), c)
        first, second = np.linspace(3, 9, 61), np.linspace(-11, -1, 61)
        log_p = self._on_grid(first, second, 3.0)
        entropy = -(np.exp(log_p) * log_p).sum() * (first[1] - first[0]) * (second[1] - second[0])
        allowed = 4 * own.std() / np.sqrt(len(own)) + 0.02
        expect(
            abs(own.mean() + entropy) <= allowed,
            f"Mean log_prob of own samples is {own.mean():.3f}, but ∫ p log p is {-entropy:.3f} (± {allowed:.3f}).",
        )

    def check_events_far_outside_have_finite_density(self) -> None:
        """Far from the training log_prob is small and finite."""
        far = np.array([[-1e3, 0.0], [1e4, -1e4], [0.0, 30.0]])
        log_p = self.fitted.log_prob(far, np.full((3, 1), 3.0))
        expect(np.isfinite(log_p).all(), f"log_prob far outside of the training must be finite; it is {log_p}.")
        expect((log_p < -20).all(), f"log_prob far outside of the training must be small; it is {log_p}.")

    def check_density_of_no_rows_is_fine(self) -> None:
        """No events, no densities."""
        found = self.fitted.log_prob(np.empty((0, 2)), np.empty((0, 1))).shape
        expect(found == (0,), f"log_prob of no rows must have the shape (0,); it has {found}.")

    def check_density_after_loading_is_the_same_bit_for_bit(self) -> None:
        """As of samples."""
        x, c = gaussian_events(200, 12)
        with TemporaryDirectory() as folder:
            again = generators.load(generators.save(self.fitted, Path(folder) / "model"))
        same = np.array_equal(again.log_prob(x, c[:, 0]), self.fitted.log_prob(x, c))
        expect(same, "A loaded density must be the saved one, at (N,) and (N, 1); is everything learned in state()?")

    def check_density_of_wrong_input_is_refused(self) -> None:
        """Wrong shapes, and a density that was not fitted."""
        x, c = gaussian_events(300, 13)
        with refused(ShapeError, "log_prob of one feature of two"):
            self.fitted.log_prob(x[:, :1], c)
        with refused(ShapeError, "log_prob with fewer rows of context than events"):
            self.fitted.log_prob(x, c[:-1])
        with refused(NotFittedError, "log_prob before fit"):
            self.make().log_prob(np.ones((1, 2)), np.ones((1, 1)))

    def check_density_counts_every_feature_once(self) -> None:
        """A column that is ignored, or counted twice, would show in the mean of almost normal densities."""
        for features, context in self.shapes:
            rng = np.random.default_rng(15)
            x, c = rng.standard_normal((200, features)), rng.standard_normal((200, context))
            log_p = self.quick(steps=3).fit(x, c, seed=1).log_prob(x, c)
            where = f"With {features} features and {context} columns of context"
            expect(np.isfinite(log_p).all(), f"{where} log_prob is not finite everywhere.")
            due = -1.42 * features
            expect(
                abs(log_p.mean() - due) <= -0.5 * due,
                f"{where} the mean log_prob of normal features must be near {due:.2f}; it is {log_p.mean():.2f}.",
            )

    def _on_grid(self, first: Floats, second: Floats, at: float) -> Floats:
        """Log-density at context `at` on a grid, (len(first), len(second))."""
        rows = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
        log_p = self.fitted.log_prob(rows, np.full((len(rows), 1), at))
        return np.asarray(log_p, np.float64).reshape(len(first), len(second))


def density_checks(make: Make, *, shapes: Sequence[tuple[int, int]] = SHAPES) -> list[Check]:
    """What a density that `make` gives, unfitted, must satisfy; those of `generator_checks` are among them."""
    return DensityContract(make, shapes=shapes).checks()


def check_density(make: Make, *, shapes: Sequence[tuple[int, int]] = SHAPES) -> None:
    """Run all of `density_checks`.

    Raises
    ------
    AssertionError
        Names every check that failed.
    """
    run_all(density_checks(make, shapes=shapes))
