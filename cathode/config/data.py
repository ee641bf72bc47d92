"""The section `data` of an analysis file: what to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from analysis.errors import FeatureNameError
from analysis.feature_names import check_feature_names
from analysis.io.paths import EMBEDDED, local_path
from analysis.io.reading_options import ConstituentOptions, ReadingOptions
from cathode.config.section import File, Files, Section

if TYPE_CHECKING:
    from analysis.io.constituents import Constituents


def _feature_set(value: Any) -> Any:
    if isinstance(value, str):
        from analysis.features.dijets import FEATURE_SETS

        if value not in FEATURE_SETS:
            names = ", ".join(f"'{name}'" for name in FEATURE_SETS)
            raise ValueError(f"must be a mapping of name to expression, one of {names}, or 'voxels' of showers")
        return dict(FEATURE_SETS[value])
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
                {"enum": ["dijet", "dijet_dr", "dijet_tau", "dijet_shifted", "voxels"]},
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


# What pydantic freezes is no frozen dataclass to mypy.
class ConstituentsConfig(Section, ConstituentOptions):  # type: ignore[misc]
    """Which constituents of which jets to read."""

    def build(self) -> Constituents:
        """What `analysis.read_events` takes."""
        from analysis.io.constituents import Constituents

        return Constituents(**self.model_dump())


class DataConfig(Section, ReadingOptions):  # type: ignore[misc]
    """What to read: the options of `analysis.read_events`, as a file says them."""

    files: Files = Field(
        description="ROOT, HDF5, parquet or numpy files, folders of parquet; globs, URLs and embedded:dijets are known"
    )
    layout: Literal["auto", "nanoaod", "physlite", "flat", "lhco", "calochallenge"] = "auto"
    units: Unit | dict[str, Unit] = "GeV"
    mass: str = "mjj(FatJet)"
    features: Features | None = Field(
        default=None,
        description="name -> expression, or a set of features by name: dijet, which is what null means without "
        "constituents, dijet_dr, dijet_tau, dijet_shifted, or voxels, which are all voxels of showers",
    )
    constituents: ConstituentsConfig | None = None
    identifiers: Identifiers = None
    memory: str = "200 MB"
    checksums: bool | dict[str, str] | File = True
    on_error: Literal["stop", "skip"] = "stop"
    auxiliary: dict[str, Files] = Field(
        default_factory=dict,
        description="samples that are no data, by name, such as simulation; read with the same expressions, for "
        "methods that need them",
    )

    def reading(self, files: Iterable[str]) -> ReadingOptions:
        """These options for other files."""
        files = [*files]
        return ReadingOptions(
            **{
                **{each.name: getattr(self, each.name) for each in fields(ReadingOptions)},
                "files": [local_path(name) for name in files],
                "checksums": checksums_of(self.checksums, files),
            }
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

    return {local_path(name): describe(name.removeprefix(EMBEDDED))["sha256"] for name in files}
