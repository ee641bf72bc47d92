"""The section `data` of an analysis file: what to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from analysis.errors import FeatureNameError
from analysis.feature_names import check_feature_names
from cathode.config.section import EMBEDDED, File, Files, Section, local_file

if TYPE_CHECKING:
    from analysis.io.constituents import Constituents


def _feature_set(value: Any) -> Any:
    if value == "dijet":
        from analysis.features.dijets import DIJET_FEATURES

        return dict(DIJET_FEATURES)
    if isinstance(value, str):
        raise ValueError("must be a mapping of name to expression, or the word 'dijet', or 'voxels' of showers")
    if isinstance(value, Mapping):
        try:
            check_feature_names(value)
        except FeatureNameError as error:
            raise ValueError(str(error)) from error
    return value


def _voxels(data: Mapping[str, Any]) -> dict[str, str]:
    """A feature for every voxel of the geometry that `tree` names."""
    from analysis.errors import nearest
    from analysis.showers.detectors import GEOMETRIES, geometry

    tree = data.get("tree")
    if data.get("layout") != "calochallenge":
        raise ValueError("features: voxels are of showers, which layout: calochallenge reads")
    if tree not in GEOMETRIES:
        raise ValueError(f"tree has to name the geometry of the showers. {nearest(str(tree), GEOMETRIES)}")
    return {f"voxel_{number}": f"Voxel[{number}]" for number in range(geometry(tree).voxels)}


Features = Annotated[
    dict[str, str],
    BeforeValidator(_feature_set),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["dijet", "voxels"]},
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
        default=None,
        description="name -> expression, or the word dijet; that is what null means without constituents. The word "
        "voxels means all voxels of showers",
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
    auxiliary: dict[str, Files] = Field(
        default_factory=dict,
        description="samples that are no data, by name, such as simulation; read with the same expressions, for "
        "methods that need them",
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
        """Dijet features where nothing is said; of showers their energy and all voxels."""
        if not isinstance(value, Mapping) or value.get("constituents") is not None:
            return value
        if value.get("layout") == "calochallenge":
            value = {"mass": "e_rec", **value}
        if value.get("features") is None:
            value = {**value, "features": "voxels" if value.get("layout") == "calochallenge" else "dijet"}
        return {**value, "features": _voxels(value)} if value["features"] == "voxels" else value

    @model_validator(mode="after")
    def _showers_have_units(self) -> Self:
        if self.layout == "calochallenge" and self.units != "GeV":
            raise ValueError("units: files of showers say their units by their layout; leave units out")
        return self

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


def checksums_of(wanted: bool | dict[str, str] | str, files: Sequence[str]) -> bool | dict[str, str] | str:
    """What is compared: of data that come with the package what was published, where nothing else is said."""
    if wanted is not True or not all(name.startswith(EMBEDDED) for name in files):
        return wanted
    from analysis.datasets import describe

    return {local_file(name): describe(name.removeprefix(EMBEDDED))["sha256"] for name in files}
