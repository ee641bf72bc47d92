"""A generator and its sideband reweighting as one: draws are kept as often as the density ratio says."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from analysis.weights import standardised
from cathode.classifiers.cross_fitting import pretrained
from cathode.classifiers.protocol import Pretrainable
from cathode.errors import TemplateError
from cathode.observables import Observables
from cathode.runtime.progress import counted, part
from cathode.runtime.run_folder import PRETRAINING, REWEIGHTING, step
from cathode.runtime.seeds import spawned
from cathode.runtime.store import Store
from cathode.template.drawing import Sampler, Template, draw_at
from cathode.template.reweighting import Reweighting

if TYPE_CHECKING:
    from cathode.runtime.stages import Stages

#: Template events per event of the sidebands from which weights are learned.
_COPIES = 2
#: Part of the work that is done when a classifier has been pretrained.
_PRETRAINING_SHARE = 0.2
#: Tries that an event gets, over those that it needs on average where the generator is right.
_PATIENCE = 10
#: Fractions of events that no try may leave without a warning, and without an error.
_WARNED, _REFUSED = 0.01, 0.1


@dataclass(kw_only=True, eq=False)
class Reweighted:
    """Draws from p(x | m) ∝ q(x | m) w(x, m), where q is a generator and w the density ratio of a fitted reweighting.

    Rejection at a fixed mass: an event of the generator is kept with probability w/`clip`, else another one is drawn at
    the same mass. Each draw is weighed by the classifier of one fold, which is drawn too: it is kept as often as if it
    were weighed by the mean of all folds, for the price of one. So events have no weights, and the mass spectrum stays
    the one that was asked for. An event costs about `clip` draws of the generator. One that is not kept in ten times as
    many stays what was drawn last; `drawn`, `proposed` and `unaccepted` count events, draws, and events of that kind,
    over all calls.

    The generator may be one that is reweighted already. Then w is the product of all ratios, cut at the largest `clip`
    of them: draws are those of the first generator, and one that the ratios so far have ruled out is not shown to
    the next classifier.
    """

    generator: Sampler
    reweighting: Reweighting
    observables: Observables
    drawn: int = field(default=0, init=False)
    proposed: int = field(default=0, init=False)
    unaccepted: int = field(default=0, init=False)

    @property
    def tries(self) -> int:
        """Draws that one event gets at most."""
        return math.ceil(_PATIENCE * self.bound)

    @property
    def bound(self) -> float:
        """The largest density ratio that counts."""
        return max(each.reweighting.clip for each in steps(self))

    def sample(self, context: FloatArray, *, seed: int) -> FloatArray:
        """One event per mass: (T, 1) GeV -> (T, *event).

        Raises
        ------
        TemplateError
            If a tenth of the events is never kept.
        """
        seeds = (np.random.SeedSequence(seed).generate_state(2 * self.tries) >> 1).reshape(-1, 2).tolist()
        left = np.arange(len(context))
        generator = steps(self)[0].generator
        x: FloatArray | None = None
        for proposing, keeping in seeds:
            proposal = np.asarray(generator.sample(context[left], seed=proposing), np.float32)
            if x is None:
                x = proposal.copy()
            x[left] = proposal
            self.proposed += len(left)
            left = left[~self._keep(proposal, context[left, 0], np.random.default_rng(keeping))]
            if not len(left):
                break
        self.drawn += len(context)
        self.unaccepted += len(left)
        self._refuse(len(left) / max(len(context), 1))
        assert x is not None
        return x

    def warnings(self) -> tuple[str, ...]:
        """What the reweighting and the drawing so far have to say, in plain words."""
        found = self.reweighting.diagnostics_.warnings
        if self.unaccepted > _WARNED * self.drawn:
            found += (
                f"{self.unaccepted:,} of {self.drawn:,} events were drawn {self.tries} times and never kept, because "
                "the template is far too dense where they lie; they stay as drawn last. Train the generator longer, or "
                "use another one.",
            )
        return found

    def _keep(self, x: FloatArray, mass: FloatArray, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Which draws (T,) are kept; events with NaN or infinity are, and left to `draw_at`, which counts them."""
        needed = self.bound * rng.random(len(x))
        kept, ratio = np.ones(len(x), dtype=bool), np.ones(len(x))
        asked = np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
        still = math.prod(each.reweighting.clip for each in steps(self))
        for each in steps(self):
            if not asked.any():
                break
            observables = each.observables.of_template(Template(x[asked], mass[asked]))
            ratio[asked] *= each.reweighting.ratios(observables, rng)
            still /= each.reweighting.clip
            kept[asked] = ratio[asked] * still > needed[asked]
            asked &= kept
        return kept

    def _refuse(self, left: float) -> None:
        if left > _REFUSED:
            raise TemplateError(
                f"The acceptance of the reweighting is too low: {left:.0%} of the events are not kept in {self.tries} "
                "tries, because the template hardly goes where the data lie. Train the generator longer, use another "
                "one, or search without reweighting."
            )


