"""The shape of an analysis file, one section after another; every key that is not declared is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PrivateAttr, field_validator

from cathode.config.comparison import ComparisonConfig
from cathode.config.components import (
    ClassifierConfig,
    Component,
    MassModelConfig,
    MethodConfig,
    ObservablesConfig,
    component_class,
)
from cathode.config.data import DataConfig
from cathode.config.label import LabelConfig
from cathode.config.region import RegionConfig
from cathode.config.section import File, Fraction, Section
from cathode.config.template import TemplateConfig
from cathode.config.validation import ValidationConfig
from cathode.errors import ConfigError

if TYPE_CHECKING:
    from analysis.events import Events
    from analysis.io.ntuples import ReadProgress
    from cathode.methods.protocol import Method
    from cathode.runtime.progress import Progress
    from cathode.runtime.store import Store
    from cathode.search import Search


class AnalysisConfig(Section):
    """One analysis, complete: what `cathode run` needs and nothing else.

    >>> config = AnalysisConfig.model_validate(
    ...     {"data": {"files": "embedded:dijets", "features": "dijet"}, "region": {"signal": [3300, 3700]}}
    ... )
    >>> config.folds, config.search().method.kind
    (5, 'cathode')
    """

    data: DataConfig = Field(description="what is read")
    region: RegionConfig = Field(description="where to look")
    method: MethodConfig = Field(
        default_factory=lambda: MethodConfig(),
        description="where the background comes from and how data are told from it: cathode, cwola, anode …",
    )
    mass_model: MassModelConfig = Field(
        default_factory=lambda: MassModelConfig(), description="the spectrum of the background: dijet_fit or kde"
    )
    template: TemplateConfig = Field(
        default_factory=lambda: TemplateConfig(), description="what is drawn as background, and by which generator"
    )
    observables: ObservablesConfig = Field(
        default_factory=lambda: ObservablesConfig(), description="what the classifier sees, of data and template alike"
    )
    classifier: ClassifierConfig = Field(
        default_factory=lambda: ClassifierConfig(), description="what tells data from template"
    )
    folds: int = Field(
        default=5, ge=2, description="parts of the events; each is scored by classifiers that were trained without it"
    )
    background_efficiencies: tuple[Fraction, ...] = Field(
        default=(1e-2, 1e-3),
        min_length=1,
        description="fractions of the template that pass a cut; the first is the one to quote",
    )
    validation: ValidationConfig = Field(
        default_factory=lambda: ValidationConfig(), description="how the template is tested"
    )
    comparison: ComparisonConfig = Field(
        default_factory=lambda: ComparisonConfig(), description="what `cathode compare` compares"
    )
    calibration: File | None = Field(
        default=None, description="calibration.json of this search, as `cathode calibrate` writes it; corrects p-values"
    )
    label: LabelConfig = Field(
        default_factory=lambda: LabelConfig(), description="what figures carry: experiment, luminosity, energy"
    )
    quick: bool = Field(
        default=False,
        description="a cheap trial: trainings, folds and ensembles are kept small, and the result says so",
    )
    seed: int = Field(default=1, ge=0, description="of everything random")
    output: str | None = Field(default=None, description="run folder, relative to the working directory")
    store: str | None = Field(
        default=".cathode-store",
        min_length=1,
        description="what runs share of what they train, relative to the folder of the run folder; null for none",
    )
    threads: int | None = Field(default=None, ge=1, description="processes and threads to use; null uses all cores")

    _source: Path | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path | None:
        """The file that this was read from, if it was read from one."""
        return self._source

    def read_from(self, source: Path) -> Self:
        """The same, and where it was read from; that file is an input then, which no output may replace."""
        found = self.model_copy()
        found._source = source
        return found

    def store_of(self, run: Path) -> Store | None:
        """The store of a run in this folder, if there is to be one.

        Raises
        ------
        StoreError
            If its place holds something else, or lies in the run folder.
        """
        from cathode.runtime.store import Store

        return None if self.store is None else Store.beside(run, self.store)

    def data_files(self) -> list[str]:
        """Files, patterns and URLs that are read, and the manifest that they are compared with."""
        manifest = self.data.checksums if isinstance(self.data.checksums, str) else None
        auxiliary = (name for names in self.data.auxiliary.values() for name in names)
        beside = (manifest, self.validation.idealised, *auxiliary)
        return [*self.data.files, *(name for name in beside if name is not None)]

    def inputs(self) -> list[str]:
        """Everything that is read: `data_files`, and the file that this was read from."""
        return [*self.data_files(), *([] if self._source is None else [str(self._source)])]

    @field_validator("background_efficiencies")
    @classmethod
    def _distinct(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"names an efficiency twice: {list(value)}")
        return value

    def read_events(self, progress: Progress | None = None) -> Events:
        """Read and select the events of `data`."""
        return self.read_files(self.data.files, progress, stage="read")

    def read_reference(self, progress: Progress | None = None) -> Events | None:
        """Read the independent background of `validation.idealised` with the same expressions, if there is one."""
        idealised = self.validation.idealised
        return None if idealised is None else self.read_files((idealised,), progress, stage="read reference")

    def read_auxiliary(self, progress: Progress | None = None) -> dict[str, Events]:
        """Read the samples of `data.auxiliary` with the same expressions, by name."""
        return {
            name: self.read_files(files, progress, stage=f"read {name}") for name, files in self.data.auxiliary.items()
        }

    def read_files(self, files: Iterable[str], progress: Progress | None = None, *, stage: str = "read") -> Events:
        """Read other files with the expressions of `data`."""
        from analysis.io.ntuples import read_events

        return read_events(**vars(self.data.reading(files)), progress=_chunk_by_chunk(progress, stage))

    def read_for_scores(self, files: Iterable[str], progress: Progress | None = None) -> Events:
        """Read other files with the expressions of `data` but without weights and truth; there may be no events."""
        from analysis.io.ntuples import iterate_events, joined

        unlabelled = dataclasses.replace(self.data.reading(files), weight=None, truth=None)
        return joined(iterate_events(**vars(unlabelled), progress=_chunk_by_chunk(progress, "read")))

    def search(self) -> Search:
        """The search that this file describes, ready to run."""
        from cathode.search import Search

        return Search(
            region=self.region.build(),
            method=self._method(),
            mass_model=self.mass_model.build(),
            observables=self.observables.build(),
            folds=self.folds,
            background_efficiencies=self.background_efficiencies,
            closure=self.validation.closure,
            region_fraction=self.validation.region_fraction,
            region_events=self.validation.region_events,
            closure_members=self.validation.members,
            closure_repeats=self.validation.repeats,
            closure_generators=self.validation.generators,
            seed=self.seed,
            workers=self.threads,
        )

    def _method(self) -> Method:
        """The method, with its parts from their sections; one that it does not use must not be set.

        Raises
        ------
        ConfigError
            If a part is set that the method has no use for.
        """
        fields = {f.name for f in dataclasses.fields(component_class("method", self.method.kind))}
        template = self.template
        sections: dict[str, tuple[Section, str, Callable[[], Any]]] = {
            "generator": (template, "template.generator", template.generator.build),
            "reweighting": (
                template,
                "template.reweighting",
                lambda: tuple(each.build() for each in template.reweightings().values()),
            ),
            "oversampling": (template, "template.oversampling", lambda: template.oversampling),
            "classifier": (self, "classifier", self.classifier.build),
        }
        for name, (section, place, _) in sections.items():
            usual = type(section).model_fields[name].get_default(call_default_factory=True)
            if name not in fields and _filled(getattr(section, name)) != _filled(usual):
                raise ConfigError(
                    f"{place}: method {self.method.kind} does not use it. Remove it, or choose another method."
                )
        method: Method = self.method.with_parts(
            {name: build() for name, (_, _, build) in sections.items() if name in fields}
        )
        return method

    def resolved(self) -> dict[str, Any]:
        """Everything that is in force, defaults included, in JSON types."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """`resolved` as YAML; loading it gives an equal configuration, wherever the file lies."""
        import yaml

        return yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True, width=120)

    def components(self) -> Mapping[str, Component]:
        """Path in the file -> exchangeable part."""
        reweightings = self.template.reweightings()
        return {
            "method": self.method,
            "mass_model": self.mass_model,
            "template.generator": self.template.generator,
            **{f"template.{path}.classifier": each.classifier for path, each in reweightings.items()},
            **{f"template.{path}.observables": o for path, each in reweightings.items() if (o := each.observables)},
            "observables": self.observables,
            "classifier": self.classifier,
            **{f"comparison.generators.{i}": generator for i, generator in enumerate(self.comparison.generators)},
        }


def _chunk_by_chunk(progress: Progress | None, stage: str) -> Callable[[ReadProgress], None] | None:
    """What tells how far the reading of a stage is."""
    if progress is None:
        return None
    return lambda at: progress(stage, at.fraction, 1.0, f"file {at.file + 1} of {at.files}")


def _filled(value: Any) -> Any:
    return value.filled() if isinstance(value, Component) else value
