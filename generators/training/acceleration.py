"""What is done differently where there is a GPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from generators.training.members import Members
from generators.training.settings import TrainingSettings

#: Steps that make up for the tracing, which takes 4 s of a processor before code is made of it; a step of some hundred
#: kernels, each of which takes 5 µs to start, can save 1 to 2 ms.
COMPILED_STEPS = 4_000


#: Compute capabilities of P100, V100, A100, H100 and B200; all others were made for graphics.
_WITH_DOUBLES = {(6, 0), (7, 0), (8, 0), (9, 0), (10, 0)}


def accelerator() -> torch.device:
    """Where networks are trained and drawn from: the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def standard_normal(
    shape: Sequence[int], generator: torch.Generator, device: torch.device, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Normal noise on a device, from a generator of the CPU.

    A GPU makes its own, with a seed that the generator draws, because that of a CPU would be waited for.
    """
    if device.type != "cuda":
        return torch.randn(tuple(shape), generator=generator, dtype=dtype).to(device)
    own = torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    if not doubles_are_cheap(device):
        dtype = torch.float32
    return torch.randn(tuple(shape), generator=own, dtype=dtype, device=device)


def doubles_are_cheap(device: torch.device) -> bool:
    """Whether double precision costs about twice as much as single; on most GPUs it is 32 or 64 times."""
    return device.type != "cuda" or torch.cuda.get_device_capability(device) in _WITH_DOUBLES


def precision_for(model: nn.Module, settings: TrainingSettings, device: torch.device) -> str:
    """The precision of a training, in the names of Lightning Fabric.

    The velocity of a flow in time may be off by half a percent, as its target is noisy anyway. A spline or a
    log-determinant may not, so flows stay in single precision. So does everything on a CPU. There bfloat16 would be
    faster (with AVX512-BF16 a step of a perceptron by 1.8, with AMX a product of matrices by 4), but whether it is
    depends on the processor, and the same seed would give another model on the next one; `precision` asks for it.
    """
    if settings.precision != "auto":
        return settings.precision
    network = model.template if isinstance(model, Members) else model
    bears_it = getattr(network, "tolerates_bfloat16", False)
    return "bf16-mixed" if device.type == "cuda" and bears_it else "32-true"


def compiled(
    objective: nn.Module, settings: TrainingSettings, device: torch.device, *, steps: int, ragged: bool = False
) -> nn.Module:
    """The training step as one graph: hundreds of small kernels would each wait for the processor to start them.

    By itself only where it pays, in long trainings on a GPU with batches of one size, which those of `ragged` rows are
    not.
    """
    possible = device.type == "cuda" and importlib.util.find_spec("triton") is not None
    automatic = possible and steps >= COMPILED_STEPS and not ragged
    if not (automatic if settings.compile is None else settings.compile):
        return objective
    return cast(nn.Module, torch.compile(objective, dynamic=ragged))
