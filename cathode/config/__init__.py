"""One YAML file is one analysis: read, check, complete, and build the objects that it describes."""

from cathode.config.documents import embedded_text, example, load_config, load_run_config, parse_config
from cathode.config.models import (
    AnalysisConfig,
    ComparisonConfig,
    DataConfig,
    RegionConfig,
    TemplateConfig,
    ValidationConfig,
)
from cathode.config.schema import schema

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
