"""The shortest analysis file, and what is said of a wrong one."""

import pytest

from cathode.config import parse_config
from cathode.errors import ConfigError

MINIMAL = """\
data:
  files: ntuple.root
region:
  signal: [3300, 3700]
"""


def problem(text: str, **more: object) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, name="a.yaml", **more)  # type: ignore[arg-type]
    return str(caught.value)
