"""One of several processes of a training, started by `test_processes`: `python two_processes.py FOLDER DEVICES`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from generators.registry import create
from generators.training.batches import TrainingData
from generators.training.checkpoint import write_checkpoint
from generators.training.loop import train
from generators.training.optimisers import Adam
from generators.training.phases import Phase, trainable
from generators.training.rules import BestLoss, BestMetric
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained
from tests.generators.contracts import gaussian_events

TRAINING = {"epochs": 3, "batch_size": 65, "learning_rate": 0.01, "clip": 0.5}


class Pair(nn.Module):
    """A maker and a critic, and the loss of either, without a random number."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.maker, self.critic = nn.Linear(1, 2), nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 1))
        # Nothing calls it.
        self.maker.forgotten = nn.Linear(3, 3)


class Loss(nn.Module):
    def __init__(self, pair: Pair, *, of_maker: bool) -> None:
        super().__init__()
        self.pair, self.of_maker = pair, of_maker

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        made = self.pair.critic(self.pair.maker(c))[:, 0]
        if self.of_maker:
            return -made + 0.1 * (self.pair.maker(c) - x).square().sum(dim=1)
        true = self.pair.critic(x)[:, 0]
        return made - true + 0.1 * (made.square() + true.square())


def pair_trained(devices: int, checkpoint: Path | None, monitor: Any = None) -> Trained:
    """Two phases with a metric, events with weights, several members of a batch per step."""
    generator = torch.Generator().manual_seed(1)
    c = torch.rand(300, 1, generator=generator)
    x = torch.cat([c, -c], dim=1) + 0.1 * torch.randn(300, 2, generator=generator)
    data = TrainingData(x, c, torch.rand(300, generator=generator))
    pair = Pair()
    phases = [
        Phase("critic", Loss(pair, of_maker=False), trainable(pair.critic), Adam(betas=(0.5, 0.9)), repeat=2),
        Phase("maker", Loss(pair, of_maker=True), trainable(pair.maker), start=1),
    ]
    settings = TrainingSettings(**TRAINING, ema_decay=0.9, devices=devices)

    def metric(model: nn.Module, held_out: Any) -> float:
        assert isinstance(model, Pair)
        return float((model.maker(held_out.context) - held_out.x).square().mean())

    return train(
        pair,
        phases,
        data,
        settings,
        seed=3,
        rule=BestMetric(metric),
        keep=pair.maker,
        averaged=[pair.maker],
        monitor=monitor,
        checkpoint=checkpoint,
    )


class Noting(nn.Module):
    """A loss that notes what it is given and what it draws."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.rows: list[list[float]] = []
        self.noise: list[float] = []

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        if self.training:
            self.rows.append(x[:, 0].tolist())
            self.noise.append(float(torch.rand(())))
        return (x[:, 0] - self.weight).square()


def noted(devices: int) -> Noting:
    objective = Noting()
    data = TrainingData(torch.arange(100.0)[:, None], torch.zeros(100, 1), torch.ones(100))
    settings = TrainingSettings(epochs=1, batch_size=9, devices=devices)
    train(objective, [Phase("only", objective, trainable(objective))], data, settings, seed=1, rule=BestLoss())
    return objective


def flow(devices: int, folder: Path) -> dict[str, Tensor]:
    """A flow, whose loss has no random number either, by `fit`."""
    training = {**TRAINING, "steps": None, "devices": devices}
    specification = {"kind": "autoregressive_spline", "blocks": 1, "hidden": 8, "training": training}
    x, c = gaussian_events(400, seed=1)
    return dict(create(specification).fit(x, c, seed=1, checkpoint=folder / "flow").state())


def main(folder: Path, devices: int) -> None:
    """All of it, and what came out as a checkpoint."""
    pair, objective = pair_trained(devices, folder / "pair"), noted(devices)
    distributed = torch.distributed.is_initialized()
    rank = torch.distributed.get_rank() if distributed else 0
    tree = {
        "pair": pair.to_tree(),
        "rows": json.dumps(objective.rows),
        "noise": json.dumps(objective.noise),
        "flow": flow(devices, folder),
        "world": torch.distributed.get_world_size() if distributed else 1,
    }
    # As the first process would: every one of them has something to show here.
    if distributed:
        torch.distributed.destroy_process_group()
    write_checkpoint(folder / f"result-{rank}-of-{devices}", tree)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]))
