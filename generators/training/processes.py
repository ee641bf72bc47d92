"""One training in several processes, each on a device of its own (data parallelism through Lightning Fabric)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from generators.errors import ProcessesError
from generators.training.batches import Share

if TYPE_CHECKING:
    from lightning_fabric import Fabric


#: The precision of one process that needs nothing of Fabric.
_PLAIN = "32-true"


class OneProcess:
    """What a training asks of Fabric, in one process in single precision.

    Fabric would do the same after an import of several seconds, which a training of three can do without.
    """

    world_size = 1
    global_rank = 0

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def setup_module(self, module: nn.Module) -> nn.Module:
        """The module on the device."""
        return module.to(self.device)

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss."""
        torch.autograd.backward(loss)

    def all_reduce(self, values: Tensor, *, reduce_op: str) -> Tensor:
        """There is nobody else."""
        return values

    def broadcast(self, values: list[float]) -> list[float]:
        """There is nobody else."""
        return values


def fabric_for(devices: int, device: torch.device, precision: str) -> Fabric | OneProcess:
    """Fabric on one device, or in as many processes as were started; one process in single precision needs none.

    Raises
    ------
    ProcessesError
        If there are not so many processes, or more of them on this machine than devices.
    """
    chosen: Any = precision
    if devices == 1:
        if precision == _PLAIN:
            return OneProcess(device)
        from lightning_fabric import Fabric

        own: Any = 1 if device.index is None else [device.index]
        return Fabric(accelerator=device.type, devices=own, precision=chosen)
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    world = _number("WORLD_SIZE", "SLURM_NTASKS")
    if world != devices:
        raise ProcessesError(
            f"devices = {devices}, but this program runs as {world} process{'' if world == 1 else 'es'}. Start it with "
            f"`torchrun --nproc-per-node {devices}`, as so many tasks of Slurm, or leave devices at 1."
        )
    nodes = (
        max(1, world // _number("LOCAL_WORLD_SIZE")) if "LOCAL_WORLD_SIZE" in os.environ else _number("SLURM_NNODES")
    )
    here = world // nodes
    if device.type == "cuda" and here > torch.cuda.device_count():
        raise ProcessesError(
            f"{here} processes share the {torch.cuda.device_count()} GPUs of this machine. Start fewer."
        )
    # A network may have layers that nothing calls.
    strategy = DDPStrategy(find_unused_parameters=True)
    fabric = Fabric(accelerator=device.type, devices=here, num_nodes=nodes, strategy=strategy, precision=chosen)
    fabric.launch()
    return fabric


def share_of(fabric: Fabric | OneProcess, rows: int) -> Share:
    """The part of this process in batches of so many rows.

    Raises
    ------
    ProcessesError
        If there is not a row for every process.
    """
    if rows < fabric.world_size:
        raise ProcessesError(f"Batches of {rows} events can not be shared by {fabric.world_size} processes.")
    return Share(fabric.global_rank, fabric.world_size)


def mean_over_processes(fabric: Fabric | OneProcess, values: Tensor) -> Tensor:
    """The mean of what all processes have."""
    return cast(Tensor, fabric.all_reduce(values, reduce_op="mean"))


def first_process() -> bool:
    """Whether this process is the one that writes."""
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0


def _number(*names: str) -> int:
    """The first of these variables of the environment that is a number, or 1."""
    found = (os.environ.get(name, "") for name in names)
    return next((int(value) for value in found if value.isdigit()), 1)
