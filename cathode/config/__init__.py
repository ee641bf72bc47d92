"""One YAML file is one analysis: read, check, complete, and build the objects that it describes."""

from cathode.config.analysis import AnalysisConfig
from cathode.config.comparison import ComparisonConfig
from cathode.config.data import DataConfig
from cathode.config.documents import embedded_text, example, load_config, load_run_config, parse_config
from cathode.config.region import RegionConfig
from cathode.config.schema import schema
from cathode.config.template import TemplateConfig
from cathode.config.validation import ValidationConfig

__all__ = [
    "AnalysisConfig",
    "ComparisonConfig",
    "DataConfig",
    "RegionConfig",
    "TemplateConfig",
    "ValidationConfig",
    "embedded_text",
    "example",
    "load_config",
    "load_run_config",
    "parse_config",
    "schema",
]
