"""`Diagnostics`: the arrays behind the figures of a run, stored beside its result."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.atomic import atomic_path
from cathode.errors import RunFolderError

Array = NDArray[np.floating[Any]]
FORMAT = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class RankingCurve:
    """A ROC curve with its significance improvement, over K thresholds.

    `sic` is NaN where too few background events are left to quote it.
    """

    signal_efficiency: Array
    background_efficiency: Array
    sic: Array
    sic_error: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class SculptingCurve:
    """The spectrum after a cut over efficiency × the spectrum before it: bins (B + 1,) in GeV, ratio and error (B,)."""

    background_efficiency: float
    edges: Array
    ratio: Array
    error: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Diagnostics:
    """What the report draws. Everything may be absent; the report shows what there is.

    Attributes
    ----------
    columns : names of the D features that are drawn: those of the classifier, or substructure of its constituents.
    mass, weights : (N,) all selected events, mass in GeV.
    x : (N, D) their features in the signal region, NaN outside of it.
    scores : (N,) held-out scores, NaN where an event has none.
    fold : (N,) fold of each event.
    truth : (N,) True for signal, where the truth is known.
    efficiencies : (E,) background efficiencies of the cuts.
    passes : (E, N) whether an event passes each cut.
    template_x, template_mass, template_scores, template_fold, template_weights : (T, D), (T,), (T,), (T,), (T,) the
        template, or whatever else stands for background.
    curve_mass, curve_density, curve_error : (K,) the mass model, in events per GeV.
    sculpting : one curve per cut that enough events pass; each has bins of its own.
    ranking, idealised : evaluation against the truth, of this search and of the same classifier with true background.
    """

    columns: tuple[str, ...] = ()
    mass: Array | None = None
    weights: Array | None = None
    x: Array | None = None
    scores: Array | None = None
    fold: NDArray[np.integer[Any]] | None = None
    truth: NDArray[np.bool_] | None = None
    efficiencies: Array | None = None
    passes: NDArray[np.bool_] | None = None
    template_x: Array | None = None
    template_mass: Array | None = None
    template_scores: Array | None = None
    template_fold: NDArray[np.integer[Any]] | None = None
    template_weights: Array | None = None
    curve_mass: Array | None = None
    curve_density: Array | None = None
    curve_error: Array | None = None
    sculpting: tuple[SculptingCurve, ...] = ()
    ranking: RankingCurve | None = None
    idealised: RankingCurve | None = None

    def save(self, path: Path) -> None:
        """Write a compressed .npz file, atomically."""
        arrays: dict[str, Any] = {"format": np.array(FORMAT)}
        for name, value in ((f.name, getattr(self, f.name)) for f in fields(self)):
            if name in _CURVES:
                for index, curve in enumerate(value if isinstance(value, tuple) else [value] if value else []):
                    arrays |= {f"{name}/{index}/{f.name}": getattr(curve, f.name) for f in fields(curve)}
            elif value is not None:
                arrays[name] = np.asarray(value)
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Inverse of `save`.

        Raises
        ------
        RunFolderError
            If the file is missing, damaged, or of another format version.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            version = int(arrays.pop("format", np.array(-1)))
        except Exception as error:
            # A damaged archive may fail in any of its layers.
            raise RunFolderError(f"{path}: can not be read ({error!r}). Run the search again.") from error
        if version != FORMAT:
            raise RunFolderError(f"{path}: not written by this version of the package. Run the search again.")
        try:
            found = cls(**_values(arrays))
            _require_shapes(found)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise RunFolderError(
                f"{path}: its arrays are not those of a run ({error}). Run the search again."
            ) from error
        return found


#: Shape of every array in letters; equal letters are equal lengths. What counts or is true or false is no fraction.
_SHAPES = {
    **dict.fromkeys(("mass", "weights", "scores", "fold", "truth"), "N"),
    **dict.fromkeys(("template_mass", "template_scores", "template_fold"), "T"),
    **dict.fromkeys(("curve_mass", "curve_density", "curve_error"), "K"),
    "x": "ND",
    "template_x": "TD",
    "efficiencies": "E",
    "passes": "EN",
}
_KINDS = {"fold": "iu", "template_fold": "iu", "truth": "b", "passes": "b"}


def _require_shapes(found: Diagnostics) -> None:
    """Refuse arrays that do not fit together, by a `ValueError`."""
    lengths: dict[str, int] = {"D": len(found.columns)} if found.x is not None or found.template_x is not None else {}
    for name, letters in _SHAPES.items():
        array = getattr(found, name)
        if array is None:
            continue
        fits = array.dtype.kind in _KINDS.get(name, "f") and array.ndim == len(letters)
        if not fits or any(lengths.setdefault(a, n) != n for a, n in zip(letters, array.shape, strict=True)):
            raise ValueError(f"'{name}' is {array.dtype} of the shape {array.shape}")
    for shape in found.sculpting:
        _require_curve("sculpting", len(shape.edges) - 1, shape.ratio, shape.error)
    for name in ("ranking", "idealised"):
        curve = getattr(found, name)
        if curve is not None:
            _require_curve(name, *(getattr(curve, f.name) for f in fields(curve)))


def _require_curve(name: str, *parts: Any) -> None:
    lengths = {part if isinstance(part, int) else len(part) for part in parts}
    if len(lengths) != 1 or any(
        np.ndim(part) not in (0, 1) or np.asarray(part).dtype.kind not in "fi" for part in parts
    ):
        raise ValueError(f"the curves of '{name}' differ in length, or are none")


def _values(arrays: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {name: value for name, value in arrays.items() if "/" not in name}
    values["columns"] = tuple(str(c) for c in arrays.get("columns", ()))
    for name, curve in _CURVES.items():
        count = len({key.split("/")[1] for key in arrays if key.startswith(f"{name}/")})
        parts = tuple(_curve(curve, arrays, f"{name}/{index}/") for index in range(count))
        values[name] = parts if name == "sculpting" else (parts[0] if parts else None)
    return values


_CURVES: dict[str, type[Any]] = {"sculpting": SculptingCurve, "ranking": RankingCurve, "idealised": RankingCurve}


def _curve(curve: type[Any], arrays: dict[str, Any], prefix: str) -> Any:
    stored = {f.name: arrays[prefix + f.name] for f in fields(curve)}
    return curve(**{name: value.item() if value.ndim == 0 else value for name, value in stored.items()})
