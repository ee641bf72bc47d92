"""What every weak classifier must satisfy: what it must learn, what it must not see, what it must refuse."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import NonFiniteError, TooFewEventsError
from cathode.classifiers import WeakClassifier, create, load_classifier
from cathode.errors import CathodeError, ClassifierFolderError, ClassifierInputError
from cathode.registry import CLASSIFIERS
from generators.errors import NotFittedError
from generators.testing.contract import Check, Contract, expect, refused, run_all

Floats = NDArray[np.floating[Any]]
#: Feature vectors (N, 2) -> the events that a classifier takes, without loss.
AsEvents = Callable[[Floats], Floats]


def gaussians(n_data: int, n_template: int, shift: float, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Data around (shift, 0) and template around 0, of unit variance: x (N, 2) and y (N,)."""
    x = np.random.default_rng(seed).normal(size=(n_data + n_template, 2))
    x[:n_data, 0] += shift
    return x, np.repeat([1, 0], [n_data, n_template])


def auc(scores: Floats, y: NDArray[Any]) -> float:
    """Area under the curve of scores (N,) for labels y (N,)."""
    from scipy.stats import rankdata

    n = int(y.sum())
    return float((rankdata(scores)[y == 1].sum() - n * (n + 1) / 2) / (n * (len(y) - n)))


