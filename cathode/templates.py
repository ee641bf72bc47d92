"""The background template: a generator trained on the sidebands, asked for events in the signal region."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from cathode.contexts import MassModel
from cathode.errors import TemplateError

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator, Monitor


#: Seconds between two looks of a worker for its parent.
_WATCH = 0.5


class Sampler(Protocol):
    """All that a template needs of a trained generator."""

    def sample(self, context: FloatArray, *, seed: int) -> FloatArray:
        """One event per mass: (T, 1) GeV -> (T, *event)."""
        ...


@dataclass(frozen=True, eq=False)
class Template:
    """Generated background: features (T, *event) and masses (T,) in GeV."""

    x: FloatArray
    mass: FloatArray

    def __len__(self) -> int:
        return len(self.x)


def train_generator(
    generator: ConditionalGenerator,
    sideband: Events,
    *,
    seed: int,
    folder: Path | None = None,
    monitor: Monitor | None = None,
) -> ConditionalGenerator:
    """A copy of `generator`, fitted to p(x | m) of the sideband; `generator` itself stays as it was.

    With a `folder` the fitted generator is saved there, training states go beside it, a finished one is loaded instead
    of trained again, and an interrupted training continues.
    """
    from generators.artifact import load, save

    checkpoint = None if folder is None else folder.with_suffix(".checkpoint")
    if folder is not None and checkpoint is not None and folder.exists():
        # A kill between the two leaves both.
        checkpoint.unlink(missing_ok=True)
        return load(folder)  # type: ignore[no-any-return]
    fresh: Any = copy.deepcopy(generator)
    with one_thread():
        fresh.fit(
            sideband.x, sideband.context, weights=sideband.weights, seed=seed, monitor=monitor, checkpoint=checkpoint
        )
    fresh.columns_ = sideband.columns
    if folder is not None and hasattr(fresh, "hyperparameters"):
        save(fresh, folder)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return fresh  # type: ignore[no-any-return]


def draw_template(generator: Sampler, mass_model: MassModel, *, events: int, seeds: tuple[int, int]) -> Template:
    """`events` background events in the signal region, masses from the mass model; one seed for masses, one for x."""
    mass = mass_model.sample(events, seed=seeds[0])
    return draw_at(generator, mass, seed=seeds[1])


def draw_at(generator: Sampler, mass: FloatArray, *, seed: int) -> Template:
    """One background event at each of the masses (T,)."""
    with one_thread():
        x = generator.sample(np.asarray(mass)[:, None], seed=seed)
    finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    # A tail event that overflows is one in millions; thousands would mean a broken generator and must not be hidden.
    if not finite.all():
        if (~finite).mean() > 1e-3:
            raise TemplateError(
                f"The generator gave {int((~finite).sum())} of {len(x)} events with NaN or infinity. Train it longer, "
                "with a lower learning rate, or use another one."
            )
        x, mass = x[finite], mass[finite]
    return Template(np.asarray(x, np.float32), np.asarray(mass, np.float64))


@contextmanager
def beside(workers: int, function: Any, *args: Any, **kwargs: Any) -> Iterator[Future[Any]]:
    """Compute `function(*args, **kwargs)` in a second process while the block runs; before it, with a single worker.

    An error in the block ends that process too: nobody would wait for its answer. Loky and not a bare process pool:
    scripts and notebooks need no ``if __name__ == "__main__"``.
    """
    if workers < 2:
        done: Future[Any] = Future()
        done.set_result(function(*args, **kwargs))
        yield done
        return
    from loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=1, timeout=60, env={"OMP_NUM_THREADS": "1"})
    try:
        yield executor.submit(_not_outliving, os.getpid(), function, args, kwargs)
    except BaseException:
        # Not waited for, the next call could take the kill back, and the end of the program would wait for the worker.
        executor.shutdown(wait=True, kill_workers=True)
        raise


def _not_outliving(parent: int, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `function`, and end this process with its parent.

    A worker whose parent was killed would go on for the length of a training, and write into the folder in which the
    next run already continues.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_WATCH):
            if os.getppid() != parent:
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        return function(*args, **kwargs)
    finally:
        done.set()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: the networks are small, and sums do not depend on the number of cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def template_folds(size: int, folds: int, *, seed: int) -> NDArray[np.int64]:
    """Fold of every template event, (T,): equal sizes, random order."""
    return np.random.default_rng(seed).permutation(np.arange(size, dtype=np.int64) % folds)
