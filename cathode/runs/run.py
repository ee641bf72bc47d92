"""`open_run`: what a search left in its folder, as objects and arrays."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.outputs import refuse_links_out
from analysis.printing import html_table, sigma
from cathode.diagnostics import Diagnostics
from cathode.errors import RunFolderError
from cathode.products import DIAGNOSTICS
from cathode.result import SearchResult
from cathode.runtime.run_folder import CLASSIFIERS, MASS_MODEL, RESULT, SCORES

if TYPE_CHECKING:
    from analysis.events import Events
    from cathode.classifiers.protocol import WeakClassifier
    from cathode.config import AnalysisConfig
    from cathode.template.drawing import Template
    from cathode.template.mass_models import MassModel

#: What arrays can be asked for as.
Library = Literal["numpy", "awkward", "pandas"]


def open_run(folder: Path | str) -> Run:
    """The finished run in a folder; its parts are read when they are asked for.

    Raises
    ------
    RunFolderError
        If the folder holds no finished run.
    ResultError
        If its result can not be read.
    """
    place = Path(folder)
    if not (place / RESULT).is_file():
        raise RunFolderError(
            f"{place}: no {RESULT}; this is no finished run. Name a folder that `cathode run` wrote, or run the search "
            "to its end."
        )
    refuse_links_out(place)
    return Run(place, SearchResult.read(place / RESULT))


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder that is read piece by piece; nothing in it is changed.

    Attributes
    ----------
    folder : where it is.
    result : what was found.
    """

    folder: Path
    result: SearchResult

    @cached_property
    def config(self) -> AnalysisConfig:
        """The analysis file with every default written out.

        Raises
        ------
        ConfigError
            If the search was composed in Python, and there is none.
        """
        from cathode.config import load_run_config

        return load_run_config(self.folder / "config.yaml")

    def template(self, library: Library = "numpy") -> Any:
        """The template, or whatever else stood for background: its features, and mass, score, fold, weight; (T,) each.

        They are a mapping of arrays of numpy, a record array of awkward, or a data frame of pandas.
        """
        found = self._diagnostics
        parts = {"mass": found.template_mass, "score": found.template_scores, "fold": found.template_fold}
        columns = {} if found.template_x is None else dict(zip(found.columns, found.template_x.T, strict=True))
        return _as(library, {**columns, **parts, "weight": found.template_weights})

    def events(self, library: Library = "numpy") -> Any:
        """All selected events: features (NaN outside of the window), mass, weight, score, fold; (N,) each.

        There is one flag for every cut, such as `passes_0p01`, and `truth` where it is known.
        """
        found = self._diagnostics
        columns = {} if found.x is None else dict(zip(found.columns, found.x.T, strict=True))
        parts = {"mass": found.mass, "weight": found.weights, "score": found.scores, "fold": found.fold}
        efficiencies = [] if found.efficiencies is None else [f"{e:g}".replace(".", "p") for e in found.efficiencies]
        passes = [] if found.passes is None else list(found.passes)
        flags = {f"passes_{name}": flag for name, flag in zip(efficiencies, passes, strict=True)}
        return _as(library, {**columns, **parts, **flags, "truth": found.truth})

    def scores(self, library: Library = "numpy") -> Any:
        """The friend tree: one row for every entry of the input files, with `run`, `event` and `selected`."""
        from analysis.io.scores import read_scores

        stored = read_scores(self.folder / SCORES)
        numbers = dict(zip(("run", "luminosityBlock", "event"), stored.ids.T, strict=True))
        return _as(library, {**numbers, "selected": stored.selected, **stored.columns})

    @cached_property
    def mass_model(self) -> MassModel:
        """The fitted mass model."""
        from cathode.template.mass_models import read_mass_model

        return read_mass_model(self.folder / MASS_MODEL)

    @cached_property
    def classifiers(self) -> tuple[WeakClassifier, ...]:
        """The classifier of every fold, which was trained on the other folds; none of methods without classifiers."""
        from cathode.classifiers.protocol import load_classifier

        folders = sorted((self.folder / CLASSIFIERS).glob("fold_*"), key=lambda p: (len(p.name), p.name))
        return tuple(load_classifier(each) for each in folders if each.is_dir())

    def draw(self, events: int, *, seed: int) -> Template:
        """More of the template: features and masses of background events in the window.

        Raises
        ------
        RunFolderError
            If the method of the run keeps no template.
        """
        from cathode.runtime.seeds import Seeds
        from cathode.template.drawing import draw_template
        from cathode.template.stored import stored_template

        stored, seeds = stored_template(self.folder), Seeds(seed)
        return draw_template(stored.sampler, stored.mass_model, events=events, seeds=(seeds("mass"), seeds("template")))

    def score(self, events: Events) -> dict[str, NDArray[Any]]:
        """Scores of other events by this run: see `cathode.scoring.score`."""
        from cathode.scoring import score

        return score(self.folder, events)

    @cached_property
    def _diagnostics(self) -> Diagnostics:
        return Diagnostics.load(self.folder / DIAGNOSTICS)

    def __repr__(self) -> str:
        return f"<Run '{self.folder}': {self.result!r}>"

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        rows = [
            (f"{c.background_efficiency:g}", f"{c.observed:g}", f"{c.expected:.1f}", sigma(c.significance))
            for c in self.result.cuts
        ]
        return html_table(str(self.folder), ("background efficiency", "observed", "expected", "nominal"), rows)


def _as(library: str, columns: Mapping[str, NDArray[Any] | None]) -> Any:
    """Columns that are there, as a library has them."""
    there = {name: np.asarray(values) for name, values in columns.items() if values is not None}
    if library == "numpy":
        return there
    if library == "awkward":
        return importlib.import_module("awkward").zip(there, depth_limit=1)
    if library == "pandas":
        try:
            return importlib.import_module(library).DataFrame(there)
        except ImportError as error:
            raise AnalysisError(
                f"Data frames need pandas, which is not installed ({error}): pip install pandas"
            ) from error
    raise AnalysisError(f"library = {library!r}: arrays can be had as numpy, awkward or pandas.")
