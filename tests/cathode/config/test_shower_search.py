"""The search in showers that comes with the package: it is a search like any other, by its configuration alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from cathode.config import embedded_text, parse_config

#: As small as it can be: whether it runs, not what it finds.
SMALL = {
    "template.oversampling": 1,
    "classifier": {"kind": "boosted_trees", "members": 1, "max_iter": 5},
    "folds": 2,
    "validation.members": 1,
    "background_efficiencies": [0.2],
}
TRANSPORT = {"template.generator.generator.training.steps": 3}
CELLS = {
    "data.features": "voxels",
    "template.generator": {"kind": "event_mixing"},
    "observables": {"kind": "shower_cells", "leading": 4},
    "classifier": {"kind": "transformer", "width": 8, "heads": 2, "blocks": 1, "epochs": 1},
}
STICKS = {
    "data.features": "voxels",
    "observables": "shower_shapes",
    "template.generator": {
        "kind": "hierarchical_sticks",
        "layers": [[1, 8], [10, 16], [10, 19], [1, 5], [1, 5]],
        "given": [0],
        "hidden": 12,
        "local": 4,
        "training": {"steps": 3, "batch_size": 32},
    },
}


def test_its_mass_is_the_energy_that_is_seen_and_voxels_are_a_word() -> None:
    config = parse_config(embedded_text("showers"))
    assert config.data.mass == "e_rec"
    whole = parse_config(embedded_text("showers"), overrides={"data.features": "voxels"})
    assert whole.data.features is not None
    assert len(whole.data.features) == 368


@pytest.mark.parametrize(
    "other", [TRANSPORT, CELLS, STICKS], ids=["trees on shapes", "transformer on cells", "a generator of showers"]
)
def test_it_runs_with_any_classifier_and_generator(other: dict[str, object], tmp_path: Path) -> None:
    config = parse_config(embedded_text("showers"), overrides=SMALL | other)
    result = config.search().run(config.read_events(), output=tmp_path / "run")
    (cut,) = result.cuts
    assert cut.expected > 0
    assert len(result.closures) >= 4
    assert result.truth is not None


@pytest.mark.slow
def test_pairs_of_photons_are_found() -> None:
    """With the settings as they are: of the events above the tighter cut most are pairs, and the template closes."""
    config = parse_config(embedded_text("showers"))
    result = config.search().run(config.read_events())
    assert all(closure.auc < 0.56 for closure in result.closures)
    assert result.cuts[-1].observed > 1.5 * result.cuts[-1].expected
