"""Methods: where the background of a window comes from, and how data are told from it; one file per published method.

>>> from cathode.methods import create
>>> create({"kind": "cwola"}).kind
'cwola'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cathode.methods.anode import Anode as Anode
    from cathode.methods.cathode import Cathode as Cathode
    from cathode.methods.cwola import Cwola as Cwola
    from cathode.methods.protocol import Background as Background
    from cathode.methods.protocol import Fitted as Fitted
    from cathode.methods.protocol import Learned as Learned
    from cathode.methods.protocol import Method as Method
    from cathode.methods.protocol import Reference as Reference
    from cathode.methods.protocol import Task as Task
    from cathode.runtime.stages import Stages as Stages

_WHERE = {
    "Anode": "cathode.methods.anode",
    "Background": "cathode.methods.protocol",
    "Cathode": "cathode.methods.cathode",
    "Cwola": "cathode.methods.cwola",
    "Fitted": "cathode.methods.protocol",
    "Learned": "cathode.methods.protocol",
    "Method": "cathode.methods.protocol",
    "Reference": "cathode.methods.protocol",
    "Stages": "cathode.runtime.stages",
    "Task": "cathode.methods.protocol",
}
#: What the table of methods offers, under shorter names.
_TABLE = ("create", "kinds", "register")

__all__ = [*_WHERE, *_TABLE]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name in _TABLE:
        from cathode.registry import METHODS

        return getattr(METHODS, name)
    raise AttributeError(f"module 'cathode.methods' has no attribute '{name}'")
