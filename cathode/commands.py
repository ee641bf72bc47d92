"""From an analysis file to what each verb of the command line makes of it, for Python."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.atomic import write_text
from cathode.config import AnalysisConfig, load_config
from cathode.errors import ConfigError, RunFolderError
from cathode.result import SearchResult
from cathode.runtime.progress import Progress
from cathode.runtime.run_folder import IDENTITY, MASS_MODEL, RESULT, REWEIGHTING, TEMPLATE, RunFolder, step

if TYPE_CHECKING:
    from cathode.comparison.result import Selection
    from cathode.template.drawing import Sampler, Template
    from cathode.validation.sideband_closure import StripTest

CONFIG = "config.yaml"


def run_analysis(
    config: AnalysisConfig, output: Path | str, *, progress: Progress | None = None, report: bool = True
) -> SearchResult:
    """Read, search, validate and report; an interrupted run is continued by the same call.

    `output` gets config.yaml (resolved), result.json, scores.root, diagnostics.npz, template/ and classifiers/, and
    with `report` also report.html and figures/.
    """
    folder = Path(output)
    with _threads(config.threads):
        events = config.read_events(progress)
        reference = config.read_reference(progress)
        found = config.search().run(events, output=folder, reference=reference, progress=progress)
    write_text(folder / CONFIG, config.to_yaml())
    result = replace(found, config=config.resolved())
    result.write(folder / "result.json")
    if report:
        from cathode.report import write_report

        write_report(folder, workers=config.threads, progress=progress)
    return result


def validate_analysis(
    config: AnalysisConfig, output: Path | str | None = None, *, progress: Progress | None = None
) -> StripTest:
    """Test the template in strips of the sidebands, without a look at the signal region.

    With `output`, the models stay there, and a search that is run into the same folder takes them over.
    """
    with _threads(config.threads):
        return config.search().validate(config.read_events(progress), output=output, progress=progress)


def select_analysis(
    config: AnalysisConfig, output: Path | str | None = None, *, progress: Progress | None = None
) -> Selection:
    """Compare the generators of `selection` in strips of the sidebands: `select_generator` says how.

    With `output`, models and selection.json stay there, and the same call continues an interrupted selection.

    Raises
    ------
    ConfigError
        If there is nothing to compare.
    """
    from cathode.comparison.comparison import SELECTION, select_generator
    from cathode.validation.sideband_closure import with_members

    chosen = config.selection
    if not chosen.generators:
        raise ConfigError(
            "selection.generators is empty: list the candidates there, or name them by --generator KIND or "
            "--generator '{kind: KIND, …}'."
        )
    search = config.search()
    with _threads(config.threads):
        found = select_generator(
            config.read_events(progress),
            search.region,
            [candidate.build() for candidate in chosen.generators],
            strips=chosen.strips,
            strip_fraction=search.strip_fraction,
            best_states=chosen.best_states,
            observables=search.observables,
            classifier=with_members(search.classifier, search.closure_members),
            folds=search.folds,
            oversampling=search.oversampling,
            seed=search.seed,
            output=output,
            progress=progress,
        )
    selection = replace(found, config=config.resolved())
    if output is not None:
        write_text(Path(output) / CONFIG, config.to_yaml())
        selection.write(Path(output) / SELECTION)
    return selection


def train_template(config: AnalysisConfig, output: Path | str, *, progress: Progress | None = None) -> Path:
    """Fit mass model, generator and perhaps reweighting to the sidebands and save them in `output`; returns it.

    An interrupted training is continued by the same call; a finished one is not repeated, and a search that is run
    into the same folder takes it over.

    Raises
    ------
    RunFolderError
        If the folder belongs to another search.
    """
    from cathode.runtime.progress import silent
    from cathode.stages import Stages

    folder = Path(output)
    search = config.search()
    with _threads(config.threads):
        events = config.read_events(progress)
        search.region.check(events.mass)
        run_folder = RunFolder.claim(folder, search.fingerprint(events), search.settings())
        sideband = events[search.region.sideband(events.mass)]
        for reweighting in search.reweightings:
            reweighting.require(sideband)
        mass_model: Any = search.mass_model.fit(sideband.mass, search.region, weights=sideband.weights)
        write_text(folder / MASS_MODEL, json.dumps(mass_model.to_dict(), indent=2))
        write_text(folder / CONFIG, config.to_yaml())
        stages = Stages(search, run_folder, progress or silent)
        stages.reweighted(stages.generator(sideband), sideband)
    return folder


def sample_template(folder: Path | str, events: int, *, seed: int) -> tuple[Template, tuple[str, ...]]:
    """Draw background events in the signal region from a saved template; also returns the names of the features.

    They are reweighted if the search reweights its own. `folder` is what `train_template` or a search wrote.

    Raises
    ------
    RunFolderError
        If it holds no mass model, no template, or no finished reweighting where there should be one.
    """
    from cathode.runtime.seeds import Seeds
    from cathode.template.drawing import draw_template
    from cathode.template.mass_models import mass_model_from_dict
    from generators.artifact import load

    place = Path(folder)
    for name in (MASS_MODEL, TEMPLATE):
        if not (place / name).exists():
            raise RunFolderError(f"{place}: no {name}; name a folder that `cathode train` or `cathode run` wrote.")
    generator: Any = load(place / TEMPLATE)
    mass_model = mass_model_from_dict(json.loads((place / MASS_MODEL).read_text(encoding="utf-8")))
    seeds = Seeds(seed)
    sampler = _reweighted(generator, place)
    template = draw_template(sampler, mass_model, events=events, seeds=(seeds("mass"), seeds("template")))
    return template, tuple(generator.columns_)


def _reweighted(generator: Sampler, folder: Path) -> Sampler:
    """The generator as the search in this folder draws from it."""
    from cathode.observables import create
    from cathode.template.rejection import Reweighted
    from cathode.template.reweighting import Reweighting

    identity = folder / IDENTITY
    settings = json.loads(identity.read_text(encoding="utf-8"))["settings"] if identity.exists() else {}
    sampler = generator
    for number, each in enumerate(settings.get("reweighting", [])):
        fitted = Reweighting.load(folder / step(REWEIGHTING, number), folds=each["folds"], clip=each["clip"])
        seen = each.get("observables") or settings["observables"]
        sampler = Reweighted(generator=sampler, reweighting=fitted, observables=create(seen))
    return sampler


@dataclass(frozen=True)
class Scored:
    """How many events of other ntuples were scored by a finished search, and how many pass each cut.

    `warnings` says in plain words what weakens these scores.
    """

    path: Path
    events: int
    passes: dict[float, int]
    warnings: tuple[str, ...] = ()


def score_files(
    run: Path | str,
    files: Sequence[str],
    output: Path | str,
    *,
    overrides: Iterable[str] = (),
    progress: Progress | None = None,
) -> Scored:
    """Score other ntuples by the classifiers of a finished run, into a ROOT friend tree.

    They are read as the run read its own, but without weights and truth, which scores do not need. `overrides` change
    that, for example `data.selection=null`; for files of the run itself none that would make other events of their
    entries. Files without selected events give rows without scores.

    Raises
    ------
    ConfigError
        If an override does not concern `data`, or decides what an event of the run is.
    RunFolderError
        If there is no finished run, or events of the run would get another fold than they had in it.
    """
    from analysis.io.scores import write_scores
    from cathode.rescoring import refuse_other_folds, refuse_other_reading, strangers
    from cathode.scoring import Scorer, columns

    place = Path(run)
    if not (place / CONFIG).exists():
        raise RunFolderError(f"{place}: no {CONFIG}; name a folder that `cathode run` wrote.")
    changes = [*overrides]
    if any(not change.startswith("data.") for change in changes):
        raise ConfigError(f"--set {', '.join(changes)}: only data.… can be overridden here; the search is finished.")
    config = load_config(place / CONFIG, changes)
    scorer = Scorer.load(place)
    inputs = SearchResult.read(place / RESULT).inputs
    refuse_other_reading(load_config(place / CONFIG).data, config.data, files, inputs)
    events = config.read_for_scores(files, progress)
    scores = scorer(events)
    refuse_other_folds(place, events, scores.fold)
    write_scores(output, events, columns(events, scores, scorer.region, scorer.cuts))
    passing = {cut.background_efficiency: int(p.sum()) for cut, p in zip(scorer.cuts, scores.passes, strict=True)}
    return Scored(Path(output), len(events), passing, tuple(strangers(events, inputs)))


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Limit OpenMP and BLAS to so many threads; None leaves them alone."""
    if number is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=number):
        yield
