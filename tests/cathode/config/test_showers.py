"""The search in showers that comes with the package: it is a search like any other, by its configuration alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from cathode.config import parse_config
from cathode.config.documents import embedded_text

#: As small as it can be: whether it runs, not what it finds.
SMALL = {
    "data.selection": "e_rec > 6 and (scalar_mass == 0 or (scalar_mass > 1 and event % 10 == 0))",
    "region.sidebands": [6, 18],
    "template.generator": {
        "kind": "hierarchical_sticks",
        "layers": [[1, 8], [10, 16], [10, 19], [1, 5], [1, 5]],
        "given": [0],
        "hidden": 12,
        "local": 4,
        "training": {"steps": 3, "batch_size": 32},
    },
    "template.oversampling": 1,
    "classifier": {"kind": "boosted_trees", "members": 1, "max_iter": 5},
    "folds": 2,
    "validation.members": 1,
    "background_efficiencies": [0.2],
}


def test_it_reads_voxels_and_the_energy_that_is_seen() -> None:
    config = parse_config(embedded_text("showers"))
    assert config.data.mass == "e_rec"
    assert config.data.features is not None
    assert len(config.data.features) == 368
    assert config.observables.kind == "shower_shapes"


@pytest.mark.parametrize(
    "seen",
    [
        {},
        {
            "observables": {"kind": "shower_cells", "leading": 4},
            "classifier": {"kind": "transformer", "width": 8, "heads": 2, "blocks": 1, "epochs": 1},
        },
    ],
    ids=["trees on shapes", "transformer on cells"],
)
def test_it_runs(seen: dict[str, object], tmp_path: Path) -> None:
    config = parse_config(embedded_text("showers"), overrides=SMALL | seen)
    result = config.search().run(config.read_events(), output=tmp_path / "run")
    (cut,) = result.cuts
    assert cut.expected > 0
    assert len(result.closures) >= 4
