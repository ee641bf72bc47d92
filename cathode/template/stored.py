"""The template of a run folder: everything that is needed to draw more of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.outputs import refuse_links_out
from cathode.errors import RunFolderError
from cathode.observables import create
from cathode.runtime.run_folder import IDENTITY, MASS_MODEL, REWEIGHTING, TEMPLATE, settings_in, step
from cathode.template.drawing import Sampler
from cathode.template.mass_models import MassModel, read_mass_model
from cathode.template.rejection import Reweighted
from cathode.template.reweighting import Reweighting


@dataclass(frozen=True, eq=False)
class StoredTemplate:
    """What draws features at given masses, what draws masses, and the names of the features."""

    sampler: Sampler
    mass_model: MassModel
    columns: tuple[str, ...]


def stored_template(folder: Path) -> StoredTemplate:
    """The template that `cathode train` or a search left in a folder, reweighted if the search reweights its own.

    Raises
    ------
    RunFolderError
        If the folder holds no mass model, no template, or no finished reweighting where there should be one.
    """
    from generators.artifact import load

    refuse_links_out(folder)
    for name in (MASS_MODEL, TEMPLATE):
        if not (folder / name).exists():
            raise RunFolderError(f"{folder}: no {name}; name a folder that `cathode train` or `cathode run` wrote.")
    generator: Any = load(folder / TEMPLATE)
    mass_model = read_mass_model(folder / MASS_MODEL)
    return StoredTemplate(_reweighted(generator, folder), mass_model, tuple(generator.columns_))


def _reweighted(generator: Sampler, folder: Path) -> Sampler:
    """The generator as the search in this folder draws from it."""
    settings = settings_in(folder)
    sampler = generator
    # Folders from before there were methods have the parts of the method among those of the search.
    method = settings.get("method", settings)
    try:
        for number, each in enumerate(method.get("reweighting", [])):
            fitted = Reweighting.load(folder / step(REWEIGHTING, number), folds=each["folds"], clip=each["clip"])
            observables = create(each.get("observables") or settings["observables"])
            sampler = Reweighted(generator=sampler, reweighting=fitted, observables=observables)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(f"{folder / IDENTITY}: its reweighting can not be read ({error!r}).") from error
    return sampler
