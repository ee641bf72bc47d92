"""Values by index, wherever they are."""

from __future__ import annotations

import numpy as np
import torch

from generators.training.containers import (
    RaggedTensor,
    StoredTensor,
    identity_of_container,
    joined,
    rows_of,
)

LENGTHS = torch.tensor([2, 0, 5, 1])


def ragged() -> RaggedTensor:
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), LENGTHS.cumsum(0)])
    return RaggedTensor(torch.arange(16.0).reshape(8, 2), offsets, 5)


def stored(x: torch.Tensor) -> StoredTensor:
    def read(places: np.ndarray) -> torch.Tensor:  # type: ignore[type-arg]
        assert (np.diff(places) >= 0).all()
        return x[torch.as_tensor(places)]

    return StoredTensor(read, tuple(x.shape), "here")


def test_ragged_rows_are_padded_to_the_longest_of_them() -> None:
    found = ragged()[torch.tensor([3, 0])]
    assert found.tolist() == [[[14, 15], [0, 0]], [[0, 1], [2, 3]]]
    assert ragged()[torch.tensor([1])].tolist() == [[[0, 0]]]
    assert ragged()[slice(0, 3)].shape == (3, 5, 2)
    assert ragged().shape == (4, 5, 2)


def test_some_ragged_rows_are_ragged_rows() -> None:
    some = ragged().rows(torch.tensor([2, 0]))
    assert some.lengths.tolist() == [5, 2]
    assert some[slice(0, 2)].tolist() == ragged()[torch.tensor([2, 0])].tolist()


def test_stored_rows_are_read_ascending_and_given_in_the_order_asked_for() -> None:
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    index = torch.tensor([7, 2, 19, 3])
    assert torch.equal(stored(x)[index], x[index])
    assert torch.equal(rows_of(stored(x), index), x[index])
    assert torch.equal(stored(x)[slice(4, 6)], x[4:6])


def test_identities_tell_contents_apart() -> None:
    x = torch.ones(2, 2)
    assert identity_of_container(stored(x)) == (["here"], [])
    assert identity_of_container(x) == ([], [x])
    assert len(identity_of_container(ragged())[1]) == 2


def test_joined_parts_are_given_up() -> None:
    parts = [torch.full((2, 3), float(i)) for i in range(4)]
    assert joined(parts)[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert not parts
