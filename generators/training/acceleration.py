"""What is done differently where there is a GPU."""

from __future__ import annotations

import importlib.util
from typing import cast

import torch
from torch import nn

from generators.training.members import Members
from generators.training.settings import TrainingSettings


def accelerator() -> torch.device:
    """Where networks are trained and drawn from: the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision_for(model: nn.Module, settings: TrainingSettings, device: torch.device) -> str:
    """The precision of a training, in the names of Lightning Fabric.

    The velocity of a flow in time may be off by half a percent, as its target is noisy anyway. A spline or a
    log-determinant may not, so flows stay in single precision; so does everything on a CPU, where bfloat16
    would be faster (with AVX512-BF16 a step of a perceptron by 1.8), but the same seed would give another model.
    """
    if settings.precision != "auto":
        return settings.precision
    network = model.template if isinstance(model, Members) else model
    bears_it = getattr(network, "tolerates_bfloat16", False)
    return "bf16-mixed" if device.type == "cuda" and bears_it else "32-true"


def compiled(objective: nn.Module, settings: TrainingSettings, device: torch.device) -> nn.Module:
    """The training step as one graph: hundreds of small kernels would each wait for the processor to start them."""
    automatic = device.type == "cuda" and importlib.util.find_spec("triton") is not None
    if not (automatic if settings.compile is None else settings.compile):
        return objective
    # Batches of a training are all of one size.
    return cast(nn.Module, torch.compile(objective, dynamic=False))
