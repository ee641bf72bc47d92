"""What HDF5 would answer without data: fill values of what was never written, sources that are gone, other files."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import InputFileError, NtupleReadError

_FLETCHER32 = 3
_DEEPEST_SOURCE = 8
_LARGEST_MASK = 100_000_000


def refuse_fill_values(dataset: Any, path: str) -> None:
    """Refuse a data set of which any value is not stored, because HDF5 gives its fill value instead, without an error.

    Raises
    ------
    InputFileError
        If a filter is missing, the values are in other raw files, the source of a virtual data set is not there, or
        parts were never written; the message names data set and file.
    """
    _refuse(dataset, f"'{path}', '{dataset.name}'", _DEEPEST_SOURCE)


def has_checksums(dataset: Any) -> bool:
    """Whether every stored value is under a Fletcher-32 checksum, which HDF5 compares whenever it reads."""
    properties = dataset.id.get_create_plist()
    codes = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if _FLETCHER32 not in codes or dataset.is_virtual:
        return False
    skipped = 1 << codes.index(_FLETCHER32)
    return not any(mask & skipped for mask in _chunk_masks(dataset))


def _refuse(dataset: Any, place: str, left: int) -> None:
    _refuse_missing_filters(dataset, place)
    if dataset.external:
        files = ", ".join(f"'{name}'" for name, _, _ in dataset.external[:3])
        raise InputFileError(
            f"{place} keeps its values in other files ({files}), which are not followed. Copy them into the HDF5 file."
        )
    if dataset.size == 0:
        return
    if dataset.is_virtual:
        _refuse_missing_sources(dataset, place, left)
    elif dataset.chunks is not None:
        wanted = int(np.prod([-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)]))
        stored = len(_chunk_masks(dataset))
        if stored < wanted:
            raise InputFileError(
                f"{place} was not written completely: {wanted - stored} of {wanted} chunks are missing, which would be "
                "read as fill values. Write the file again."
            )
    else:
        stored, wanted = dataset.id.get_storage_size(), dataset.size * dataset.id.get_type().get_size()
        if stored == 0:
            raise InputFileError(f"{place} was never written, and would be read as fill values. Write the file again.")
        if stored < wanted:
            raise NtupleReadError(f"{place} has {stored} of its {wanted} bytes: the file is damaged. Copy it again.")


def _chunk_masks(dataset: Any) -> list[int]:
    """Filters that each stored chunk skipped, as bits."""
    masks: list[int] = []
    dataset.id.chunk_iter(lambda chunk: masks.append(int(chunk.filter_mask)))
    return masks


def _refuse_missing_filters(dataset: Any, place: str) -> None:
    properties = dataset.id.get_create_plist()
    for i in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(i)
        if not _can_decode(code):
            _load_filters()
        if not _can_decode(code):
            called = name.decode(errors="replace") or "without a name"
            raise InputFileError(
                f"{place} is compressed with the filter {code} ({called}), which is not installed. Write the file "
                "again with another, such as gzip."
            )


def _can_decode(code: int) -> bool:
    import h5py

    if not h5py.h5z.filter_avail(code):
        return False
    return bool(h5py.h5z.get_filter_info(code) & h5py.h5z.FILTER_CONFIG_DECODE_ENABLED)


def _load_filters() -> None:
    """Blosc, Zstandard, LZ4, bzip2 and others, which HDF5 itself lacks."""
    with suppress(ImportError):
        import hdf5plugin  # noqa: F401


def _refuse_missing_sources(dataset: Any, place: str, left: int) -> None:
    if left == 0:
        raise InputFileError(f"{place} is a virtual data set of virtual data sets without an end.")
    spaces = []
    for source in dataset.virtual_sources():
        _refuse_missing_source(dataset, source, place, left)
        spaces.append(source.vspace)
    if not _covered(dataset.shape, spaces):
        raise InputFileError(
            f"{place} is a virtual data set whose sources do not cover all of its {dataset.shape[0]} rows; the rest "
            "would be read as fill values. Write it again."
        )


def _refuse_missing_source(dataset: Any, source: Any, place: str, left: int) -> None:
    import h5py

    from analysis.io.hdf5_links import open_node

    called = f"'{source.dset_name}' of '{source.file_name}'"
    missing = f"{place} is a virtual data set, and its source {called}"
    if "%" in source.file_name or "%" in source.dset_name:
        raise InputFileError(f"{missing} is a pattern, which is not followed. Name the sources one by one.")
    if source.file_name == ".":
        file, opened = dataset.file, None
    else:
        name = os.path.join(os.path.dirname(os.path.abspath(dataset.file.filename)), source.file_name)
        if not os.path.isfile(name):
            raise InputFileError(f"{missing} is not there, so it would be read as fill values. Put it back.")
        file = opened = h5py.File(name, "r", locking="best-effort")
    try:
        try:
            node = open_node(file, source.dset_name)
        except KeyError:
            node = None
        if not isinstance(node, h5py.Dataset):
            raise InputFileError(f"{missing} has no such data set, so it would be read as fill values. Put it back.")
        if not _has(node, source):
            raise InputFileError(f"{missing} has only the shape {node.shape}; the rest would be read as fill values.")
        _refuse(node, f"'{file.filename}', '{node.name}'", left - 1)
    finally:
        if opened is not None:
            opened.close()


def _has(node: Any, source: Any) -> bool:
    """Whether a source is large enough for what is taken of it."""
    import h5py

    if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:
        return bool(node.size >= source.vspace.get_select_npoints())
    _, last = source.src_space.get_select_bounds()
    return len(last) == node.ndim and all(end < n for end, n in zip(last, node.shape, strict=True))


def _covered(shape: tuple[int, ...], spaces: list[Any]) -> bool:
    """Whether the selections of all sources together are the whole data set."""
    blocks = [block for space in spaces for block in _blocks(space, shape)]
    if all(start[1:] == (0,) * len(start[1:]) and stop[1:] == shape[1:] for start, stop in blocks):
        reached = 0
        for first, last in sorted((start[0], stop[0]) for start, stop in blocks):
            if first > reached:
                return False
            reached = max(reached, last)
        return reached >= shape[0]
    if np.prod(shape) > _LARGEST_MASK:
        return False
    mask: NDArray[np.bool_] = np.zeros(shape, dtype=bool)
    for start, stop in blocks:
        mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return bool(mask.all())


def _blocks(space: Any, shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Corners of the blocks of a selection: first, and one past the last."""
    import h5py

    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return [((0,) * len(shape), shape)]
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS:
        return []
    corners = space.get_select_hyper_blocklist()
    return [(tuple(map(int, first)), tuple(int(n) + 1 for n in last)) for first, last in corners]
