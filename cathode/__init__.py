"""Resonant anomaly detection with generative background templates: from ROOT ntuples to a p-value."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from cathode.runtime.shadowing import clear_the_way

clear_the_way()

if TYPE_CHECKING:
    from analysis.events import Events as Events
    from analysis.features.dijets import DIJET_FEATURES as DIJET_FEATURES
    from analysis.features.dijets import DIJET_MASS as DIJET_MASS
    from analysis.io.constituents import Constituents as Constituents
    from analysis.io.ntuples import read_events as read_events
    from cathode.classifiers.boosted_trees import BoostedTrees as BoostedTrees
    from cathode.classifiers.mlp import Mlp as Mlp
    from cathode.classifiers.transformer import Transformer as Transformer
    from cathode.comparison.comparison import compare_generators as compare_generators
    from cathode.comparison.result import GeneratorComparison as GeneratorComparison
    from cathode.config import AnalysisConfig as AnalysisConfig
    from cathode.config import load_config as load_config
    from cathode.observables import DijetSubstructure as DijetSubstructure
    from cathode.region import Region as Region
    from cathode.report import write_report as write_report
    from cathode.result import SearchResult as SearchResult
    from cathode.runs.comparing import RunComparison as RunComparison
    from cathode.runs.comparing import compare_runs as compare_runs
    from cathode.runs.run import Run as Run
    from cathode.runs.run import open_run as open_run
    from cathode.scans.plan import ScanPlan as ScanPlan
    from cathode.scans.result import Scan as Scan
    from cathode.scans.scanning import scan as scan
    from cathode.search import Search as Search
    from cathode.template.mass_models import DijetFitMass as DijetFitMass
    from cathode.template.mass_models import KdeMass as KdeMass
    from cathode.template.reweighting import Reweighting as Reweighting
    from generators.jets.full_phase_space import FullPhaseSpace as FullPhaseSpace
    from generators.tabular.flow_matching import FlowMatching as FlowMatching
    from generators.tabular.maf import MaskedAutoregressiveFlow as MaskedAutoregressiveFlow
    from generators.tabular.spline_flow import AutoregressiveSplineFlow as AutoregressiveSplineFlow
    from generators.tabular.spline_flow import CouplingSplineFlow as CouplingSplineFlow

_WHERE = {
    "AnalysisConfig": "cathode.config",
    "AutoregressiveSplineFlow": "generators.tabular.spline_flow",
    "BoostedTrees": "cathode.classifiers.boosted_trees",
    "Constituents": "analysis.io.constituents",
    "CouplingSplineFlow": "generators.tabular.spline_flow",
    "DIJET_FEATURES": "analysis.features.dijets",
    "DIJET_MASS": "analysis.features.dijets",
    "DijetFitMass": "cathode.template.mass_models",
    "DijetSubstructure": "cathode.observables",
    "Events": "analysis.events",
    "FlowMatching": "generators.tabular.flow_matching",
    "FullPhaseSpace": "generators.jets.full_phase_space",
    "GeneratorComparison": "cathode.comparison.result",
    "KdeMass": "cathode.template.mass_models",
    "MaskedAutoregressiveFlow": "generators.tabular.maf",
    "Mlp": "cathode.classifiers.mlp",
    "Region": "cathode.region",
    "Reweighting": "cathode.template.reweighting",
    "Run": "cathode.runs.run",
    "RunComparison": "cathode.runs.comparing",
    "Scan": "cathode.scans.result",
    "ScanPlan": "cathode.scans.plan",
    "Search": "cathode.search",
    "SearchResult": "cathode.result",
    "Transformer": "cathode.classifiers.transformer",
    "compare_generators": "cathode.comparison.comparison",
    "compare_runs": "cathode.runs.comparing",
    "load_config": "cathode.config",
    "open_run": "cathode.runs.run",
    "read_events": "analysis.io.ntuples",
    "scan": "cathode.scans.scanning",
    "write_report": "cathode.report",
}

#: Names that are gone -> what they are called now.
_RENAMED = {"Selection": "GeneratorComparison", "select_generator": "compare_generators"}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `import cathode` loads neither torch nor matplotlib."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name == "__version__":
        return version("cathode-hep")
    if name in _RENAMED:
        raise AttributeError(f"cathode.{name} is called cathode.{_RENAMED[name]} now")
    raise AttributeError(f"module 'cathode' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
