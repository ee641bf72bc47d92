"""Trees as what they are: partitions of the binned features into boxes with a value each.

A row is in exactly one box of a tree. For every feature a table says, bit by bit, which boxes allow a bin; the AND over
the features leaves the one bit of the box (cf. QuickScorer, Lucchese et al., SIGIR 2015). That is four look-ups where
walking down the tree takes ten unpredictable branches, and what was saved is scored without the library that grew it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cathode.classifiers.parallel import ordered_map

#: Boxes that a tree may have: bits of the largest integer.
MAX_BOXES = 64
#: Bins of a feature: values of a byte.
MAX_BINS = 256

#: Rows scored at once by one thread; the work space stays in the cache.
_CHUNK = 1 << 15

Edges = tuple[NDArray[np.float64], ...]
#: Lower and upper bins (boxes, D) and values (boxes,) of a tree.
Boxes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]


def bin_edges(x: NDArray[np.float64], weights: NDArray[np.float64], bins: int) -> Edges:
    """Inner edges of at most `bins` bins of equal weight for every column of x (N, D)."""
    levels = np.arange(1, bins) / bins
    same = weights.min() == weights.max()
    edges = []
    for column in x.T:
        found = np.quantile(column, levels, method="inverted_cdf", weights=None if same else weights)
        edges.append(np.unique(found))
    return tuple(edges)


def bin_numbers(x: NDArray[np.float64], edges: Edges) -> NDArray[np.uint8]:
    """Bin of every value of x (N, D): the number of edges below it, (N, D)."""
    out = np.empty(x.shape, dtype=np.uint8)
    for column, inner in enumerate(edges):
        out[:, column] = np.searchsorted(inner, x[:, column])
    return out


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees of one boosted classifier, whose sum with `baseline` is the logarithm of p / (1 − p).

    Attributes
    ----------
    lower, upper : (boxes, D) uint8, first and last bin of every box, all trees one after the other.
    value : (boxes,) what a box adds to the sum.
    boxes : (trees,) number of boxes of every tree.
    baseline : the sum without trees.
    """

    lower: NDArray[np.uint8]
    upper: NDArray[np.uint8]
    value: NDArray[np.float64]
    boxes: NDArray[np.int64]
    baseline: float

    def add(self, bins: NDArray[np.uint8], out: NDArray[np.float64]) -> None:
        """Add to `out` (N,) what the trees say of binned rows (D, N); the baseline is not among it."""
        from cathode.classifiers.box_kernels import add_pairs, add_trees

        if len(self.boxes) == 0:
            return
        tables, values = self._tables
        (add_trees if values.ndim == 2 else add_pairs)(bins, tables, values, out)

    @cached_property
    def _tables(self) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """Which boxes a bin allows, bit by bit, and the value of each bit; small trees share a word by twos."""
        from cathode.classifiers.box_kernels import values_by_bit

        bits = 32 if self.boxes.max() <= 32 else 64
        ends = np.cumsum(self.boxes)
        starts = ends - self.boxes
        # A tree without a partner is told from one of a single box by nothing: that adds zero, and to every row.
        trees = len(self.boxes) + (len(self.boxes) % 2 if bits == 32 else 0)
        values = np.zeros((trees, bits))
        for tree, (start, end) in enumerate(zip(starts, ends, strict=True)):
            values[tree] = values_by_bit(self.value[start:end], bits)
        allowed = self._allowed(trees, starts)
        if bits == 64:
            return allowed, values
        return allowed[0::2] | allowed[1::2] << np.uint64(32), values.reshape(-1, 2, bits)

    def _allowed(self, trees: int, starts: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Bits of the boxes that allow each bin, (trees, D, 256)."""
        tree = np.repeat(np.arange(len(self.boxes)), self.boxes)
        bit = np.left_shift(1, np.arange(len(self.value)) - starts[tree], dtype=np.uint64, casting="unsafe")
        allowed = np.zeros((trees, self.lower.shape[1], MAX_BINS + 1), dtype=np.uint64)
        for column in range(self.lower.shape[1]):
            # Bits are added where a box begins and taken away behind its end; unsigned sums wrap around and come back.
            np.add.at(allowed[:, column], (tree, self.lower[:, column].astype(np.int64)), bit)
            np.subtract.at(allowed[:, column], (tree, self.upper[:, column].astype(np.int64) + 1), bit)
        return np.ascontiguousarray(np.cumsum(allowed, axis=2, dtype=np.uint64)[:, :, :MAX_BINS])


@dataclass(frozen=True, eq=False)
class Forest:
    """Members of an ensemble over the same bins; its score is the mean of their probabilities."""

    edges: Edges
    members: tuple[Trees, ...]

    def score(self, x: NDArray[np.float64], *, jobs: int) -> NDArray[np.float64]:
        """Mean probability of the rows of x (N, D), (N,); the same numbers whatever `jobs` is."""
        chunks = [x[start : start + _CHUNK] for start in range(0, len(x), _CHUNK)]

        def score_chunk(rows: NDArray[np.float64]) -> NDArray[np.float64]:
            from scipy.special import expit

            bins = np.ascontiguousarray(bin_numbers(rows, self.edges).T)
            total = np.zeros(len(rows))
            for member in self.members:
                total += expit(raw_scores(member, bins))
            return total / len(self.members)

        parts = ordered_map(score_chunk, chunks, jobs=max(1, min(jobs, len(chunks))))
        return np.concatenate(parts) if parts else np.empty(0)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays."""
        out: dict[str, NDArray[Any]] = {f"edges.{column}": inner for column, inner in enumerate(self.edges)}
        for name in ("lower", "upper", "value", "boxes"):
            out[name] = np.concatenate([getattr(member, name) for member in self.members])
        out["trees"] = np.array([len(member.boxes) for member in self.members])
        out["baseline"] = np.array([member.baseline for member in self.members])
        return out

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Forest:
        """The inverse of `to_arrays`; KeyError or ValueError if they are not a forest's."""
        _require_forest(arrays)
        edges = tuple(arrays[f"edges.{column}"] for column in range(arrays["lower"].shape[1]))
        ends = np.cumsum(arrays["trees"])[:-1]
        boxes = np.split(arrays["boxes"], ends)
        cuts = np.cumsum([each.sum() for each in boxes])[:-1]
        lower, upper, value = (np.split(arrays[name], cuts) for name in ("lower", "upper", "value"))
        members = zip(lower, upper, value, boxes, arrays["baseline"].tolist(), strict=True)
        return cls(edges, tuple(Trees(*member) for member in members))


def _require_forest(arrays: dict[str, NDArray[Any]]) -> None:
    """Refuse arrays whose types, shapes or counts do not fit together."""
    lower, upper, value, boxes, trees, baseline = (
        arrays[name] for name in ("lower", "upper", "value", "boxes", "trees", "baseline")
    )
    kinds = {"lower": "u", "upper": "u", "value": "f", "boxes": "i", "trees": "i", "baseline": "f"}
    for name, kind in kinds.items():
        if arrays[name].dtype.kind != kind or arrays[name].ndim != (2 if kind == "u" else 1):
            raise ValueError(f"'{name}' is {arrays[name].dtype} of the shape {arrays[name].shape}")
    if lower.dtype != np.uint8 or upper.dtype != np.uint8 or lower.shape != upper.shape or (lower > upper).any():
        raise ValueError("'lower' and 'upper' are no bins of the same boxes")
    counted = len(trees) == len(baseline) >= 1 and bool((trees >= 0).all()) and int(trees.sum()) == len(boxes)
    if not counted or ((boxes < 1) | (boxes > MAX_BOXES)).any() or not int(boxes.sum()) == len(lower) == len(value):
        raise ValueError("members, trees and boxes are not as many as counted")
    if not (np.isfinite(value).all() and np.isfinite(baseline).all()):
        raise ValueError("a box or a baseline has no finite value")
    for column in range(lower.shape[1]):
        inner = arrays[f"edges.{column}"]
        if inner.dtype.kind != "f" or inner.ndim != 1 or len(inner) >= MAX_BINS or not (np.diff(inner) > 0).all():
            raise ValueError(f"'edges.{column}' are not the rising edges of at most {MAX_BINS} bins")


def boxes_of(nodes: NDArray[Any], features: int) -> Boxes:
    """Lower and upper bins (boxes, D) and values (boxes,) of a tree given as scikit-learn's node records.

    A node sends bin ≤ `num_threshold` of `feature_idx` to `left`, the others to `right`.
    """
    low, high, values = [], [], []
    children = list(
        zip(
            *(nodes[n].tolist() for n in ("is_leaf", "value", "feature_idx", "num_threshold", "left", "right")),
            strict=True,
        )
    )
    waiting = [(0, [0] * features, [MAX_BINS - 1] * features)]
    while waiting:
        number, lower, upper = waiting.pop()
        leaf, value, feature, threshold, left, right = children[number]
        if leaf:
            low.append(lower)
            high.append(upper)
            values.append(value)
            continue
        split = int(np.floor(threshold))
        waiting.append((left, lower, [*upper[:feature], split, *upper[feature + 1 :]]))
        waiting.append((right, [*lower[:feature], split + 1, *lower[feature + 1 :]], upper))
    return np.array(low, np.uint8), np.array(high, np.uint8), np.array(values)


def joined(trees: Sequence[Boxes], features: int, baseline: float) -> Trees:
    """Trees from the boxes of each; none at all is the constant `baseline`."""
    if not trees:
        none = np.empty((0, features), np.uint8)
        return Trees(none, none, np.empty(0), np.empty(0, np.int64), baseline)
    lower, upper, value = (np.concatenate(parts) for parts in zip(*trees, strict=True))
    return Trees(lower, upper, value, np.array([len(each[2]) for each in trees], np.int64), baseline)


def raw_scores(trees: Trees, bins: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Baseline and sum of the trees for binned rows (D, N), (N,)."""
    total = np.full(bins.shape[1], trees.baseline)
    trees.add(bins, total)
    return total