class ClassifierContract(Contract):
    """`make` gives an unfitted classifier, `as_events` turns feature vectors (N, 2) into what it takes."""

    def __init__(self, make: Callable[[], WeakClassifier], *, as_events: AsEvents = np.asarray) -> None:
        self.make, self.as_events = make, as_events

    def check_is_a_classifier_that_can_be_copied_and_named(self) -> None:
        """Kind and hyperparameters make the same again, and a copy leaves no trace in the original."""
        made = self.make()
        expect(isinstance(made, WeakClassifier), "A classifier has kind, fit, score, hyperparameters, save and load.")
        known = CLASSIFIERS.resolve(made.kind) if made.kind in CLASSIFIERS else None
        expect(known is type(made), f"kind {made.kind!r} must lead to this class; is it registered?")
        settings = json.loads(json.dumps(made.hyperparameters()))
        again = create({"kind": made.kind, **settings}).hyperparameters()
        expect(again == made.hyperparameters(), f"Hyperparameters {settings} make a classifier with {again}.")
        self._fitted(copy.deepcopy(made))
        learned = [name for name in vars(made) if name.endswith("_") and not name.startswith("_")]
        expect(not learned, f"Fitting a copy left {learned} in the original.")

    def check_equal_distributions_give_an_auc_of_one_half(self) -> None:
        """Up to three standard deviations."""
        x, y = gaussians(3000, 9000, 0.0, seed=1)
        held_out, truth = gaussians(10_000, 10_000, 0.0, seed=2)
        found = auc(self._scores(x, y, held_out, seed=3), truth)
        allowed = 3 * math.sqrt(20_001 / (12 * 10_000**2))
        expect(
            abs(found - 0.5) < allowed,
            f"Of equal distributions an AUC of 0.5 ± {allowed:.3f} is due; it is {found:.3f}.",
        )

    def check_shifted_gaussians_reach_the_optimum_of_neyman_and_pearson(self) -> None:
        """The AUC is the best there is, up to 0.01, and larger is more like data."""
        x, y = gaussians(8000, 16_000, 1.0, seed=4)
        held_out, truth = gaussians(20_000, 20_000, 1.0, seed=5)
        found, best = auc(self._scores(x, y, held_out, seed=6), truth), 0.5 * (1 + math.erf(0.5))
        expect(found > best - 0.01, f"The AUC of two shifted Gaussians must be {best:.3f}; it is {found:.3f}.")

    def check_rows_without_weight_are_as_good_as_absent(self) -> None:
        """Whatever is in them."""
        x, y = gaussians(1500, 1500, 0.7, seed=13)
        weights = (np.arange(len(y)) % 3 != 0).astype(float)
        x[weights == 0] += 100.0
        kept = weights > 0
        with_them = self._scores(x, y, x[kept], seed=14, weights=weights)
        without = self._scores(x[kept], y[kept], x[kept], seed=14)
        expect(np.array_equal(with_them, without), "Rows of weight zero changed the scores.")

    def check_weights_act_as_repeated_rows_do(self) -> None:
        """The weights make the second feature informative, which it is not by itself."""
        x, y = gaussians(4000, 4000, 0.5, seed=15)
        copies = np.where((y == 1) & (x[:, 1] > 0), 3, 1)
        probe, _ = gaussians(2000, 2000, 0.5, seed=16)
        weighted = self._scores(x, y, probe, seed=17, weights=copies.astype(float))
        repeated = self._scores(np.repeat(x, copies, 0), np.repeat(y, copies), probe, seed=17)
        ignored = self._scores(x, y, probe, seed=17)
        change = np.abs(weighted - ignored).mean() / ignored.std()
        left = np.abs(weighted - repeated).mean() / ignored.std()
        expect(change > 0.2, f"Weights changed the scores by {change:.2f} of their spread only: are they used?")
        expect(left < 0.4 * change, f"Weighted and repeated rows differ by {left:.2f} of the spread of the scores.")

    def check_negative_weights_subtract(self) -> None:
        """Template = Gaussian + something − the same again: then there is nothing to be found where it was."""
        rng = np.random.default_rng(21)
        bump = np.array([2.0, 0.0])
        parts = [rng.normal(size=(5000, 2)), rng.normal(size=(5000, 2))]
        parts += [bump + 0.5 * rng.normal(size=(2000, 2)) for _ in range(2)]
        x, y = np.concatenate(parts), np.repeat([1, 0], [5000, 9000])
        weights = np.repeat([1.0, 1.0, 1.0, -1.0], [5000, 5000, 2000, 2000])
        probe = rng.normal(size=(3000, 2))
        near = np.linalg.norm(probe - bump, axis=1) < 1
        signed, absolute = (self._scores(x, y, probe, seed=22, weights=w) for w in (weights, np.abs(weights)))
        left, due = (abs(s[near].mean() - s[~near].mean()) for s in (signed, absolute))
        expect(left < 0.35 * due, f"Of what was subtracted again {left / due:.0%} is left in the scores.")

    def check_same_seed_same_scores(self) -> None:
        """A fit repeats with its seed, whatever was fitted before."""
        x, y = gaussians(600, 600, 0.5, seed=32)
        one, other = (self._scores(x, y, x, seed=33) for _ in range(2))
        expect(np.array_equal(one, other), "The same seed must give the same scores bit for bit.")

    def check_fitting_leaves_no_trace_outside(self) -> None:
        """No global random state, no number of threads and no input is changed."""
        import torch

        x, y = gaussians(300, 300, 0.5, seed=38)
        weights = np.where(np.arange(600) % 5 == 0, -0.5, 1.0)
        arrays = [np.array(self.as_events(x)), y, weights]
        before = [array.copy() for array in arrays]
        state, threads, numbers = torch.get_rng_state(), torch.get_num_threads(), _global_numbers()
        self.make().fit(arrays[0], y, weights=weights, seed=39).score(arrays[0])
        same = all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))
        expect(same, "fit() or score() changed its input.")
        expect(torch.equal(state, torch.get_rng_state()), "fit() used the global random numbers of torch.")
        expect(numbers == _global_numbers(), "fit() used the global random numbers of numpy.")
        expect(threads == torch.get_num_threads(), "fit() changed the number of threads of torch.")

    def check_the_monitor_hears_rising_steps_to_the_last(self) -> None:
        """(done, total) rises and ends at the total, if it is told at all."""
        x, y = gaussians(200, 200, 0.5, seed=40)
        heard: list[tuple[int, int]] = []
        self.make().fit(self.as_events(x), y, seed=41, monitor=lambda done, total: heard.append((done, total)))
        done = [each for each, _ in heard]
        expect(done == sorted(done), f"Steps must not fall; they were {done}.")
        expect(all(total == heard[-1][0] for _, total in heard), f"The last step must be the total: {heard[-3:]}.")

    def check_bad_rows_are_refused_by_name_before_anything_changes(self) -> None:
        """NaN, one kind alone, too few, wrong labels, wrong shapes."""
        x, y = gaussians(100, 100, 0.5, seed=45)
        good = self.as_events(x)
        fitted = self.make().fit(good, y, seed=46)
        before = fitted.score(good)
        spoilt = x.copy()
        spoilt[7, 1] = np.nan
        one = np.where(np.arange(200) == 3, np.nan, 1.0)
        cases: list[tuple[str, type[Exception], Any, Any, Any]] = [
            ("A NaN in x", NonFiniteError, self.as_events(spoilt), y, None),
            ("A weight that is NaN", NonFiniteError, good, y, one),
            ("Data alone", TooFewEventsError, good, np.ones(200), None),
            ("Five rows of data", TooFewEventsError, good, np.arange(200) < 5, None),
            ("Weights of data that sum to -100", ClassifierInputError, good, y, np.where(y == 1, -1.0, 1.0)),
            ("Labels 1 and 2", ClassifierInputError, good, y + 1, None),
            ("A label less than rows", ClassifierInputError, good, y[:-1], None),
            ("Weights of shape (200, 1)", ClassifierInputError, good, y, np.ones((200, 1))),
        ]
        for what, error, rows, labels, weights in cases:
            with refused(error, what):
                fitted.fit(rows, labels, weights=weights, seed=47)
            expect(np.array_equal(fitted.score(good), before), f"{what}: a refused fit changed the classifier.")

    def check_scoring_refuses_what_it_was_not_trained_for(self) -> None:
        """Before a fit, NaN, a single row without its axis; no rows are fine."""
        x, y = gaussians(100, 100, 0.5, seed=50)
        rows = self.as_events(x)
        with refused(NotFittedError, "score() before fit()"):
            self.make().score(rows)
        with refused(NotFittedError, "save() before fit()"), TemporaryDirectory() as folder:
            self.make().save(Path(folder) / "classifier")
        fitted = self.make().fit(rows, y, seed=51)
        found = fitted.score(rows[:0]).shape
        expect(found == (0,), f"Scores of no rows must have the shape (0,); they have {found}.")
        with refused(NonFiniteError, "score() of NaN"):
            fitted.score(np.full_like(rows, np.nan))
        with refused(ClassifierInputError, "score() of a row without its axis"):
            fitted.score(rows[0])

    def check_saved_and_loaded_scores_are_the_same_bit_for_bit(self) -> None:
        """By `load_classifier` and by `load` of the class; saving again replaces."""
        probe = self.as_events(gaussians(500, 500, 0.5, seed=56)[0])
        with TemporaryDirectory() as place:
            fitted = self._fitted(self.make())
            folder = fitted.save(Path(place) / "fold_0")
            for loaded in (load_classifier(folder), type(fitted).load(folder)):
                expect(
                    np.array_equal(loaded.score(probe), fitted.score(probe)), "A loaded classifier scores otherwise."
                )
                same = loaded.hyperparameters() == fitted.hyperparameters()
                expect(same, "Hyperparameters must survive save and load.")
            other = self._fitted(self.make(), shift=-0.5)
            other.save(folder)
            same = np.array_equal(load_classifier(folder).score(probe), other.score(probe))
            expect(same, "Saving to the same folder again must replace what was there.")

    def check_every_altered_file_is_found(self) -> None:
        """One bit in any file of the folder, its end, or a file that is missing."""
        with TemporaryDirectory() as place:
            folder = self._fitted(self.make()).save(Path(place) / "fold_0")
            for path in sorted(entry for entry in folder.rglob("*") if entry.is_file()):
                content = path.read_bytes()
                for at in np.random.default_rng(59).integers(len(content), size=8):
                    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
                    with refused(ClassifierFolderError, f"A bit that changed in {path.name}, byte {at}"):
                        load_classifier(folder)
                path.write_bytes(content[:-1])
                with refused(ClassifierFolderError, f"{path.name} without its end"):
                    load_classifier(folder)
                path.unlink()
                with refused(CathodeError, f"No {path.name}"):
                    load_classifier(folder)
                path.write_bytes(content)
            load_classifier(folder)

    def _fitted(self, classifier: WeakClassifier, shift: float = 0.5) -> WeakClassifier:
        x, y = gaussians(200, 200, shift, seed=54)
        return classifier.fit(self.as_events(x), y, seed=55)

    def _scores(
        self, x: Floats, y: NDArray[Any], probe: Floats, *, seed: int, weights: Floats | None = None
    ) -> NDArray[np.float64]:
        """Scores of `probe` by a fresh classifier."""
        fitted = self.make().fit(self.as_events(x), y, weights=weights, seed=seed)
        return np.asarray(fitted.score(self.as_events(probe)))


def _global_numbers() -> bytes:
    """The global random state of numpy, which nobody should touch."""
    from numpy.random import get_state

    state: Any = get_state()  # noqa: NPY002 (it is read, to see that nobody touches it)
    return bytes(state[1].tobytes()) + str(state[2:]).encode()


def classifier_checks(make: Callable[[], WeakClassifier], *, as_events: AsEvents = np.asarray) -> list[Check]:
    """What a classifier that `make` gives, unfitted, must satisfy.

    One that does not take feature vectors says by `as_events` how two features (N, 2) become its events, without loss.
    """
    return ClassifierContract(make, as_events=as_events).checks()


def check_classifier(make: Callable[[], WeakClassifier], *, as_events: AsEvents = np.asarray) -> None:
    """Run all of `classifier_checks`.

    Raises
    ------
    AssertionError
        Names every check that failed.
    """
    run_all(classifier_checks(make, as_events=as_events))
