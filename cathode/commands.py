"""From an analysis file to what each verb of the command line makes of it, for Python."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.atomic import write_text
from analysis.errors import OutputError, nearest
from analysis.outputs import check_output_file, check_output_folder, is_log
from cathode.config import AnalysisConfig, load_run_config
from cathode.errors import CalibrationError, ConfigError, ResultError, RunFolderError
from cathode.result import SearchResult
from cathode.runtime.lock import alone_in
from cathode.runtime.progress import Progress
from cathode.runtime.run_folder import (
    IDENTITY,
    MASS_MODEL,
    RESULT,
    check_run_folder,
)
from cathode.runtime.watching import watched
from cathode.validation.claims import concluded

if TYPE_CHECKING:
    from analysis.io.reading_options import ReadingOptions
    from analysis.preparation.preparing import Prepared
    from analysis.tasks import TaskFolder, Workers
    from cathode.calibration.audit import Audit
    from cathode.calibration.experiments import Source
    from cathode.calibration.result import Calibration
    from cathode.comparison.result import GeneratorComparison
    from cathode.full_validation.result import FullValidation
    from cathode.study.result import StudyResult
    from cathode.template.drawing import Template
    from cathode.validation.sideband_closure import ClosureTest

CONFIG = "config.yaml"

_SCORES_HERE = (Path("scores.root"), Path("scores") / "scores.root")


@watched
def run_analysis(
    config: AnalysisConfig, output: Path | str, *, progress: Progress | None = None, report: bool = True
) -> SearchResult:
    """Read, search, validate and report; an interrupted run is continued by the same call.

    `output` gets config.yaml (resolved), result.json, scores.root, diagnostics.npz, template/ and classifiers/, and
    with `report` also report.html and figures/.

    Raises
    ------
    RunFolderError, OutputError, StoreError
        As `check_run_folder` and `Store.at`, before anything is read; or if `output` belongs to another search.
    """
    folder = Path(output)
    _check(config, folder)
    store = config.store_of(folder)
    with _threads(config.threads):
        events = config.read_events(progress)
        reference = config.read_reference(progress)
        auxiliary = config.read_auxiliary(progress)
    with alone_in(folder):
        with _threads(config.threads):
            found = config.search().run(
                events, output=folder, reference=reference, auxiliary=auxiliary, store=store, progress=progress
            )
        write_text(folder / CONFIG, config.to_yaml())
        found = replace(found, config=config.resolved(), quick=config.quick)
        result = concluded(_calibrated(config, found, folder))
        result.write(folder / RESULT)
        if report:
            from cathode.report import write_report

            write_report(folder, progress=progress)
    return result


@watched
def prepare_analysis(
    config: AnalysisConfig,
    output: Path | str,
    *,
    sample: str | None = None,
    workers: Workers = None,
    retries: int = 2,
    progress: Progress | None = None,
) -> Prepared:
    """Put the selected events of the files of `data`, or of a `sample` of `data.auxiliary`, into a feature store.

    The store is then read in the place of the files, with the same result; `output` gets store.json, parquet files and
    a list of luminosity blocks. The same call continues what was interrupted, and tries again what was lost.

    Raises
    ------
    ConfigError
        If there is no such sample.
    OutputError, RunFolderError
        If the folder can not be written, holds something else, or another process writes there.
    AnalysisError
        As `analysis.preparation.preparing.prepare`.
    """
    from analysis.preparation.preparing import prepare

    folder, reading = Path(output), _prepared_reading(config, Path(output), sample)

    def finished(done: int, total: int) -> None:
        if progress is not None:
            progress("prepare", done, total, f"{done} of {total} files")

    with alone_in(folder):
        return prepare(reading, folder, workers=workers, retries=retries, finished=finished)


def plan_preparation(config: AnalysisConfig, output: Path | str, *, sample: str | None = None) -> TaskFolder:
    """The tasks of `prepare_analysis`, for a job array; the same errors."""
    from analysis.preparation.preparing import plan

    reading = _prepared_reading(config, Path(output), sample)
    with alone_in(Path(output)):
        return plan(reading, Path(output))


def _prepared_reading(config: AnalysisConfig, folder: Path, sample: str | None) -> ReadingOptions:
    if sample is not None and sample not in config.data.auxiliary:
        raise ConfigError(f"data.auxiliary has no sample '{sample}'. {nearest(sample, config.data.auxiliary)}")
    check_output_folder(folder, inputs=config.inputs())
    return config.data.reading(config.data.files if sample is None else config.data.auxiliary[sample])


def study_file(
    file: Path | str, output: Path | str, *, workers: Workers = None, progress: Progress | None = None
) -> StudyResult:
    """Train every variant of the file of a study; table and picture are written to the folder, which is continued.

    Raises
    ------
    ConfigError, OutputError, RunFolderError
        As `load_study` and `run_study`.
    """
    from analysis.plots.study import study as drawn
    from cathode.study.study import run_study
    from cathode.study.study_file import load_study

    found = run_study(load_study(file), output, workers=workers, progress=progress)
    rows, metric = found.rows, found.sorted_by
    figure = drawn(
        [row.settings for row in rows],
        [row.mean[metric] for row in rows],
        [row.deviation[metric] for row in rows],
        metric=metric,
    )
    figure.savefig(Path(output) / "study.png", dpi=130)
    return found


def _calibrated(config: AnalysisConfig, result: SearchResult, folder: Path) -> SearchResult:
    """With the significances of all cuts under the calibration that the file names, or that lies beside the folder.

    One that nobody named is left out if it is of another search, and a warning says so.
    """
    from cathode.calibration.calibrate import CALIBRATION, apply, beside
    from cathode.calibration.result import Calibration

    found = beside(folder) / CALIBRATION
    if config.calibration is None and not found.is_file():
        return result
    try:
        calibration = Calibration.read(config.calibration or found)
        return replace(result, calibrated=apply(calibration, config.search().settings(), result))
    except (CalibrationError, ResultError) as error:
        if config.calibration is not None:
            raise
        return replace(result, warnings=(*result.warnings, f"{found} is not applied. {error}"))


@watched
def validate_analysis(
    config: AnalysisConfig, output: Path | str | None = None, *, progress: Progress | None = None
) -> ClosureTest:
    """Test the template in validation regions of the sidebands, without a look at the signal region.

    With `output`, the models stay there, and a search that is run into the same folder takes them over.
    """
    store = None
    if output is not None:
        _check(config, Path(output))
        store = config.store_of(Path(output))
    with _threads(config.threads):
        events, auxiliary = config.read_events(progress), config.read_auxiliary(progress)
        return config.search().validate(events, output=output, auxiliary=auxiliary, store=store, progress=progress)


@watched
def validate_analysis_fully(
    config: AnalysisConfig,
    output: Path | str,
    *,
    experiments: int = 40,
    signal: Sequence[str] = (),
    numbers: Sequence[int] = (),
    repeats: int = 5,
    edges: int = 6,
    workers: Workers = None,
    progress: Progress | None = None,
) -> FullValidation:
    """Test a search in validation regions and pseudo-experiments: `validate_fully` says how.

    `output` gets validation.json and validation.html; the same call continues what was interrupted.
    """
    from cathode.full_validation.validating import CLOSURE, NULL, validate_fully
    from cathode.report.full_validation import write_validation_page

    folder = Path(output)
    ours = any((folder / name).is_dir() for name in (CLOSURE, NULL))
    check_output_folder(folder, inputs=[*config.inputs(), *signal], ours=None if ours else is_log)
    found = validate_fully(
        config,
        folder,
        closure=validate_analysis(config, folder / CLOSURE, progress=progress),
        train=lambda chosen, place: train_template(chosen, place, progress=progress),
        experiments=experiments,
        signal=signal,
        numbers=numbers,
        repeats=repeats,
        morphed_experiments=edges,
        workers=config.threads if workers is None else workers,
        progress=progress,
    )
    write_validation_page(found, folder)
    return found


@watched
def compare_analysis(
    config: AnalysisConfig, output: Path | str | None = None, *, progress: Progress | None = None
) -> GeneratorComparison:
    """Compare the generators of `comparison` in validation regions: `compare_generators` says how.

    With `output`, models and comparison.json stay there, and the same call continues an interrupted comparison.

    Raises
    ------
    ConfigError
        If there is nothing to compare.
    """
    from cathode.classifiers.ensembles import with_members
    from cathode.comparison.comparison import COMPARISON, compare_generators

    chosen = config.comparison
    if not chosen.generators:
        raise ConfigError(
            "comparison.generators is empty: list the candidates there, or name them by --generator KIND or "
            "--generator '{kind: KIND, …}'."
        )
    if output is not None:
        _check(config, Path(output))
    search = config.search()
    with _threads(config.threads):
        events = config.read_events(progress)
    with nullcontext() if output is None else alone_in(Path(output)), _threads(config.threads):
        found = compare_generators(
            events,
            search.region,
            [candidate.build() for candidate in chosen.generators],
            validation_regions=chosen.validation_regions,
            region_fraction=search.region_fraction,
            region_events=search.region_events,
            best_states=chosen.best_states,
            observables=search.observables,
            classifier=with_members(config.classifier.build(), search.closure_members),
            folds=search.folds,
            oversampling=config.template.oversampling,
            seed=search.seed,
            output=output,
            progress=progress,
        )
        comparison = replace(found, config=config.resolved())
        if output is not None:
            write_text(Path(output) / CONFIG, config.to_yaml())
            comparison.write(Path(output) / COMPARISON)
    return comparison


@watched
def train_template(config: AnalysisConfig, output: Path | str, *, progress: Progress | None = None) -> Path:
    """Fit mass model, generator and perhaps reweighting to the sidebands and save them in `output`; returns it.

    An interrupted training is continued by the same call; a finished one is not repeated, and a search that is run
    into the same folder takes it over.

    Raises
    ------
    RunFolderError
        If the folder belongs to another search, or another process writes there.
    OutputError
        As `check_run_folder`, before anything is read.
    """
    folder = Path(output)
    _check(config, folder)
    store = config.store_of(folder)
    search = config.search()
    with _threads(config.threads):
        events = config.read_events(progress)
        search.region.check(events.mass)
        sideband = events[search.region.sideband(events.mass)].in_order()
        auxiliary = config.read_auxiliary(progress)
    with (
        search.claimed(events, folder, auxiliary=auxiliary, inputs=config.inputs(), store=store) as run_folder,
        _threads(config.threads),
    ):
        mass_model: Any = search.mass_model.fit(sideband.mass, search.region, weights=sideband.weights)
        write_text(folder / MASS_MODEL, json.dumps(mass_model.to_dict(), indent=2))
        write_text(folder / CONFIG, config.to_yaml())
        search.learn(events, run_folder, auxiliary=auxiliary, progress=progress)
    return folder


@watched
def calibrate_analysis(
    config: AnalysisConfig,
    output: Path | str,
    *,
    experiments: int,
    source: Source = "template",
    background: str | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Calibration:
    """Find what a search says without a signal: `cathode.calibration.calibrate.calibrate` says how.

    `output` gets calibration.json. A run whose folder has it beside it, in RUN-calibration, is corrected by it if all
    settings are the same; `calibration:` of the analysis file names it elsewhere.
    """
    from cathode.calibration.calibrate import calibrate

    return calibrate(
        config,
        output,
        experiments=experiments,
        source=source,
        background=background,
        workers=config.threads if workers is None else workers,
        train=lambda chosen, folder: train_template(chosen, folder, progress=progress),
        progress=progress,
    )


@watched
def audit_analysis(
    config: AnalysisConfig,
    output: Path | str,
    *,
    windows: int = 6,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Audit:
    """Search where there is no signal: `cathode.calibration.audit.audit` says how.

    `output` gets audit.json and a figure per cut; the same call continues what was interrupted.
    """
    from cathode.calibration.audit import audit
    from cathode.report.audit import write_audit_figures

    found = audit(
        config,
        output,
        windows=windows,
        workers=config.threads if workers is None else workers,
        progress=progress,
    )
    write_audit_figures(found, Path(output))
    return found


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
    from cathode.template.stored import stored_template

    seeds = Seeds(seed)
    stored = stored_template(Path(folder))
    template = draw_template(stored.sampler, stored.mass_model, events=events, seeds=(seeds("mass"), seeds("template")))
    return template, stored.columns


def write_sample(folder: Path | str, events: int, output: Path | str, *, seed: int) -> tuple[str, ...]:
    """Draw background events as `sample_template` and write them to a .root, .parquet or .h5 file; returns its columns.

    Raises
    ------
    ConfigError, OutputError
        If the file has another suffix, lies in `folder`, was read by its run, or can not be written; before anything
        is read.
    """
    from cathode.runtime.tables import check_format, write_table

    check_format(output)
    check_output_file(output, inputs=[folder, *_files_of_run(Path(folder))])
    template, names = sample_template(folder, events, seed=seed)
    columns = {"mass": template.mass, **{name: template.x[:, i] for i, name in enumerate(names)}}
    write_table(output, columns)
    return tuple(columns)


@dataclass(frozen=True)
class Scored:
    """How many events of other ntuples were scored by a finished search, and how many pass each cut.

    `warnings` says in plain words what weakens these scores.
    """

    path: Path
    events: int
    passes: dict[float, int]
    warnings: tuple[str, ...] = ()


@watched
def score_files(
    run: Path | str,
    files: Sequence[str],
    output: Path | str | None = None,
    *,
    overrides: Iterable[str] = (),
    progress: Progress | None = None,
) -> Scored:
    """Score other ntuples by the classifiers of a finished run, into a ROOT friend tree.

    Without `output` that is scores.root here or, where the next call would read it as an input, scores/scores.root.

    They are read as the run read its own, but without weights and truth, which scores do not need. `overrides` change
    that, for example `data.selection=null`; for files of the run itself none that would make other events of their
    entries. Files without selected events give rows without scores.

    Raises
    ------
    ConfigError
        If an override does not concern `data`, or decides what an event of the run is.
    RunFolderError
        If there is no finished run, or events of the run would get another fold than they had in it.
    OutputError
        If `output` is one of the files or was read by the run, lies in the folder of the run, is there and holds no
        scores, or can not be written; before anything is read.
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
    config = load_run_config(place / CONFIG, changes)
    target = _output_of_scores(output, [place, *files, *config.data_files(), *_files_of_run(place)])
    scorer = Scorer.load(place)
    inputs = SearchResult.read(place / RESULT).inputs
    refuse_other_reading(load_run_config(place / CONFIG).data, config.data, files, inputs)
    events = config.read_for_scores(files, progress)
    scores = scorer(events)
    refuse_other_folds(place, events, scores.fold)
    write_scores(target, events, columns(events, scores, scorer.region, scorer.cuts))
    passing = {cut.background_efficiency: int(p.sum()) for cut, p in zip(scorer.cuts, scores.passes, strict=True)}
    return Scored(target, len(events), passing, tuple(strangers(events, inputs)))


