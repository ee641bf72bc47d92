"""Data sets: layout, units, splits and verified download.

    >>> from analysis.datasets import embedded
    >>> embedded("dijets").name
    'dijets.root'

Public files are downloaded by `analysis.datasets.fetch.fetch`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.datasets.calochallenge import read_calochallenge as read_calochallenge
    from analysis.datasets.jetclass import iterate_jetclass as iterate_jetclass
    from analysis.datasets.jetclass import read_jetclass as read_jetclass
    from analysis.datasets.jetnet import read_jetnet as read_jetnet
    from analysis.datasets.jetnet import read_jetnet_file as read_jetnet_file
    from analysis.datasets.lhco import iterate_lhco_raw as iterate_lhco_raw
    from analysis.datasets.lhco import read_lhco_features as read_lhco_features
    from analysis.datasets.lhco_jets import convert_lhco_raw as convert_lhco_raw
    from analysis.datasets.registry import DatasetFile as DatasetFile
    from analysis.datasets.registry import catalogue as catalogue
    from analysis.datasets.shipped import describe as describe
    from analysis.datasets.shipped import embedded as embedded
    from analysis.datasets.shower_files import open_showers as open_showers

_WHERE = {
    "DatasetFile": "analysis.datasets.registry",
    "catalogue": "analysis.datasets.registry",
    "convert_lhco_raw": "analysis.datasets.lhco_jets",
    "describe": "analysis.datasets.shipped",
    "embedded": "analysis.datasets.shipped",
    "iterate_jetclass": "analysis.datasets.jetclass",
    "iterate_lhco_raw": "analysis.datasets.lhco",
    "open_showers": "analysis.datasets.shower_files",
    "read_calochallenge": "analysis.datasets.calochallenge",
    "read_jetclass": "analysis.datasets.jetclass",
    "read_jetnet": "analysis.datasets.jetnet",
    "read_jetnet_file": "analysis.datasets.jetnet",
    "read_lhco_features": "analysis.datasets.lhco",
}

__all__ = [
    "DatasetFile",
    "catalogue",
    "convert_lhco_raw",
    "describe",
    "embedded",
    "iterate_jetclass",
    "iterate_lhco_raw",
    "open_showers",
    "read_calochallenge",
    "read_jetclass",
    "read_jetnet",
    "read_jetnet_file",
    "read_lhco_features",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that naming a data set loads no file library."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'analysis.datasets' has no attribute '{name}'")
