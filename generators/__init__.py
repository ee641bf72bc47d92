"""Everything that learns p(x | c) and samples from it.

>>> import generators
>>> "maf" in generators.kinds()
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from generators.artifact import fingerprint, load, save
    from generators.export.onnx import export_log_prob, export_sampler
    from generators.registry import create, kinds

__all__ = ["create", "export_log_prob", "export_sampler", "fingerprint", "kinds", "load", "save"]

_HOME = {
    "create": "generators.registry",
    "export_log_prob": "generators.export.onnx",
    "export_sampler": "generators.export.onnx",
    "fingerprint": "generators.artifact",
    "kinds": "generators.registry",
    "load": "generators.artifact",
    "save": "generators.artifact",
}


def __getattr__(name: str) -> Any:
    # Lazy, so that `import generators` costs nothing and loads no torch.
    if name not in _HOME:
        raise AttributeError(f"module 'generators' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