def _output_of_scores(output: Path | str | None, inputs: list[str | Path]) -> Path:
    """Where scores go: to the output that is named, or else to the first of two places where they harm nothing."""
    from analysis.io.scores import refuse_other_content

    refused: OutputError | None = None
    for place in _SCORES_HERE if output is None else (Path(output),):
        try:
            check_output_file(place, inputs=inputs)
            refuse_other_content(place)
        except OutputError as error:
            refused = refused or error
        else:
            return place
    assert refused is not None
    raise refused


def _files_of_run(folder: Path) -> list[str]:
    """What a run has read, as far as its folder says; its settings may name patterns that find more by now."""
    if not (folder / CONFIG).is_file():
        return []
    recorded = SearchResult.read(folder / RESULT).inputs if (folder / RESULT).is_file() else ()
    return [*load_run_config(folder / CONFIG).data_files(), *(source.path for source in recorded)]


def _check(config: AnalysisConfig, folder: Path) -> None:
    """Refuse an output folder in which something would be lost; before anything is read."""
    source = config.source
    mine = source is not None and source.exists() and source.resolve() == (folder / CONFIG).resolve()
    if (
        mine
        and source is not None
        and (folder / IDENTITY).exists()
        and source.read_text(encoding="utf-8") == config.to_yaml()
    ):
        # Its own settings, which are written again as they are.
        check_run_folder(folder, inputs=config.data_files())
    else:
        check_run_folder(folder, inputs=config.inputs())


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Limit OpenMP and BLAS to so many threads; None leaves them alone."""
    if number is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=number):
        yield
