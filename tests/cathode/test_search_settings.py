"""What decides a search, and the hash of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from sklearn.ensemble import RandomForestClassifier

from cathode.config import parse_config
from cathode.errors import ConfigError
from cathode.region import Region
from cathode.search_settings import SearchSettings
from generators.errors import GeneratorError

from .toys import toy_events

REGION = Region(3300, 3700)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"folds": 1}, "folds = 1"),
        ({"background_efficiencies": ()}, "must lie between 0 and 1"),
        ({"background_efficiencies": (0.1, 1.0)}, "must lie between 0 and 1"),
        ({"closure_repeats": 0}, "closure_repeats = 0"),
        ({"closure_generators": 0}, "closure_generators = 0"),
        ({"folds": 2.5}, "folds = 2.5 must be a whole number of at least 2"),
        ({"seed": -1}, "seed = -1 must be a whole number of at least 0"),
        ({"seed": True}, "seed = True"),
        ({"generator": 3}, "generator = 3 is no generator: it has no method fit and no sample"),
        ({"classifier": object}, "is no classifier: it has no method fit"),
        ({"mass_model": "dijet_fits"}, "Nearest: dijet_fit"),
        ({"mass_model": 7}, "mass_model = 7 is no mass model"),
        ({"observables": 7}, "observables = 7 is no observables"),
        ({"reweighting": True}, "reweighting = True must be a Reweighting"),
        ({"region": 3500}, "region = 3500 is no region"),
    ],
)
def test_settings_without_a_meaning_are_refused(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SearchSettings(**{"region": REGION, **setting})


def test_settings_that_are_not_the_search_s_own_are_those_of_its_method() -> None:
    settings = SearchSettings.of("cathode", region=REGION, oversampling=2.0, folds=3)
    assert (settings.folds, settings.method.oversampling) == (3, 2.0)
    with pytest.raises(ConfigError, match="cwola"):
        SearchSettings(region=REGION, method=SearchSettings.of("cwola", region=REGION).method, oversampling=2.0)


def test_parts_may_be_given_by_their_kind_as_in_an_analysis_file() -> None:
    analysis = """
    data: {files: embedded:dijets}
    region: {signal: [3300, 3700]}
    template: {generator: {kind: autoregressive_spline, training: {steps: 7}}}
    classifier: {members: 3}
    """
    told = parse_config(analysis, name="told.yaml").search().settings()["method"]
    generator = {"kind": "autoregressive_spline", "training": {"steps": 7}}
    parts: dict[str, Any] = {"generator": generator, "classifier": {"members": 3}}
    for made in (SearchSettings.of(region=REGION, **parts), SearchSettings(region=REGION, **parts)):
        assert made.settings()["method"] == told
    assert SearchSettings.of("salad", region=REGION, ratio="mlp").method.ratio.kind == "mlp"
    assert SearchSettings.of("feta", region=REGION, map={"kind": "maf"}).method.map.kind == "maf"
    forest = SearchSettings.of(region=(3300, 3700), classifier=RandomForestClassifier(n_estimators=7))
    assert forest.region == REGION
    assert forest.method.classifier.hyperparameters()["settings"] == {"n_estimators": 7}
    others: dict[str, Any] = {"mass_model": "kde", "observables": {"kind": "noise", "features": 2}}
    made = SearchSettings.of(region=REGION, reweighting={"classifier": "mlp"}, background_efficiencies=0.02, **others)
    assert (made.mass_model.kind, made.observables.kind, made.background_efficiencies) == ("kde", "noise", (0.02,))
    assert made.method.reweighting[0].classifier.kind == "mlp"
    by_kind: Any = "rad_ot"
    assert SearchSettings(region=REGION, method=by_kind).method.kind == "rad_ot"
    members = [{"kind": "cathode", "generator": {"kind": "maf"}}, "rad_ot"]
    assert SearchSettings.of("interplay", region=REGION, members=members).method.methods()[0].generator.kind == "maf"
    with pytest.raises(GeneratorError, match="Nearest: autoregressive_spline"):
        SearchSettings.of(region=REGION, generator="autoregresive_spline")


def test_every_setting_but_the_number_of_workers_is_in_the_hash() -> None:
    """Of a folder that is continued with another setting, or with other events, a part would belong to neither."""
    events = toy_events(300, seed=1)
    plain = SearchSettings(region=REGION)
    changes: dict[str, Any] = {
        "region": Region(3200, 3700),
        "method": SearchSettings.of("cwola", region=REGION).method,
        "mass_model": parse_config(
            "data: {files: a.root}\nregion: {signal: [1, 2]}\nmass_model: kde"
        ).mass_model.build(),
        "observables": parse_config(
            "data: {files: a.root}\nregion: {signal: [1, 2]}\nobservables: dijet_substructure"
        ).observables.build(),
        "folds": 4,
        "background_efficiencies": (0.02,),
        "closure": False,
        "region_fraction": 0.4,
        "region_events": 300,
        "closure_members": 9,
        "closure_repeats": 2,
        "closure_generators": 2,
        "seed": 2,
    }
    assert changes.keys() == {f.name for f in dataclasses.fields(SearchSettings)} - {"workers"}
    hashes = [dataclasses.replace(plain, **{name: value}).fingerprint(events) for name, value in changes.items()]
    assert len({plain.fingerprint(events), *hashes}) == len(changes) + 1
    assert dataclasses.replace(plain, workers=3).fingerprint(events) == plain.fingerprint(events)
    assert plain.fingerprint(events[: len(events) - 1]) != plain.fingerprint(events)
