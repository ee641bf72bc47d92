"""Trainings one after another: one count of epochs, one checkpoint, and nothing is trained twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from generators.errors import CheckpointError
from generators.protocols import Monitor, Progress
from generators.training.checkpoint import read_checkpoint, write_checkpoint
from generators.training.loop import train
from generators.training.sequence import Stage, TrainingSequence
from generators.training.trained import Trained

from ..test_training import InterruptionError, Regression, alone, data_of, equal, settings, stop_after

NAMES = ("first", "second", "third")
EPOCHS = (2, 3, 1)


class Counted:
    """Three trainings, the later of which begin where those before ended; it counts what is trained."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.told: list[tuple[int, int]] = []

    def run(
        self, checkpoint: Path | None, *, interrupt: int | None = None, identity: str = "same", seed: int = 1
    ) -> list[Trained]:
        def monitor(now: Progress) -> None:
            self.told.append((now.epoch, now.epochs))
            if now.epoch == interrupt:
                raise InterruptionError

        sequence = TrainingSequence(NAMES, identity=identity, monitor=monitor, checkpoint=checkpoint)
        out: list[Trained] = []
        for place, name in enumerate(NAMES):
            later = sum(EPOCHS[place + 1 :])
            out.append(sequence.run(self.stage(name, EPOCHS[place], out, seed), later=later))
        return out

    def stage(self, name: str, epochs: int, before: list[Trained], seed: int) -> Stage[Trained]:
        def one(monitor: Monitor | None, checkpoint: Path | None) -> Trained:
            self.begun.append(name)
            model = Regression()
            if before:
                model.load_state_dict(before[-1].states[0])
            return train(
                model,
                [alone(model)],
                data_of(100),
                settings(epochs=epochs),
                seed=seed,
                monitor=monitor,
                checkpoint=checkpoint,
            )

        return Stage(name, one, Trained.to_tree, Trained.from_tree, lambda trained: len(trained.train_losses))


def states(results: list[Trained]) -> list[Any]:
    return [result.to_tree() for result in results]


@pytest.mark.parametrize("epoch", range(1, 7))
def test_interrupted_at_any_epoch_is_uninterrupted(epoch: int, tmp_path: Path) -> None:
    whole = Counted()
    expected = whole.run(None)
    assert whole.told == [(n, 6) for n in range(1, 7)]
    interrupted, again = Counted(), Counted()
    path = tmp_path / "state"
    with pytest.raises(InterruptionError):
        interrupted.run(path, interrupt=epoch)
    # One file of the whole, one of what was in progress.
    assert {p.name for p in tmp_path.iterdir()} == {"state", f"state.{interrupted.begun[-1]}"}
    results = again.run(path)
    assert again.told == whole.told[epoch:]
    assert equal(states(results), states(expected))
    assert again.begun == list(NAMES[NAMES.index(interrupted.begun[-1]) :])
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_killed_between_result_and_tidying_up(tmp_path: Path) -> None:
    """The file of a stage may be left behind, older or broken, when its result is in the checkpoint already."""
    expected = Counted().run(tmp_path / "state")
    (tmp_path / "state.first").write_text("left behind")
    again = Counted()
    assert equal(states(again.run(tmp_path / "state")), states(expected))
    assert again.begun == []
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_another_sequence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    Counted().run(path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="belongs to another"):
        Counted().run(path, identity="other")
    assert path.read_bytes() == before


def test_what_is_no_result_is_named(tmp_path: Path) -> None:
    for number, results in enumerate(({"first": {"states": 3}}, ["first"], {"first": 1})):
        path = tmp_path / str(number)
        write_checkpoint(path, {"identity": "same", "results": results, "epochs": {}})
        with pytest.raises(CheckpointError, match="not a state of this training"):
            Counted().run(path)


def test_the_stage_in_progress_is_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with pytest.raises(InterruptionError):
        Counted().run(path, interrupt=3)
    with pytest.raises(CheckpointError, match=r"state\.second: .*belongs to another"):
        Counted().run(path, seed=2)


def test_checkpoint_is_there_from_the_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with pytest.raises(InterruptionError):
        Counted().run(path, interrupt=1)
    assert read_checkpoint(path)["results"] == {}


def test_length_of_later_stages_is_supposed_if_nobody_knows_it() -> None:
    told: list[tuple[int, int]] = []
    sequence = TrainingSequence(
        ("a", "b"), identity="", monitor=lambda now: told.append((now.epoch, now.epochs)), checkpoint=None
    )
    counted = Counted()
    for name, epochs in (("a", 2), ("b", 1)):
        sequence.run(counted.stage(name, epochs, [], seed=1))
    assert told == [(1, 4), (2, 4), (3, 3)]


def test_results_are_as_they_were(tmp_path: Path) -> None:
    model = Regression()
    trained = train(model, [alone(model)], data_of(100), settings(best_states=2), seed=1)
    write_checkpoint(tmp_path / "trained", trained.to_tree())
    again = Trained.from_tree(read_checkpoint(tmp_path / "trained"))
    assert again.losses == trained.losses
    assert (again.best_epochs, again.scores) == (trained.best_epochs, trained.scores)
    assert all(torch.equal(a[k], b[k]) for a, b in zip(again.states, trained.states, strict=True) for k in a)
    with pytest.raises(InterruptionError):
        train(model, [alone(model)], data_of(100), settings(), seed=1, monitor=stop_after(1))
