"""Batches: every row once in a pass, from tensors, ragged rows and what is read."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from generators.training.batches import Share, SharedData, TrainingData, fits_on, ordered, shuffled
from generators.training.containers import RaggedTensor, StoredTensor


def data(kind: str, rows: int = 103) -> TrainingData:
    """Rows whose first number is their place."""
    place = torch.arange(rows, dtype=torch.float32)
    x: Any = torch.stack([place, place + 0.5], dim=1)
    if kind == "stored":
        dense = x

        def read(places: Any) -> torch.Tensor:
            return dense[torch.as_tensor(places)]

        x = StoredTensor(read, (rows, 2), "numbers")
    elif kind == "ragged":
        lengths = 1 + torch.arange(rows) % 9
        offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
        x = RaggedTensor(torch.repeat_interleave(place, lengths)[:, None], offsets, 9)
    return TrainingData(x, place[:, None], torch.ones(rows), more={"number": torch.arange(rows)})


@pytest.mark.parametrize("kind", ["tensor", "ragged", "stored"])
class TestBatches:
    def test_every_row_comes_once_in_a_pass_with_what_belongs_to_it(
        self, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("generators.training.containers._READ_AT_ONCE", 8 * 40)
        seen: Counter[int] = Counter()
        for batch in shuffled(data(kind), 10, 20, seed=1):
            assert len(batch) == 10
            assert batch.x.flatten(1)[:, 0].tolist() == batch.context[:, 0].tolist() == batch.more["number"].tolist()
            seen.update(batch.more["number"].tolist())
        assert sum(seen.values()) == 200
        assert max(seen.values()) == 2

    def test_seed_decides(self, kind: str) -> None:
        one, same, other = (
            [batch.context[:, 0].tolist() for batch in shuffled(data(kind), 10, 8, seed=seed)] for seed in (1, 1, 2)
        )
        assert one == same != other
        assert one[0] != sorted(one[0])

    def test_shares_are_parts_of_the_batches(self, kind: str) -> None:
        whole = [batch.context for batch in shuffled(data(kind), 11, 5, seed=1)]
        parts = [[b.context for b in shuffled(data(kind), 11, 5, seed=1, share=Share(rank, 2))] for rank in (0, 1)]
        assert all(torch.equal(torch.cat(both), one) for one, *both in zip(whole, *parts, strict=True))

    def test_held_out_rows_are_no_training_rows(self, kind: str) -> None:
        training, held_out = data(kind).split(0.2, seed=3)
        assert (len(training), len(held_out)) == (82, 21)
        known = {int(n) for batch in ordered(training, 16) for n in batch.more["number"]}
        rest = {int(n) for batch in ordered(held_out, 16) for n in batch.more["number"]}
        assert known | rest == set(range(103))
        assert not known & rest
        assert training.taken_weights().sum() == 82
        assert len(training.whole().context) == 82


def test_batches_of_ragged_rows_are_of_about_one_length() -> None:
    lengths = [1 + batch.more["number"] % 9 for batch in shuffled(data("ragged", 900), 30, 30, seed=1)]
    within = np.mean([float(each.double().var()) for each in lengths])
    assert within < 0.2 * float(torch.cat(lengths).double().var())
    first = [float(each.double().mean()) for each in lengths]
    assert first != sorted(first)


def test_no_part_is_a_copy() -> None:
    whole = data("tensor")
    training, _ = whole.split(0.2, seed=3)
    assert training.x is whole.x


META, GPU = torch.device("meta"), torch.device("cuda")


def test_what_does_not_fit_on_a_device_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(1_000, 250)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_500_000, 2_000_000))
    assert not fits_on(GPU, x)
    assert fits_on(GPU, x[:800])
    assert fits_on(torch.device("cpu"), x)
    ragged = RaggedTensor(x.reshape(-1, 1), torch.tensor([0, 250_000]), 250_000)
    assert not fits_on(GPU, ragged)


@pytest.mark.parametrize("index", [None, torch.tensor([1, 2, 5, 7])])
def test_batches_of_what_stayed_behind_are_on_the_device(index: Any) -> None:
    """The events in the main memory, all else on a device, as where they do not fit."""
    x, context, weights = torch.randn(10, 2), torch.zeros(10, 1, device=META), torch.ones(10, device=META)
    alone = TrainingData(x, context, weights, index)
    shared = SharedData(x, context, torch.ones(10, 3, device=META), index)
    for batch in (alone.batch(torch.tensor([0, 3])), alone.batch(slice(1, 3))):
        assert (batch.x.device, batch.x.shape, batch.context.shape) == (META, (2, 2), (2, 1))
    for batch in (shared.batch(torch.tensor([[0, 3], [1, 2], [2, 0]])), shared.batch(slice(1, 3))):
        assert (batch.x.device, batch.x.shape, batch.weights.shape) == (META, (3, 2, 2), (3, 2))
