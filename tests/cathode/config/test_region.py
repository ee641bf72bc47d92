"""Section `region`."""

import pytest

from tests.cathode.config.minimal import problem


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("signal: [3700, 3300]", "low < high"),
        ("signal: [3300, 3700]\n  sidebands: [3400, 5000]", "must reach beyond signal"),
        ("signal: [3300]", "region.signal.1 is missing"),
        ("signals: [3300, 3700]", "Nearest: 'signal'"),
    ],
)
def test_borders_must_make_sense(region: str, said: str) -> None:
    assert said in problem(f"data:\n  files: a.root\nregion:\n  {region}\n")
