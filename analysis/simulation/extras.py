"""The optional libraries of the simulation."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from analysis.errors import SimulationError

INSTALL = "pip install 'cathode-hep[simulation]'"
#: The extra of the simulation of showers.
GEANT4 = "geant4"


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


def xraylib() -> ModuleType:
    """Cross sections of photons (Schoonjans et al., Spectrochim. Acta B 66 (2011) 776); SimulationError without."""
    return _require("xraylib", GEANT4)


def geant4() -> ModuleType:
    """The Geant4 bindings (Agostinelli et al., Nucl. Instrum. Meth. A 506 (2003) 250); SimulationError without.

    What they would ask for on the terminal when they are imported is set before; `analysis.simulation.geant4` does it.
    """
    return _require("geant4_pybind", GEANT4)


def has_geant4() -> bool:
    """Whether the Geant4 bindings are installed; they are not loaded."""
    return find_spec("geant4_pybind") is not None


def missing(name: str, extra: str = "simulation") -> SimulationError:
    """The error of a library that is not installed, with the extra that brings it."""
    return SimulationError(f"{name} is not installed; install the optional simulation with: {_install(extra)}")


def _install(extra: str) -> str:
    return INSTALL.replace("[simulation]", f"[{extra}]")


def _require(name: str, extra: str = "simulation") -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise missing(name, extra) from error