def steps(sampler: Any) -> tuple[Reweighted, ...]:
    """All reweightings in a sampler, in the order in which they are applied."""
    return (*steps(sampler.generator), sampler) if isinstance(sampler, Reweighted) else ()


def fit_reweighted(
    reweighting: Reweighting,
    generator: Sampler,
    observables: Observables,
    sideband: Events,
    *,
    seeds: tuple[int, int],
    folder: Path | None = None,
    store: Store | None = None,
    progress: Callable[[float], None] | None = None,
) -> Reweighted:
    """Learn a copy of `reweighting` for a trained `generator` from the sideband data that this was trained on.

    `observables` are those of the search, for a reweighting that has none of its own. One seed is for the template that
    is drawn at the masses of the data, one for the fit; the others are those of `Reweighting.fit`.

    A classifier that can learn from unlabelled events (`Pretrainable`) is given a template drawn for nothing else: had
    it seen the data, or the template, that it is to tell apart, it could do so by what it remembers.

    Raises
    ------
    TooFewEventsError
        As `Reweighting.fit`.
    TemplateError
        If a tenth of the events would never be kept, as far as the sidebands tell.
    """
    observables, masses = reweighting.observables or observables, _masses(sideband)
    fresh = copy.deepcopy(reweighting)
    if isinstance(fresh.classifier, Pretrainable):
        drawing, learning = (seed >> 1 for seed in spawned(seeds[0], 2))
        fresh.classifier = pretrained(
            fresh.classifier,
            fresh.asked(observables.of_template(draw_at(generator, masses, seed=drawing))),
            seed=learning,
            folder=None if folder is None else folder / PRETRAINING,
            store=store,
            monitor=counted(part(progress, 0.0, _PRETRAINING_SHARE)),
        )
        progress = part(progress, _PRETRAINING_SHARE, 1 - _PRETRAINING_SHARE)
    drawn = observables.of_template(draw_at(generator, masses, seed=seeds[0]))
    fitted = fresh.fit(
        observables.of_events(sideband), drawn, seed=seeds[1], folder=folder, store=store, progress=progress
    )
    found = Reweighted(generator=generator, reweighting=fitted, observables=observables)
    # A convex function: no fewer are left than with the same chance everywhere.
    chance = math.prod(each.reweighting.diagnostics_.weights.mean for each in steps(found)) / found.bound
    found._refuse((1 - min(chance, 1)) ** found.tries)
    return found


def reweighted(
    reweightings: Sequence[Reweighting], generator: Sampler, observables: Observables, sideband: Events, stages: Stages
) -> Sampler:
    """The generator corrected by all `reweightings`, one after another, with seeds and places of a task."""
    sampler = generator
    for number, reweighting in enumerate(reweightings):
        drawing, fitting = stages.many(step(REWEIGHTING, number, " "), 2)
        sampler = fit_reweighted(
            reweighting,
            sampler,
            observables,
            sideband,
            seeds=(drawing, fitting),
            folder=stages.at(step(REWEIGHTING, number)),
            store=stages.store,
            progress=stages.fraction(step(REWEIGHTING, number, " ")),
        )
    return sampler


def _masses(events: Events) -> FloatArray:
    """Masses of a template that is distributed as the weighted events: each is repeated in proportion to its weight.

    Negative weights can not be repeated, and count as nothing; `Reweighting.fit` warns where that makes a difference.
    """
    share = standardised(events.weights).clip(min=0)
    # In the order of the masses, so that what is rounded away here is made up for at the next mass.
    order = np.argsort(events.mass, kind="stable")
    total = np.round(np.cumsum(share[order]) * (_COPIES * len(events) / share.sum()))
    copies = np.empty(len(events), dtype=np.int64)
    copies[order] = np.diff(total, prepend=0)
    masses: FloatArray = np.repeat(events.mass, copies)
    return masses
