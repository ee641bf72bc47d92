"""The shape of an analysis file, as pydantic models; every key that is not declared here is refused."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from analysis.errors import FeatureNameError
from analysis.feature_names import check_feature_names
from cathode.config.components import (
    ClassifierConfig,
    Component,
    GeneratorConfig,
    MassModelConfig,
    MethodConfig,
    ObservablesConfig,
    component_class,
)
from cathode.config.messages import ONE, SEVERAL
from cathode.config.truth_values import number_not_truth_value
from cathode.errors import ConfigError, RegionError

if TYPE_CHECKING:
    from analysis.events import Events
    from analysis.io.constituents import Constituents
    from cathode.methods.protocol import Method
    from cathode.region import Region
    from cathode.runtime.progress import Progress
    from cathode.runtime.store import Store
    from cathode.search import Search
    from cathode.template.reweighting import Reweighting

EMBEDDED = "embedded:"


def _located(value: Any, info: ValidationInfo) -> Any:
    """Absolute path of a file named in an analysis file: relative ones start from the folder of that file."""
    if not isinstance(value, str) or "://" in value or value.startswith(EMBEDDED):
        return value
    folder = (info.context or {}).get("folder")
    path = Path(os.path.expandvars(value)).expanduser()
    return str(folder / path) if folder is not None and not path.is_absolute() else str(path)


def _located_list(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        value = [value]
    return [_located(item, info) for item in value] if isinstance(value, list | tuple) else value


def _feature_set(value: Any) -> Any:
    if value == "dijet":
        from analysis.features.dijets import DIJET_FEATURES

        return dict(DIJET_FEATURES)
    if isinstance(value, str):
        raise ValueError("must be a mapping of name to expression, or the word 'dijet'")
    if isinstance(value, Mapping):
        try:
            check_feature_names(value)
        except FeatureNameError as error:
            raise ValueError(str(error)) from error
    return value


File = Annotated[str, BeforeValidator(_located)]
Files = Annotated[tuple[str, ...], BeforeValidator(_located_list), Field(min_length=1)]
Features = Annotated[
    dict[str, str],
    BeforeValidator(_feature_set),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "dijet"},
                {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
            ]
        }
    ),
]
Identifiers = Annotated[
    Annotated[tuple[str, ...], Field(min_length=1, max_length=3)] | None,
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
]


Unit = Literal["GeV", "MeV", "TeV", "none"]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """Base of every section: immutable, and closed to keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    _numbers = field_validator("*", mode="before")(classmethod(number_not_truth_value))


class ConstituentsConfig(Section):
    """Which constituents of which jets to read: the arguments of `analysis.Constituents`."""

    leading: int = Field(default=64, ge=1, description="constituents to keep of each jet, the hardest")
    jets_per_event: int = Field(default=2, ge=1, description="jets to keep, the hardest")
    collection: str = Field(default="PFCands", description="the constituents, as in PFCands_pt")
    jets: str = Field(default="FatJet", description="the jets, as in FatJet_pt")
    jet_index: str = Field(default="jetIdx", description="field with the position of the jet, as in PFCands_jetIdx")
    links: str | None = Field(
        default=None, description="collection that joins both; null finds the one called like FatJetPFCands"
    )
    constituent_index: str | None = Field(
        default=None, description="field of the links with the position of the constituent; null finds pFCandsIdx"
    )

    def build(self) -> Constituents:
        """What `analysis.read_events` takes."""
        from analysis.io.constituents import Constituents

        return Constituents(**self.model_dump())


