"""`Jets`: single jets as clouds of particles, what the loaders of JetNet and JetClass return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConstituentError, NonFiniteError

COORDINATES = ("etarel", "phirel", "ptrel")


@dataclass(frozen=True, eq=False)
class Jets:
    """Jets with their particles relative to the jet.

    Attributes
    ----------
    clouds : (N, P, F ≥ 3) float32: η and φ relative to the jet, pT over that of the jet, then any others; particles
        that are not there are all zero.
    features : (N, K) float32, of the jets; pT and mass in GeV.
    labels : (N,) int64, positions in `classes`.
    columns : names of the last axis of `clouds`, etarel, phirel, ptrel first.
    feature_columns : names of the features.
    classes : names of the kinds of jets.

    Raises
    ------
    ConstituentError
        If shapes and names disagree, or a particle without momentum is not all zero.
    NonFiniteError
        If a number is NaN or infinite.
    """

    clouds: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    columns: tuple[str, ...]
    feature_columns: tuple[str, ...]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "clouds", np.asarray(self.clouds, dtype=np.float32))
        put(self, "features", np.asarray(self.features, dtype=np.float32))
        put(self, "labels", np.asarray(self.labels, dtype=np.int64))
        for name in ("columns", "feature_columns", "classes"):
            put(self, name, tuple(getattr(self, name)))
        n = len(self.labels)
        if self.columns[:3] != COORDINATES or self.clouds.ndim != 3 or self.clouds.shape[2] != len(self.columns):
            raise ConstituentError(
                f"clouds of shape {self.clouds.shape} with columns {self.columns}: (N, P, F) is needed, with F names "
                f"that begin with {', '.join(COORDINATES)}."
            )
        if len(self.clouds) != n or self.features.shape != (n, len(self.feature_columns)):
            raise ConstituentError(
                f"{len(self.clouds)} clouds, features of shape {self.features.shape} with the names "
                f"{self.feature_columns} and {n} labels do not belong together."
            )
        if n and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise ConstituentError(
                f"labels go from {self.labels.min()} to {self.labels.max()}; classes: {self.classes}."
            )
        self._refuse_non_finite()
        absent = self.clouds[..., 2] == 0
        if (self.clouds[..., 2] < 0).any() or self.clouds[absent].any():
            raise ConstituentError("A particle has negative momentum, or none but other values; absent ones are zeros.")

    def _refuse_non_finite(self) -> None:
        for kind, values, names in (
            ("particles", self.clouds, self.columns),
            ("jets", self.features, self.feature_columns),
        ):
            for name, one in zip(names, np.moveaxis(values, -1, 0), strict=True):
                bad = ~np.isfinite(one)
                if bad.any():
                    raise NonFiniteError(f"'{name}' of {int(bad.sum())} {kind} is NaN or infinite.")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | NDArray[np.bool_] | NDArray[np.integer[Any]]) -> Self:
        """Jets by mask, slice or indices."""
        return replace(self, clouds=self.clouds[index], features=self.features[index], labels=self.labels[index])

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which particles are there, (N, P)."""
        return self.clouds[..., 2] > 0

    @property
    def multiplicity(self) -> NDArray[np.int64]:
        """Particles per jet, (N,)."""
        return np.asarray(np.count_nonzero(self.mask, axis=1), dtype=np.int64)

    def feature(self, name: str) -> NDArray[np.float32]:
        """One feature by name, (N,)."""
        if name not in self.feature_columns:
            raise ConstituentError(f"No feature '{name}'; there are {', '.join(self.feature_columns)}.")
        return self.features[:, self.feature_columns.index(name)]

    @classmethod
    def concatenate(cls, parts: Sequence[Jets]) -> Jets:
        """Join jets of the same columns and classes."""
        if len({(p.columns, p.feature_columns, p.classes, p.clouds.shape[1]) for p in parts}) != 1:
            raise ConstituentError("Jets join only if there are some, with the same particles, columns and classes.")
        return replace(
            parts[0],
            clouds=np.concatenate([p.clouds for p in parts]),
            features=np.concatenate([p.features for p in parts]),
            labels=np.concatenate([p.labels for p in parts]),
        )
