"""Section `comparison`."""

import pytest

from cathode.config import parse_config
from cathode.errors import ConfigError
from tests.cathode.config.minimal import MINIMAL


def test_candidates_are_completed_and_can_be_overridden_by_their_place() -> None:
    text = MINIMAL + "comparison: {generators: [maf, {kind: flow_matching}]}"
    config = parse_config(text, overrides=["comparison.generators.1.training.steps=7"])
    first, second = (candidate.build() for candidate in config.comparison.generators)
    assert (first.kind, second.kind, second.training.steps) == ("maf", "flow_matching", 7)
    assert parse_config(text, overrides={"comparison.generators.0.bijection": "logit"}).comparison.generators[0].build()
    for path in ("comparison.generators.2.hidden", "comparison.generators.one", "comparison.generators.-1"):
        with pytest.raises(ConfigError, match="is no place in a list of 2"):
            parse_config(text, overrides={path: 3})
