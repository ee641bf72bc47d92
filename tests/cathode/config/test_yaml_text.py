"""What YAML would silently take for something else, and documents that are made to exhaust the machine."""

import time
import tracemalloc

import pytest

from cathode.config import parse_config
from cathode.errors import ConfigError

MINIMAL = "data: {files: 'embedded:dijets'}\nregion: {signal: [3300, 3700]}\n"
BOMB = "\n".join(
    ["a: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"{chr(98 + i)}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(9)]
)
MERGES = "a: &a0 {k: 1}\n" + "\n".join(
    f"{chr(98 + i)}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 9)}]}}" for i in range(9)
)


def said(text: str, **more: object) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, name="a.yaml", **more)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("seed: 010", "line 3: 010 is an octal number in YAML; write 10"),
        ("seed: 00", "write 0 without"),
        ("seed: +0_17", "write 17"),
        ("folds: 1:30", "1:30 is a number in base sixty"),
        ("template: {oversampling: 1:30.5}", "base sixty"),
        ("folds: [1, &a [2, 017]]", "017 is an octal"),
        ("no: 1", "the key no is a truth value"),
        ("validation: {On: 1}", "the key On is a truth value"),
        ("? [1, 2]\n: 3", "a key is a word"),
        ("validation: {repeats: 1, closure: true, repeats: 2}", "validation.repeats is set twice (first in line 3)"),
        ("seed: 1\n'seed': 2", "line 4: seed is set twice"),
        ("seed: " + "9" * 5000, "no valid YAML"),
        ("seed: " + "[" * 300 + "]" * 300, "nested deeper"),
        ("seed: &a [1, *a]", "contains itself"),
        ("seed: &a {b: *a}", "contains itself"),
        ("seed: !!python/object/apply:os.system [true]", "no valid YAML"),
        ("seed: '\x1b[2J'", "no valid YAML"),
        ("seed: *nothing", "no valid YAML"),
        (BOMB, "aliases stand for more than"),
        (MERGES, "aliases stand for more than"),
    ],
)
def test_what_is_not_meant_is_refused_at_once(line: str, words: str) -> None:
    assert words in said(MINIMAL + line)


@pytest.mark.parametrize("line", [BOMB, MERGES])
def test_aliases_take_neither_time_nor_memory(line: str) -> None:
    tracemalloc.start()
    began = time.monotonic()
    said(MINIMAL + line)
    taken, most = time.monotonic() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 5
    assert most < 20e6


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=010", "--set seed, line 1: 010 is an octal number"),
        ("validation={repeats: 1, repeats: 2}", "repeats is set twice"),
        ("region.signal=&a [1, *a]", "contains itself"),
        ("seed=[", "no valid YAML"),
        ("unknown.key=1", "unknown: unknown key"),
        ("template.generator.unknown=1", "unknown key"),
        ("data.features=[]", "features"),
    ],
)
def test_overrides_are_read_by_the_same_rules(override: str, words: str) -> None:
    assert words in said(MINIMAL, overrides=[override])


def test_an_override_may_not_be_given_twice() -> None:
    assert "given twice" in said(MINIMAL, overrides=["seed=1", "seed = 2"])


def test_what_is_meant_stays() -> None:
    config = parse_config(
        "x: &w {signal: [3_300, 3.7e+3]}\n".replace("x: ", "region: ")
        + "data: {files: [2024-01-01, a_1:30.root], tree: '010', truth: 'no', features: {'on': x, 'y': z}}\n"
        + "seed: 0\nvalidation: {closure: yes}\n"
    )
    assert config.region.signal == (3300, 3700)
    assert config.data.files == ("2024-01-01", "a_1:30.root")
    assert (config.data.tree, config.data.truth) == ("010", "no")
    assert config.data.features == {"on": "x", "y": "z"}
    assert (config.seed, config.validation.closure) == (0, True)


def test_aliases_in_reason_are_written_out() -> None:
    config = parse_config(
        "data: {files: a.root}\nregion: {signal: [3300, 3700]}\n"
        "classifier: &trees {kind: boosted_trees, members: 3}\n"
        "template: {reweighting: {classifier: {<<: *trees, members: 4}}}\n"
        "comparison: {generators: [&g {kind: maf}, *g]}\n"
    )
    assert config.classifier.hyperparameters["members"] == 3
    assert config.template.reweightings()["reweighting"].classifier.hyperparameters["members"] == 4


def test_a_long_list_of_files_is_no_alias() -> None:
    files = "".join(f"  - ntuple_{i}.root\n" for i in range(20_000))
    assert len(parse_config(f"data:\n  files:\n{files}region: {{signal: [1, 2]}}").data.files) == 20_000
