"""What every generator must satisfy, whatever its events are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

import generators
from generators.artifact import read_card
from generators.errors import CheckpointError, NotFittedError
from generators.protocols import ConditionalGenerator, Progress
from generators.testing.contract import Contract, expect, refused
from generators.testing.gaussian import Floats
from generators.testing.shortened import Make, is_trained, shortened

#: (n, seed) -> events (n, *shape) and context (n, C).
Events = Callable[[int, int], tuple[Floats, Floats]]
State = dict[str, Tensor]


class EventContract(Contract):
    """`make` gives an unfitted generator; `events` are what it can learn, and `fitted_on` is how many it needs.

    `fitted` is one that was fitted on ``events(fitted_on, 10)`` already; without, that is done when it is wanted.
    """

    def __init__(self, make: Make, *, events: Events, fitted_on: int, fitted: Any = None) -> None:
        self.make, self.events, self.fitted_on = make, events, fitted_on
        if fitted is not None:
            self.fitted = fitted

    @cached_property
    def fitted(self) -> Any:
        """A fitted generator, which all checks share."""
        return self.make().fit(*self.events(self.fitted_on, 10), seed=1)

    def quick(self, **training: Any) -> Any:
        """An unfitted one that trains for a moment."""
        return shortened(self.make(), **training)

    def check_is_a_generator_of_events(self) -> None:
        """It has the methods of the protocol, and says the shape of its events."""
        shape = self.events(1, 1)[0].shape[1:]
        expect(isinstance(self.fitted, ConditionalGenerator), "fit and sample are what makes a generator.")
        found = tuple(self.fitted.event_shape)
        expect(found == shape, f"event_shape must be {shape}, that of the training; it is {found}.")

    def check_seed_decides_and_nothing_else(self) -> None:
        """Samples repeat with their seed, whatever the global random state is, and leave that alone."""
        c = self.events(50, 21)[1]
        with torch.random.fork_rng():
            torch.manual_seed(1)
            one, before = self.fitted.sample(c, seed=3), torch.get_rng_state()
            torch.manual_seed(2)
            again = self.fitted.sample(_flat(c), seed=3)
            torch.manual_seed(1)
            untouched = torch.equal(before, torch.get_rng_state())
        expect(
            np.array_equal(one, again),
            "The same seed must draw the same events, whatever torch.manual_seed was, and at a context (N,) those of "
            "(N, 1).",
        )
        expect(not np.array_equal(one, self.fitted.sample(c, seed=4)), "Another seed must draw other events.")
        expect(untouched, "Drawing must not use the global random numbers of torch; take a torch.Generator.")

    def check_no_rows_are_fine(self) -> None:
        """No context, no events."""
        x, c = self.events(1, 1)
        found = self.fitted.sample(c[:0], seed=1).shape
        expect(found == (0, *x.shape[1:]), f"Of no rows of context no events must come, (0, …); it is {found}.")

    def check_saved_and_loaded_is_the_same_bit_for_bit(self) -> None:
        """What `generators.save` wrote, `generators.load` gives back."""
        _, c = self.events(200, 12)
        with TemporaryDirectory() as folder:
            again = generators.load(generators.save(self.fitted, Path(folder) / "model"))
        same = np.array_equal(again.sample(c, seed=1), self.fitted.sample(c, seed=1))
        expect(same, "A loaded generator must draw what the saved one drew; is everything learned in state()?")
        expect(again.hyperparameters() == self.fitted.hyperparameters(), "Hyperparameters must survive save and load.")
        for name in ("seed_", "validation_losses_"):
            one, other = (getattr(each, name, None) for each in (self.fitted, again))
            expect(one == other, f"{name} is {one} before save and {other} after load.")

    def check_unfitted_says_so(self) -> None:
        """What needs a fit raises NotFittedError before it."""
        unfitted, c = self.make(), self.events(1, 1)[1]
        with refused(NotFittedError, "sample() before fit()"):
            unfitted.sample(c, seed=1)
        with refused(NotFittedError, "state() before fit()"):
            unfitted.state()

    def check_rows_without_weight_do_not_exist(self) -> None:
        """Events of weight zero change nothing, wherever they are and whatever they contain."""
        x, c = self.events(600, 17)
        w = np.random.default_rng(18).uniform(0.5, 2, 600)
        rows = np.random.default_rng(19).permutation(640)
        wild = (np.full((40, *x.shape[1:]), 1e7), np.full((40, c.shape[1]), -99.0), np.zeros(40))
        more = [np.concatenate(pair)[rows] for pair in zip((x, c, w), wild, strict=True)]
        kept = rows[rows < 600]
        one = self.quick().fit(x[kept], c[kept], weights=w[kept], seed=1).state()
        two = self.quick().fit(more[0], more[1], weights=more[2], seed=1).state()
        expect(_same(one, two), f"Events without weight changed what was learned: {_differing(one, two)}.")

    def check_card_records_the_data(self) -> None:
        """`data_hash_` is the fingerprint of what was learned from, and the card has it."""
        due = generators.fingerprint(*self.events(self.fitted_on, 10), None)
        with TemporaryDirectory() as folder:
            card = read_card(generators.save(self.fitted, Path(folder) / "model"))
        expect(
            card.data_hash == due,
            "fit() must set data_hash_ = generators.fingerprint(x, context, weights), with weights as they were given.",
        )

    def check_same_seed_same_model_other_seed_another(self) -> None:
        """A fit repeats with its seed, also from a context (N,) of one column; where there is a training, start and
        batches follow the seed.
        """
        x, c = self.events(600, 14)
        one, two, other = (self.quick().fit(x, at, seed=seed).state() for at, seed in ((c, 1), (_flat(c), 1), (c, 2)))
        said = "The same seed must give the same model, and a context (N,) that of (N, 1)"
        expect(_same(one, two), f"{said}: {_differing(one, two)}.")
        if is_trained(self.make()):
            networks = [key for key in one if "network." in key]
            expect(
                any(not torch.equal(one[key], other[key]) for key in networks),
                f"Another seed must give other parameters of the networks; the same are all of {networks}.",
            )

    def check_interrupted_and_resumed_is_uninterrupted(self) -> None:
        """A training that is stopped and continued from its checkpoint ends where it would have; another is refused."""
        x, c = self.events(600, 16)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "training.safetensors"
            if is_trained(self.make()):
                self._interrupted(x, c, path)
            else:  # there is nothing to interrupt
                plain, placed = (self.make().fit(x, c, seed=1, checkpoint=p).state() for p in (None, path))
                expect(_same(plain, placed), "A checkpoint must change nothing.")

    def _interrupted(self, x: Floats, c: Floats, path: Path) -> None:
        training = {"epochs": 4, "steps": None, "batch_size": 128}
        every, rest = list[int](), list[int]()
        whole = self.quick(**training).fit(x, c, seed=1, monitor=lambda progress: every.append(progress.epoch))
        expect(len(every) >= 4, f"The monitor must hear of every epoch; of 4 it heard of {len(every)}.")

        def stop(progress: Progress) -> None:
            if progress.epoch == 2:
                raise InterruptedError

        resumed = self.quick(**training)
        with refused(InterruptedError, "A monitor that raises"):
            resumed.fit(x, c, seed=1, monitor=stop, checkpoint=path)
        resumed.fit(x, c, seed=1, monitor=lambda progress: rest.append(progress.epoch), checkpoint=path)
        expect(rest == every[2:], f"After epoch 2 of {every} only the rest must be trained; it was {rest}.")
        one, two = whole.state(), resumed.state()
        expect(_same(one, two), f"A resumed training ended elsewhere: {_differing(one, two)}.")
        with refused(CheckpointError, "A checkpoint of another seed"):
            self.quick(**training).fit(x, c, seed=2, checkpoint=path)


def _flat(context: Floats) -> Floats:
    """Context (N, C) as it is; a single column as (N,), which generators take too."""
    return context[:, 0] if context.shape[1] == 1 else context


def _same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def _differing(one: State, other: State) -> str:
    keys = [key for key in one.keys() | other.keys() if key not in one or key not in other]
    return ", ".join(sorted(keys or [key for key in one if not torch.equal(one[key], other[key])])[:5])
