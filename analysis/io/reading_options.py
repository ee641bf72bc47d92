"""What can be said of a reading, declared once: arguments of `read_events`, and keys of `data` in an analysis file.

The type and the default of an option are those of its field; its description, and its bounds where there are any, are
in the metadata of the field.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from analysis.errors import ExpressionError

if TYPE_CHECKING:
    from analysis.io.checksums import Checksums
    from analysis.io.paths import Files
    from analysis.io.units import Declaration

#: GeV of one beam of the LHC, with some room above.
BEAM_ENERGY = 7000.0

P = ParamSpec("P")
D = TypeVar("D")
R = TypeVar("R")


def said(description: str, **bounds: float | bool) -> dict[str, Any]:
    """Metadata of an option."""
    return {"description": description, **bounds}


@dataclass(frozen=True)
class ConstituentOptions:
    """Which constituents of which jets to read; `analysis.Constituents` says what becomes of them."""

    _: KW_ONLY
    leading: int = field(default=64, metadata=said("constituents to keep of each jet, the hardest", ge=1))
    jets_per_event: int = field(default=2, metadata=said("jets to keep, the hardest", ge=1))
    collection: str = field(default="PFCands", metadata=said("the constituents, as in PFCands_pt"))
    jets: str = field(default="FatJet", metadata=said("the jets, as in FatJet_pt"))
    jet_index: str = field(
        default="jetIdx",
        metadata=said("field with the position of the jet in the order of the file, -1 for none: PFCands_jetIdx"),
    )
    links: str | None = field(
        default=None, metadata=said("collection that joins both; null finds the one called like FatJetPFCands")
    )
    constituent_index: str | None = field(
        default=None,
        metadata=said("field of the links with the position of the constituent; null finds pFCandsIdx, in any case"),
    )


@dataclass(frozen=True)
class ReadingOptions:
    """What to read of which files, and how."""

    files: Files = field(
        metadata=said("ROOT, HDF5, parquet or numpy files, or folders of parquet; also patterns and URLs")
    )
    _: KW_ONLY
    tree: str | None = field(
        default=None,
        metadata=said(
            "name of the TTree or RNTuple; null takes the only one, or Events, CollectionTree or EventData. Of a "
            "features file of the LHC Olympics it names the data frame, of a file of showers the geometry"
        ),
    )
    layout: str = field(
        default="auto",
        metadata=said(
            "how branches and event numbers are named: auto, nanoaod, physlite or flat; lhco is a features file of the "
            "LHC Olympics, whose truth is its label, calochallenge a file of showers, of which tree names the geometry"
        ),
    )
    units: Declaration = field(
        default="GeV",
        metadata=said(
            "GeV, MeV, TeV or none, of the input; everything inside is GeV. A mapping has the unit of branches by "
            "patterns, the last that matches deciding, and of all others under default"
        ),
    )
    beam_energy: float | None = field(
        default=BEAM_ENERGY,
        metadata=said(
            "GeV of one beam; a median momentum above, or jets far below, show a wrong unit. null leaves this out",
            gt=0,
            allow_inf_nan=False,
        ),
    )
    selection: str | None = field(
        default=None, metadata=said("boolean expression; events where it is false are not used. null takes all")
    )
    mass: str = field(metadata=said("expression of the resonant mass, in GeV"))
    features: Mapping[str, str] | str | None = field(
        default=None,
        metadata=said("name -> expression, of events that are feature vectors; or a set by its name: dijet"),
    )
    constituents: ConstituentOptions | None = field(
        default=None, metadata=said("read the particles of the jets instead of features")
    )
    weight: str | None = field(default=None, metadata=said("expression of the event weight, of either sign; null is 1"))
    truth: str | None = field(
        default=None, metadata=said("expression that is true for signal, where the truth is known")
    )
    identifiers: str | Sequence[str] | None = field(
        default=None,
        metadata=said(
            "expressions of run, luminosity block and event, of run and event, or of the event; null takes those of "
            "the layout. The word entry numbers events by their file, known by its content, and their position in it"
        ),
    )
    memory: str | int = field(
        default="200 MB", metadata=said("ceiling of one chunk while reading; the selected events come on top")
    )
    checksums: Checksums | str | os.PathLike[str] = field(
        default=False,
        metadata=said(
            "true records the SHA-256 of every file; a mapping of file name -> SHA-256, or the path of a manifest of "
            "`cathode data manifest` or of sha256sum, verifies it"
        ),
    )
    on_error: str = field(
        default="stop",
        metadata=said(
            "of a file that can not be read: stop, or skip; what is skipped is listed in result and report. A file "
            "without entries is no error"
        ),
    )
    max_failed_fraction: float = field(
        default=0.0, metadata=said("of the files that may be skipped; one more is an error", ge=0, le=1)
    )

    def __post_init__(self) -> None:
        """Look up a set of features.

        Raises
        ------
        ExpressionError
            If there is none of that name, or features have no names.
        """
        if isinstance(self.features, str):
            from analysis.features.dijets import feature_set

            object.__setattr__(self, "features", feature_set(self.features))
        elif self.features is not None and not isinstance(self.features, Mapping):
            raise ExpressionError(
                f"features = {self.features!r} must be a mapping of name to expression, or a set by its name: 'dijet'."
            )

    @property
    def expressions(self) -> Mapping[str, str] | None:
        """Name -> expression of every feature; None where constituents are read."""
        assert not isinstance(self.features, str)
        return self.features


def taking(options: Callable[P, D]) -> Callable[[Callable[[D], R]], Callable[P, R]]:
    """Let a function of options be called with their fields as arguments, and documented by them.

    >>> @dataclass
    ... class Size:
    ...     width: int
    ...     height: int = field(default=2, metadata=said("of the wall"))
    >>> area = taking(Size)(lambda size: size.width * size.height)
    >>> area(3), area(3, height=5)
    (6, 15)
    """

    def with_arguments(function: Callable[[D], R]) -> Callable[P, R]:
        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            return function(options(*args, **kwargs))

        arguments, returned = inspect.signature(options), inspect.signature(function).return_annotation
        called.__signature__ = arguments.replace(return_annotation=returned)  # type: ignore[attr-defined]
        if function.__doc__ is not None:
            called.__doc__ = inspect.cleandoc(function.__doc__) + "\n\n" + _parameters(options)
        return called

    return with_arguments


def _parameters(options: Any) -> str:
    lines = (f"{each.name} : {each.metadata.get('description', '')}" for each in dataclasses.fields(options))
    return re.sub(r"\bnull\b", "None", "\n".join(("Parameters", "----------", *lines)))