class DataConfig(Section):
    """What to read: the arguments of `analysis.read_events`."""

    files: Files = Field(
        description="ROOT, HDF5, parquet or numpy files, folders of parquet; globs, URLs and embedded:dijets are known"
    )
    tree: str | None = Field(
        default=None, description="name of the TTree or RNTuple; found by itself if there is only one"
    )
    layout: Literal["auto", "nanoaod", "physlite", "flat", "lhco", "calochallenge"] = Field(
        default="auto",
        description="how branches are named; lhco is a features file of the LHC Olympics, calochallenge a file of "
        "showers, of which tree names the geometry",
    )
    units: Unit | dict[str, Unit] = Field(
        default="GeV",
        description="of the input; everything inside is GeV. A mapping has the unit of branches by patterns, the last "
        "that matches deciding, and of all others under default",
    )
    beam_energy: float | None = Field(
        default=7000.0,
        gt=0,
        allow_inf_nan=False,
        description="GeV of one beam; a median momentum above shows a wrong unit. null leaves this check out",
    )
    selection: str | None = Field(default=None, description="boolean expression; events where it is false are not used")
    mass: str = Field(default="mjj(FatJet)", description="expression of the resonant mass")
    features: Features | None = Field(
        default=None, description="name -> expression, or the word dijet; that is what null means without constituents"
    )
    constituents: ConstituentsConfig | None = Field(
        default=None, description="read the particles of the jets instead of features"
    )
    weight: str | None = Field(default=None, description="expression of the event weight")
    truth: str | None = Field(default=None, description="expression that is true for signal, where the truth is known")
    identifiers: Identifiers = Field(
        default=None,
        description="expressions of run, luminosity block and event; or the word entry: the file and its position",
    )
    memory: str = Field(default="200 MB", description="ceiling of one chunk while reading")
    checksums: bool | dict[str, str] | File = Field(
        default=True,
        description="record the SHA-256 of every file; a mapping of file name -> SHA-256, or the path of a manifest of "
        "`cathode data manifest`, verifies it",
    )

    on_error: Literal["stop", "skip"] = Field(
        default="stop", description="of a file that can not be read; what is skipped is listed in result and report"
    )
    max_failed_fraction: float = Field(
        default=0, ge=0, le=1, description="of the files that may be skipped; one more is an error"
    )

    @field_validator("max_failed_fraction")
    @classmethod
    def _of_what_is_skipped(cls, value: float, info: ValidationInfo) -> float:
        if value and info.data.get("on_error") == "stop":
            raise ValueError("has an effect only with on_error: skip")
        return value

    @model_validator(mode="before")
    @classmethod
    def _something_to_read(cls, value: Any) -> Any:
        """Dijet features where nothing is said."""
        if not isinstance(value, Mapping) or value.get("constituents") is not None or value.get("features") is not None:
            return value
        return {**value, "features": "dijet"}

    @field_validator("memory")
    @classmethod
    def _enough_memory(cls, value: str) -> str:
        from analysis.errors import AnalysisError
        from analysis.io.chunks import SMALLEST, parse_memory

        try:
            size = parse_memory(value)
        except AnalysisError as error:
            raise ValueError(str(error).rstrip(".")) from None
        if size < SMALLEST:
            raise ValueError(f"{value!r} is {size:g} bytes; a ceiling is at least 1 MB, for example '200 MB'")
        return value

    @field_validator("constituents")
    @classmethod
    def _one_kind_of_event(cls, value: ConstituentsConfig | None, info: ValidationInfo) -> ConstituentsConfig | None:
        if value is not None and info.data.get("features") is not None:
            raise ValueError("can not be read together with features; remove one of them, or set it to null")
        if value is not None and info.data.get("layout") == "lhco":
            raise ValueError("are not in a features file of layout lhco; `cathode data cluster` makes a file with them")
        if value is not None and info.data.get("layout") == "calochallenge":
            raise ValueError("are particles of jets, which showers of layout calochallenge do not have; use features")
        return value


