"""The optional libraries of the simulation."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from analysis.errors import SimulationError

INSTALL = "pip install 'cathode-hep[simulation]'"


def pythia8() -> ModuleType:
    """The Pythia 8 bindings (Bierlich et al., arXiv:2203.11601); SimulationError with the remedy if not installed."""
    return _require("pythia8mc")


def fastjet() -> ModuleType:
    """The FastJet bindings (Cacciari, Salam, Soyez, arXiv:1111.6097) with N-subjettiness; SimulationError without."""
    module = _require("fastjet")
    bindings = import_module("fastjet._pyjet")
    if not hasattr(bindings.AwkwardClusterSequence, "njettiness"):
        raise SimulationError(f"fastjet {module.__version__} has no N-subjettiness; upgrade it: {INSTALL} --upgrade")
    # FastJet greets on stdout at the first clustering; a library does not print, and the citation stands above.
    import_module("fastjet._swig").ClusterSequence.set_fastjet_banner_stream(None)
    return module


def _require(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise SimulationError(f"{name} is not installed; install the optional simulation with: {INSTALL}") from error
