"""Training checkpoints: one safetensors file that is either whole or absent, with a hash over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from generators.atomic import write_bytes
from generators.errors import CheckpointError
from generators.training.processes import first_process

_KEY = "tree"
_HASH = "sha256"


def write_checkpoint(path: Path, tree: dict[str, Any]) -> None:
    """Write nested dictionaries and lists of tensors and JSON scalars to `path`, atomically.

    A tensor that is in several places is written once. Of several processes that train together, the first writes.
    """
    from safetensors.torch import save

    if not first_process():
        return
    tensors: dict[str, Tensor] = {}
    skeleton = json.dumps(_detach(tree, tensors, {}))
    digest = _digest(skeleton, tensors)
    data = save(tensors, metadata={_KEY: skeleton, _HASH: digest})
    write_bytes(path, data)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote.

    Raises
    ------
    CheckpointError
        If the file is truncated, altered, or something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Clones, because safetensors hands out views of the mapped file that a later write would replace.
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 (not a dictionary)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: not a readable checkpoint ({error}). Delete it to start afresh.") from error
    skeleton = metadata.get(_KEY, "")
    if not skeleton or _digest(skeleton, tensors) != metadata.get(_HASH):
        raise CheckpointError(f"{path}: the content does not match its hash. Delete it to start afresh.")
    try:
        tree: dict[str, Any] = _attach(json.loads(skeleton), tensors)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: not the state of a training ({error!r}). Delete it to start afresh.") from error
    return tree


def checkpoint_of(path: Path, identity: str) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote, a tree with this "identity".

    Raises
    ------
    CheckpointError
        If the file is not readable, or belongs to something else.
    """
    tree = read_checkpoint(path)
    if not isinstance(tree, dict) or tree.get("identity") != identity:
        raise CheckpointError(
            f"{path}: this checkpoint belongs to another model, data set, setting or seed. Delete it to start afresh."
        )
    return tree


@contextmanager
def taken_over(path: Path) -> Iterator[None]:
    """Around what is made of the content of a checkpoint: if that does not suit, it says so.

    Raises
    ------
    CheckpointError
        In the place of whatever else goes wrong.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: not a state of this training ({' '.join(str(error).split())[:300]!r}). Delete it to start afresh."
        ) from error


def _detach(node: Any, tensors: dict[str, Tensor], known: dict[tuple[Any, ...], str]) -> Any:
    """Move tensors out of the tree, leaving numbered references."""
    if isinstance(node, Tensor):
        place = (node.device, node.dtype, node.data_ptr(), tuple(node.shape), node.stride())
        # Empty tensors have no place.
        key = known.get(place) if node.numel() else None
        if key is None:
            key = known[place] = f"t{len(tensors)}"
            tensors[key] = node.detach().cpu().contiguous().clone()
        return {"$tensor": key}
    if isinstance(node, dict):
        # JSON turns integer keys into strings, and optimiser states are keyed by integers: keep pairs.
        return {"$dict": [[key, _detach(value, tensors, known)] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        return [_detach(value, tensors, known) for value in node]
    return node


def _attach(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, dict):
        if "$tensor" in node:
            return tensors[node["$tensor"]]
        return {key: _attach(value, tensors) for key, value in node["$dict"]}
    if isinstance(node, list):
        return [_attach(value, tensors) for value in node]
    return node


def _digest(skeleton: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(skeleton.encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].reshape(-1).view(torch.uint8).numpy().tobytes() if tensors[key].numel() else b"")
    return digest.hexdigest()