class RegionConfig(Section):
    """Where to look, in GeV; all intervals are half-open."""

    signal: tuple[float, float]
    sidebands: tuple[float | None, float | None] | None = Field(
        default=None, description="outer borders, null for none on that side; null alone uses every selected event"
    )
    veto: tuple[tuple[float, float], ...] = Field(
        default=(), description="ranges of mass that belong to no sideband, such as a known resonance"
    )
    sides: Literal["both", "below", "above"] = Field(
        default="both", description="below or above: one sideband alone, from which the background is extrapolated"
    )

    @field_validator("veto", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """One pair of numbers is one veto."""
        one = isinstance(value, list | tuple) and value and not any(isinstance(each, list | tuple) for each in value)
        return [value] if one else value

    @model_validator(mode="after")
    def _nested(self) -> Self:
        low, high = self.signal
        if not low < high:
            raise ValueError(f"signal must be [low, high] with low < high, got [{low:g}, {high:g}]")
        below, above = self.sidebands or (None, None)
        if self.sides == "both" and ((below is not None and below >= low) or (above is not None and above <= high)):
            raise ValueError(
                f"sidebands [{_edge(below)}, {_edge(above)}] must reach beyond signal [{low:g}, {high:g}] on both "
                "sides, unless sides: below or sides: above says that there is one sideband alone"
            )
        try:
            self.build()
        except RegionError as error:
            raise ValueError(str(error)) from error
        return self

    def build(self) -> Region:
        """What `cathode.Search` takes."""
        from cathode.region import Region

        return Region(*self.signal, *(self.sidebands or (None, None)), veto=self.veto, sides=self.sides)


def _edge(value: float | None) -> str:
    return "null" if value is None else f"{value:g}"


class ReweightingConfig(Section):
    """How the template is corrected by what a classifier still finds in the sidebands."""

    classifier: ClassifierConfig = Field(default_factory=lambda: ClassifierConfig())
    folds: int = Field(default=5, ge=2, description="parts of the sidebands; no event weights itself")
    clip: float = Field(
        default=10, gt=1, allow_inf_nan=False, description="bound of the density ratio, and draws per template event"
    )
    observables: ObservablesConfig | None = Field(default=None, description="null sees what the search sees")

    def build(self) -> Reweighting:
        """What `cathode.Search` takes."""
        from cathode.template.reweighting import Reweighting

        observables = None if self.observables is None else self.observables.build()
        return Reweighting(
            classifier=self.classifier.build(), folds=self.folds, clip=self.clip, observables=observables
        )


#: One section or a list of them, told apart before they are checked: else an error in one would be two errors.
Reweightings = Annotated[
    Annotated[ReweightingConfig, Tag(ONE)]
    | Annotated[tuple[ReweightingConfig, ...], Tag(SEVERAL), Field(min_length=1)],
    Discriminator(lambda value: SEVERAL if isinstance(value, list | tuple) else ONE),
]


class TemplateConfig(Section):
    """How the background template is made."""

    generator: GeneratorConfig = Field(default_factory=lambda: GeneratorConfig())
    oversampling: float = Field(default=4, gt=0, description="template events per event of the signal region")
    reweighting: Reweightings | None = Field(
        default=None, description="null leaves the template as it is drawn; a list is applied from first to last"
    )

    def reweightings(self) -> dict[str, ReweightingConfig]:
        """Path in this section -> reweighting, in their order."""
        found = self.reweighting
        if isinstance(found, tuple):
            return {f"reweighting.{number}": each for number, each in enumerate(found)}
        return {} if found is None else {"reweighting": found}


class ValidationConfig(Section):
    """How the template is tested before it is believed."""

    closure: bool = True
    region_fraction: Fraction = Field(
        default=0.5, description="width of a validation region over the width of the window"
    )
    members: int = Field(default=10, ge=1, description="members of the classifier that measures closure")
    repeats: int = Field(
        default=1, ge=1, description="templates, with classifiers of their own, over which the test is averaged"
    )
    idealised: File | None = Field(
        default=None, description="files of independent true background: the bound of any template"
    )

    @model_validator(mode="after")
    def _of_a_test_that_is_done(self) -> Self:
        if self.repeats > 1 and not self.closure:
            raise ValueError(f"repeats: {self.repeats} has no effect with closure: false. Remove one of them")
        return self


class ComparisonConfig(Section):
    """What `cathode compare` compares in the sidebands; no other verb looks at it."""

    generators: tuple[GeneratorConfig, ...] = Field(default=(), description="the candidates")
    validation_regions: tuple[tuple[float, float], ...] | None = Field(
        default=None, min_length=1, description="held-out ranges of sideband mass; null takes those of the validation"
    )
    best_states: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(), description="numbers of best states to try of candidates that keep more"
    )


