"""One training in two processes is the training in one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from generators.errors import ProcessesError
from generators.training.batches import Share, TrainingData, shuffled
from generators.training.checkpoint import read_checkpoint
from generators.training.processes import OneProcess

from .. import two_processes

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def run(folder: Path, devices: int) -> list[dict[str, Any]]:
    """What each of so many processes has at the end."""
    port = str(free_port())
    started = []
    for rank in range(devices):
        # The latter are what torchrun sets.
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(devices),
            "LOCAL_WORLD_SIZE": str(devices),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "TORCHELASTIC_RUN_ID": "test",
        }
        command = [sys.executable, str(ROOT / "tests/generators/two_processes.py"), str(folder), str(devices)]
        started.append(
            subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        )
    try:
        for process in started:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors.decode()
    finally:
        # One that waits for another that failed.
        for process in started:
            process.kill()
            process.wait()
    return [read_checkpoint(folder / f"result-{rank}-of-{devices}") for rank in range(devices)]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[dict[str, Any]], Path]:
    folder = tmp_path_factory.mktemp("processes")
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    two_processes.main(folder / "one", 1)
    return read_checkpoint(folder / "one" / "result-0-of-1"), run(folder / "two", 2), folder


def distance(one: Any, other: Any) -> float:
    """The largest difference of numbers in two trees of the same form."""
    if isinstance(one, Tensor):
        return float((one.double() - other.double()).abs().max()) if one.numel() else 0.0
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return max((distance(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list):
        assert len(one) == len(other)
        return max(map(distance, one, other), default=0.0)
    return abs(one - other)


def test_two_processes_are_one(results: tuple[dict[str, Any], list[dict[str, Any]], Path]) -> None:
    """Two phases with repeats, weights, clipping, a metric and an average; batches that can not be halved."""
    one, two, _ = results
    assert [each["world"] for each in (one, *two)] == [1, 2, 2]
    for each in two:
        assert each["pair"]["best_epochs"] == one["pair"]["best_epochs"]
        assert distance(each["pair"], one["pair"]) < 1e-6
    assert distance(two[0]["pair"], two[1]["pair"]) == 0


def test_a_flow_in_two_processes_is_the_flow_in_one(
    results: tuple[dict[str, Any], list[dict[str, Any]], Path],
) -> None:
    one, two, _ = results
    assert distance(one["flow"], two[0]["flow"]) < 1e-6
    assert distance(two[0]["flow"], two[1]["flow"]) == 0


def test_every_row_of_a_batch_is_in_one_process_and_noise_in_none_the_same(
    results: tuple[dict[str, Any], list[dict[str, Any]], Path],
) -> None:
    one, two, _ = results
    whole, *parts = (json.loads(each["rows"]) for each in (one, *two))
    assert [len(first) for first in parts[0]] == [4] * 10
    assert [first + second for first, second in zip(*parts, strict=True)] == whole
    noise = [json.loads(each["noise"]) for each in two]
    assert not set(noise[0]) & set(noise[1])
    assert noise[0] == json.loads(one["noise"])


def test_the_first_process_alone_writes_the_checkpoint(
    results: tuple[dict[str, Any], list[dict[str, Any]], Path],
) -> None:
    folder = results[2]
    names = {path.name for path in (folder / "two").iterdir()}
    assert names == {"pair", "flow", "result-0-of-2", "result-1-of-2"}
    one, two = (read_checkpoint(folder / name / "pair") for name in ("one", "two"))
    assert distance(one["model"], two["model"]) < 1e-6


def test_processes_that_were_not_started_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ProcessesError, match=r"devices = 2, but .* 1 process\. .*torchrun --nproc-per-node 2"):
        two_processes.noted(2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ProcessesError, match="4 processes"):
        two_processes.noted(2)


@pytest.mark.parametrize(("rows", "world"), [(10, 2), (9, 2), (7, 3), (2, 3)])
def test_shares_of_a_batch_are_the_batch(rows: int, world: int) -> None:
    data = TrainingData(torch.arange(50.0)[:, None], torch.zeros(50, 1), torch.ones(50))
    whole = [batch.x for batch in shuffled(data, rows, 7, seed=1)]
    parts = [[batch.x for batch in shuffled(data, rows, 7, seed=1, share=Share(r, world))] for r in range(world)]
    for batch, *own in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat(own), batch)


def test_one_process_in_single_precision_needs_no_fabric() -> None:
    """Its import takes seconds; what it would do is the same."""
    code = (
        "import sys, numpy as np, torch\n"
        "from generators.registry import create\n"
        "x, c = np.random.default_rng(1).random((60, 2)), np.ones((60, 1))\n"
        "create({'kind': 'affine_coupling', 'hidden': 4, 'training': {'steps': 2}}).fit(x, c, seed=1)\n"
        "assert 'lightning_fabric' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_process_does_what_fabric_does() -> None:
    from lightning_fabric import Fabric

    gradients = []
    for own in (OneProcess(torch.device("cpu")), Fabric(accelerator="cpu", devices=1, precision="32-true")):
        torch.manual_seed(1)
        layer = torch.nn.Linear(3, 1)
        made = own.setup_module(layer)
        own.backward(made(torch.ones(4, 3)).square().mean())
        assert layer.weight.grad is not None
        gradients.append(layer.weight.grad)
    assert torch.equal(*gradients)
