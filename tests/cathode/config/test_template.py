"""Sections `template` and `template.reweighting`."""

import pytest

from cathode.classifiers import BoostedTrees
from cathode.config import parse_config
from cathode.observables import DijetSubstructure
from cathode.runtime.specification import specification
from cathode.template.reweighting import Reweighting
from tests.cathode.config.minimal import MINIMAL, problem

REWEIGHTING = "template: {reweighting: {classifier: {kind: boosted_trees, members: 10}, folds: 4, clip: 8}}"


def test_reweighting_is_built_as_the_file_says_and_off_without_a_word() -> None:
    assert parse_config(MINIMAL).search().method.reweightings == ()
    config = parse_config(MINIMAL + REWEIGHTING)
    (found,) = config.search().method.reweightings
    assert isinstance(found.classifier, BoostedTrees)
    assert (found.classifier.members, found.folds, found.clip) == (10, 4, 8.0)
    assert parse_config(config.to_yaml()) == config
    assert parse_config(config.to_yaml()).search().settings() == config.search().settings()
    coarse = parse_config(MINIMAL, overrides={"template.reweighting": {"observables": "dijet_substructure"}})
    assert coarse.search().method.reweightings[0].observables == DijetSubstructure()
    assert parse_config(coarse.to_yaml()).search().settings() == coarse.search().settings()
    changed = parse_config(MINIMAL, overrides=["template.reweighting.classifier=mlp", "template.reweighting.clip=3"])
    short = parse_config(changed.to_yaml(), overrides=["template.reweighting.classifier.epochs=7"]).search()
    assert specification(short.method.reweightings[0])["classifier"]["epochs"] == 7
    text = MINIMAL + "template: {reweighting: {classifier: mlp}}"
    assert parse_config(text, overrides=["template.reweighting.classifier.epochs=7"]).search().method.reweightings
    assert not parse_config(config.to_yaml(), overrides={"template.reweighting": None}).search().method.reweightings


def test_the_defaults_of_reweighting_are_those_of_python() -> None:
    (found,) = parse_config(MINIMAL, overrides={"template.reweighting": {}}).search().method.reweightings
    assert specification(found) == specification(Reweighting())


def test_several_reweightings_are_built_in_their_order_and_named_by_their_place() -> None:
    first = "{clip: 3, observables: dijet_substructure}"
    text = f"{MINIMAL}template: {{reweighting: [{first}, {{classifier: mlp, folds: 4}}]}}"
    config = parse_config(text, overrides=["template.reweighting.1.classifier.epochs=7"])
    first, second = config.search().method.reweightings
    assert (first.clip, first.observables, second.folds) == (3.0, DijetSubstructure(), 4)
    assert isinstance(first.classifier, BoostedTrees)
    assert specification(second)["classifier"]["epochs"] == 7
    assert parse_config(config.to_yaml()) == config
    alone = parse_config(MINIMAL + "template: {reweighting: [{clip: 3}]}").search()
    assert alone.settings() == parse_config(MINIMAL + "template: {reweighting: {clip: 3}}").search().settings()
    assert config.search().settings()["method"]["reweighting"] == [specification(first), specification(second)]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{clips: 3}", "template.reweighting.clips: unknown key (value 3). Nearest: 'clip'"),
        ("{clip: 1}", "template.reweighting.clip: Input should be greater than 1"),
        ("{clip: .inf}", "template.reweighting.clip: Input should be a finite number"),
        ("{folds: 1}", "template.reweighting.folds: Input should be greater than or equal to 2"),
        ("{classifier: mpl}", "template.reweighting.classifier.kind: no classifier of kind 'mpl'. Nearest: 'mlp'"),
        ("{classifier: {kind: mlp, epoch: 3}}", "template.reweighting.classifier.epoch: unknown key (value 3)"),
        ("[{}, {clips: 3}]", "template.reweighting.1.clips: unknown key (value 3). Nearest: 'clip'"),
        (
            "[{}, {classifier: mpl}]",
            "template.reweighting.1.classifier.kind: no classifier of kind 'mpl'.",
        ),
        ("[]", "template.reweighting: Tuple should have at least 1 item"),
        ("3", "template.reweighting: Input should be a valid dictionary"),
    ],
)
def test_wrong_reweighting_is_named_with_its_path(section: str, said: str) -> None:
    assert said in problem(f"{MINIMAL}template:\n  reweighting: {section}")
