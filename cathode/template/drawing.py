"""The background template: a generator trained on the sidebands, asked for events in the signal region."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from analysis.folds import fold_of, random_folds
from cathode.errors import TemplateError
from cathode.runtime.keys import product_key
from cathode.runtime.processes import one_thread
from cathode.runtime.run_folder import TEMPLATE
from cathode.runtime.store import Shelf, Store
from cathode.template.mass_models import MassModel

if TYPE_CHECKING:
    from cathode.runtime.stages import Stages
    from generators.protocols import ConditionalGenerator, Monitor

logger = logging.getLogger(__name__)

#: What the seed of the folds of a template is asked for by; the same for all templates of one search.
FOLDS = "folds"


class Sampler(Protocol):
    """All that a template needs of a trained generator."""

    def sample(self, context: FloatArray, *, seed: int) -> FloatArray:
        """One event per mass: (T, 1) GeV -> (T, *event)."""
        ...


@dataclass(frozen=True, eq=False)
class Template:
    """Generated background: features (T, *event), masses (T,) in GeV, weights (T,), which are one unless given.

    `origin` (T,) numbers the events that rows were made of, from 0 on, where some were made of the same; `member` (T,)
    numbers the member of an ensemble that made a row, where there is one.
    """

    x: FloatArray
    mass: FloatArray
    weights: FloatArray = field(default_factory=lambda: np.empty(0))
    origin: NDArray[np.int64] | None = None
    member: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.x):
            object.__setattr__(self, "weights", np.ones(len(self.x)))

    def __len__(self) -> int:
        return len(self.x)


def train_generator(
    generator: ConditionalGenerator,
    sideband: Events,
    *,
    seed: int,
    folder: Path | None = None,
    store: Store | None = None,
    monitor: Monitor | None = None,
) -> ConditionalGenerator:
    """A copy of `generator`, fitted to p(x | m) of the sideband; `generator` itself stays as it was.

    With a `folder` the fitted generator is saved there, training states go beside it, a finished one is loaded instead
    of trained again, and an interrupted training continues. A `store` may have it from another run.
    """
    from generators.artifact import Saveable, load, save

    if sideband.conditions:
        raise TemplateError(
            f"The events have {', '.join(sideband.conditions)} beside their mass, but a template is drawn at masses "
            "alone. Read them without conditions, or as features."
        )
    learned = (sideband.x, sideband.context, sideband.weights)
    shelf = Shelf.of(
        folder,
        store,
        "generator",
        generator,
        lambda: product_key("generator", generator, *learned, seed=seed, also=list(sideband.columns)),
    )
    checkpoint = None if folder is None else folder.with_suffix(".checkpoint")
    with shelf.place() as place:
        if place is not None and place.exists():
            found = load(place)
        else:
            found = _fitted(generator, sideband, seed, monitor, checkpoint, forgiving=store is not None)
            if place is not None and isinstance(found, Saveable):
                save(found, place, columns=sideband.columns)
    if checkpoint is not None:
        # A kill between the two leaves both.
        checkpoint.unlink(missing_ok=True)
    return found  # type: ignore[no-any-return]


def _fitted(
    generator: ConditionalGenerator,
    sideband: Events,
    seed: int,
    monitor: Monitor | None,
    checkpoint: Path | None,
    *,
    forgiving: bool,
) -> Any:
    """A trained copy. `forgiving` of the state of another training: a folder that was taken over may have one."""
    from generators.errors import CheckpointError

    def train() -> Any:
        fresh: Any = copy.deepcopy(generator)
        with one_thread():
            fresh.fit(
                sideband.x,
                sideband.context,
                weights=sideband.weights,
                seed=seed,
                monitor=monitor,
                checkpoint=checkpoint,
            )
        return fresh

    try:
        return train()
    except CheckpointError as error:
        if not forgiving or checkpoint is None:
            raise
        logger.warning("%s The training begins anew.", error)
        checkpoint.unlink(missing_ok=True)
        return train()


def train_stage(generator: ConditionalGenerator, sideband: Events, stages: Stages) -> ConditionalGenerator:
    """As `train_generator`, with seed, place and progress of the template of a task."""
    return train_generator(
        generator,
        sideband,
        seed=stages.seed("generator"),
        folder=stages.at(TEMPLATE),
        store=stages.store,
        monitor=stages.epochs("generator"),
    )


def draw_template(generator: Sampler, mass_model: MassModel, *, events: int, seeds: tuple[int, int]) -> Template:
    """`events` background events in the signal region, masses from the mass model; one seed for masses, one for x."""
    mass = mass_model.sample(events, seed=seeds[0])
    return draw_at(generator, mass, seed=seeds[1])


def draw_at(generator: Sampler, mass: FloatArray, *, seed: int) -> Template:
    """One background event at each of the masses (T,)."""
    context = np.asarray(mass)[:, None]
    with one_thread():
        x = generator.sample(context, seed=seed)
        origin, member = (
            None if number is None else number(context, seed=seed)
            for number in (getattr(generator, name, None) for name in ("origins", "members_of"))
        )
    finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    # A tail event that overflows is one in millions; thousands would mean a broken generator and must not be hidden.
    if not finite.all():
        if (~finite).mean() > 1e-3:
            raise TemplateError(
                f"The generator gave {int((~finite).sum())} of {len(x)} events with NaN or infinity. Train it longer, "
                "with a lower learning rate, or use another one."
            )
        x, mass = x[finite], mass[finite]
        origin, member = (None if each is None else each[finite] for each in (origin, member))
    return Template(np.asarray(x, np.float32), np.asarray(mass, np.float64), origin=origin, member=member)


def folds_of(template: Template, folds: int, *, seed: int) -> NDArray[np.int64]:
    """Fold of every template event, (T,): in random order, or that of the event which it was made of.

    The same seed gives all templates of one sideband the same folds of its events: no classifier scores what was made
    of an event that it has learned from, not even in the template of another method.
    """
    if template.origin is None:
        return random_folds(len(template), folds, seed=seed)
    return folds_of_origins(template.origin, folds, seed=seed)


def folds_of_origins(origin: NDArray[np.int64], folds: int, *, seed: int) -> NDArray[np.int64]:
    """Fold of numbered events (T,), which depends on number and seed alone."""
    number = np.asarray(origin, np.uint64)
    return fold_of(np.stack([np.zeros_like(number), np.zeros_like(number), number], axis=1), folds, salt=seed)