class AnalysisConfig(Section):
    """One analysis, complete: what `cathode run` needs and nothing else."""

    data: DataConfig
    region: RegionConfig
    method: MethodConfig = Field(
        default_factory=lambda: MethodConfig(),
        description="where the background comes from and how data are told from it: cathode, cwola or anode",
    )
    mass_model: MassModelConfig = Field(default_factory=lambda: MassModelConfig())
    template: TemplateConfig = Field(default_factory=lambda: TemplateConfig())
    observables: ObservablesConfig = Field(default_factory=lambda: ObservablesConfig())
    classifier: ClassifierConfig = Field(default_factory=lambda: ClassifierConfig())
    folds: int = Field(default=5, ge=2)
    background_efficiencies: tuple[Fraction, ...] = Field(default=(1e-2, 1e-3), min_length=1)
    validation: ValidationConfig = Field(default_factory=lambda: ValidationConfig())
    comparison: ComparisonConfig = Field(default_factory=lambda: ComparisonConfig())
    calibration: File | None = Field(
        default=None, description="calibration.json of this search, as `cathode calibrate` writes it; corrects p-values"
    )
    seed: int = Field(default=1, ge=0)
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
        beside = (manifest, self.validation.idealised)
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

    def read_files(self, files: Iterable[str], progress: Progress | None = None, *, stage: str = "read") -> Events:
        """Read other files with the expressions of `data`."""
        from analysis.io.ntuples import read_events

        return read_events(**self._reading(files, progress, stage))

    def read_for_scores(self, files: Iterable[str], progress: Progress | None = None) -> Events:
        """Read other files with the expressions of `data` but without weights and truth; there may be no events."""
        from analysis.io.ntuples import iterate_events, joined

        return joined(iterate_events(**{**self._reading(files, progress, "read"), "weight": None, "truth": None}))

    def _reading(self, files: Iterable[str], progress: Progress | None, stage: str) -> dict[str, Any]:
        """Arguments of `read_events`."""
        from analysis.io.ntuples import ReadProgress

        def chunk_read(at: ReadProgress) -> None:
            if progress is not None:
                progress(stage, at.fraction, 1.0, f"file {at.file + 1} of {at.files}")

        data = self.data
        files = [*files]
        return {
            "files": [local_file(name) for name in files],
            "mass": data.mass,
            "features": data.features,
            "constituents": None if data.constituents is None else data.constituents.build(),
            "selection": data.selection,
            "tree": data.tree,
            "layout": data.layout,
            "units": data.units,
            "beam_energy": data.beam_energy,
            "weight": data.weight,
            "truth": data.truth,
            "identifiers": data.identifiers,
            "memory": data.memory,
            "checksums": _checksums(data.checksums, files),
            "on_error": data.on_error,
            "max_failed_fraction": data.max_failed_fraction,
            "progress": chunk_read,
        }

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
            closure_members=self.validation.members,
            closure_repeats=self.validation.repeats,
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


def _checksums(wanted: bool | dict[str, str] | str, files: Sequence[str]) -> bool | dict[str, str] | str:
    """What is compared: of data that come with the package what was published, where nothing else is said."""
    if wanted is not True or not all(name.startswith(EMBEDDED) for name in files):
        return wanted
    from analysis.datasets import describe

    return {local_file(name): describe(name.removeprefix(EMBEDDED))["sha256"] for name in files}


def _filled(value: Any) -> Any:
    return value.filled() if isinstance(value, Component) else value


def local_file(name: str) -> str:
    """Path of an input file, also of an embedded one."""
    if not name.startswith(EMBEDDED):
        return name
    from analysis.datasets import embedded

    return str(embedded(name.removeprefix(EMBEDDED)))
