import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from analysis.selection import compile_expression
from cathode.cli.app import app
from cathode.config import AnalysisConfig, embedded_text, example, load_config, load_run_config, parse_config, schema
from cathode.config.components import Component
from cathode.config.messages import sections
from cathode.errors import ConfigError
from cathode.region import Region
from cathode.search import Search
from tests.cathode.config.minimal import MINIMAL, problem


def test_minimal_file_gets_the_documented_defaults() -> None:
    config = parse_config(MINIMAL)
    assert config.region.signal == (3300.0, 3700.0)
    assert config.background_efficiencies == (1e-2, 1e-3)
    assert config.data.constituents is None
    assert config.data.features is not None
    assert config.data.features.keys() == {"mj_light", "delta_mj", "tau21_light", "tau21_heavy"}


def test_resolved_file_is_a_fixed_point() -> None:
    config = parse_config(MINIMAL, folder=Path("/somewhere"))
    again = parse_config(config.to_yaml(), folder=Path("/elsewhere"))
    assert again == config
    assert again.to_yaml() == config.to_yaml()


@pytest.mark.parametrize("text", [example(), embedded_text("demo")])
def test_files_that_come_with_the_package_are_valid(text: str) -> None:
    assert parse_config(text).folds >= 2


ROOT = Path(__file__).parents[3]
FILES = sorted([*(ROOT / "configs").glob("*.yaml"), *(ROOT / "cathode" / "configs").glob("*.yaml")])


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_files_that_come_with_the_repository_are_valid(path: Path) -> None:
    config = load_config(path)
    config.search()
    for text in (config.data.mass, config.data.selection or "1", *(config.data.features or {}).values()):
        compile_expression(text)


def test_the_example_mentions_every_section_and_its_true_defaults() -> None:
    config = parse_config(MINIMAL)
    text = example()
    for name in AnalysisConfig.model_fields:
        assert f"{name}:" in text
    for line in (
        f"folds: {config.folds} ",
        f"oversampling: {config.template.oversampling:g} ",
        f"members: {config.validation.members}",
        f"region_fraction: {config.validation.region_fraction}",
        f"memory: {config.data.memory} ",
        f"seed: {config.seed}",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fold: 5", "a.yaml, line 5: fold: unknown key (value 5). Nearest: 'folds'"),
        ("folds: many", "a.yaml, line 5: folds: Input should be a valid integer"),
        ("template: {oversampling: 0}", "template.oversampling: Input should be greater than 0 (value 0)"),
        ("template: {generator: {kind: flow_maching}}", "template.generator.kind: no generator of kind 'flow_maching'"),
        ("template: {generator: {kind: maf, hiden: 3}}", "template.generator.hiden: unknown key (value 3). Nearest: "),
        (
            "template: {reweighting: {observables: {kind: as_read, depth: 1}}}",
            "a.yaml, line 5: template.reweighting.observables.depth: unknown key (value 1). There is none at all.",
        ),
        ("template: {reweighting: [{observables: as_red}]}", "template.reweighting.0.observables.kind: no observables"),
        ("template: {generator: {kind: maf, bijection: {kind: logit, depth: 1}}}", "has no hyperparameter 'depth'"),
        ("template: {oversampling: .inf}", "template.oversampling: Input should be a finite number (value inf)"),
        ("classifier: {kind: mlp, learning_rate: .nan}", "classifier.learning_rate: Input should be a finite number"),
        ("classifier: boosted_tree", "classifier.kind: no classifier of kind 'boosted_tree'. Nearest: 'boosted_trees'"),
        ("classifier: {kind: boosted_trees, members: several}", "classifier.members: Input should be a valid integer"),
        ("background_efficiencies: [0.01, 2]", "background_efficiencies.1: Input should be less than 1 (value 2)"),
        ("background_efficiencies: [0.01, 0.01]", "names an efficiency twice"),
        ("comparison: {generators: [maf, {kind: mav}]}", "line 5: comparison.generators.1.kind: no generator of"),
        (
            "comparison:\n  generators:\n  - maf\n  - kind: maf\n    hiden: 3",
            "a.yaml, line 9: comparison.generators.1.hiden: unknown key (value 3). Nearest: 'hidden",
        ),
        ("comparison: {validation_regions: []}", "comparison.validation_regions: Tuple should have at least 1 item"),
        (
            "selection: {generators: [maf]}",
            "line 5: selection is called comparison now, and its strips validation_regions",
        ),
        ("comparison: {strips: [[1, 2]]}", "comparison.strips is called comparison.validation_regions now. Rename it."),
        ("validation: {strip_fraction: 1}", "validation.strip_fraction is called validation.region_fraction now."),
        ("comparison: {best_states: [0]}", "comparison.best_states.0: Input should be greater than or equal to 1"),
        ("folds: 5\nfolds: 6", "a.yaml, line 6: folds is set twice (first in line 5)"),
        ("validation: [1]", "validation: Input should be a valid dictionary"),
        ("folds: [", "no valid YAML"),
    ],
)
def test_a_mistake_is_named_with_place_path_value_and_remedy(line: str, said: str) -> None:
    assert said in problem(MINIMAL + line)


def test_all_mistakes_are_named_at_once() -> None:
    lines = problem(MINIMAL + "fold: 5\nsed: 1").splitlines()
    assert ["fold" in line or "sed" in line for line in lines] == [True, True]


def test_only_mappings_are_analysis_files() -> None:
    assert "expected sections" in problem("[1, 2]")
    assert "expected sections" in problem("")


def test_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cathode config example"):
        load_config(tmp_path / "none.yaml")


def test_yaml_does_not_construct_objects() -> None:
    assert "no valid YAML" in problem("data: !!python/object/apply:os.system ['true']")


def test_overrides_are_checked_like_the_file() -> None:
    config = parse_config(MINIMAL, overrides=["region.signal=[3600, 4000]", "template.generator.hidden=64"])
    assert config.region.signal == (3600.0, 4000.0)
    assert config.template.generator.hyperparameters["hidden"] == 64
    assert "--set: region.sgnal: unknown key" in problem(MINIMAL, overrides=["region.sgnal=3"])
    assert "is a value, not a section" in problem(MINIMAL + "seed: 3", overrides=["seed.low=3"])
    assert "expected path=value" in problem(MINIMAL, overrides=["seed"])


def test_an_overridden_hyperparameter_leaves_a_short_form_its_kind() -> None:
    config = parse_config(MINIMAL + "classifier: mlp", overrides={"classifier.epochs": 3})
    assert config.classifier.kind == "mlp"
    assert config.classifier.hyperparameters["epochs"] == 3


def test_naming_one_training_setting_keeps_the_others_of_the_class() -> None:
    default = parse_config(MINIMAL).template.generator.build()
    changed = parse_config(MINIMAL, overrides=["template.generator.training.steps=7"]).template.generator.build()
    assert changed.training.steps == 7
    assert changed.training.ema_decay == default.training.ema_decay
    assert "Nearest: 'steps'" in problem(MINIMAL, overrides=["template.generator.training.stps=7"])


def test_hyperparameters_that_the_class_refuses_are_refused_with_their_path() -> None:
    said = problem(MINIMAL, overrides=["template.generator.training.schedule=linear"])
    assert said.startswith("--set: template.generator: schedule 'linear' is not one of")


def test_search_is_built_as_the_file_says() -> None:
    search = parse_config(MINIMAL + "folds: 3\nseed: 9", overrides={"template.oversampling": 2}).search()
    assert (search.region.low, search.region.high) == (3300.0, 3700.0)
    assert (search.folds, search.seed, search.method.oversampling) == (3, 9, 2)


def test_a_file_that_says_nothing_gives_the_search_that_python_gives() -> None:
    assert parse_config(MINIMAL).search().settings() == Search(region=Region(3300, 3700)).settings()


def test_schema_knows_every_kind_and_its_hyperparameters() -> None:
    text = json.dumps(schema())
    for name in ("flow_matching", "maf", "boosted_trees", "dijet_fit", "kde", "oversampling", "ema_decay"):
        assert f'"{name}"' in text
    assert schema()["additionalProperties"] is False


def test_an_override_by_an_old_name_gives_the_new_one() -> None:
    with pytest.raises(ConfigError, match="--set: selection is called comparison now"):
        parse_config(MINIMAL, overrides=["selection.generators=[maf]"])


def test_the_settings_of_a_run_are_read_under_the_names_that_they_had(tmp_path: Path) -> None:
    now = parse_config(
        MINIMAL, overrides=["validation.region_fraction=0.25", "comparison.validation_regions=[[4000, 4100]]"]
    )
    text = now.to_yaml()
    for new, old in (
        ("region_fraction", "strip_fraction"),
        ("comparison", "selection"),
        ("validation_regions", "strips"),
    ):
        assert f"{new}:" in text
        text = text.replace(f"{new}:", f"{old}:")
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    read = load_run_config(tmp_path / "config.yaml")
    assert (read.validation, read.comparison) == (now.validation, now.comparison)
    assert read.validation.region_fraction == 0.25
    with pytest.raises(ConfigError, match="is called"):
        load_config(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"validation": {"closure": False, "repeats": 2}}, "repeats: 2 has no effect with closure: false"),
        ({"mass_model": {"kind": "dijet_fit", "functions": ["f3", "g3"]}}, "No dijet function 'g3'"),
        ({"mass_model": {"kind": "dijet_fit", "functions": []}}, "must be at least one of"),
        ({"mass_model": {"kind": "dijet_fit", "functions": ["f3", "f2"]}}, "in this order"),
        ({"mass_model": {"kind": "dijet_fit", "functions": ["f2", "f2"]}}, "in this order"),
        ({"mass_model": {"kind": "dijet_fit", "sqrt_s": 0}}, "sqrt_s = 0 GeV must be positive"),
        ({"mass_model": {"kind": "dijet_fit", "low": -1}}, "low = -1 GeV must be positive"),
        ({"mass_model": {"kind": "dijet_fit", "low": 2e4}}, "low = 20000 GeV must be below sqrt_s"),
        ({"mass_model": {"kind": "kde", "reach": 0.5}}, "reach = 0.5 must be more than 0.5"),
        ({"mass_model": {"kind": "kde", "degree": -1}}, "degree = -1 must be from 0 to 8"),
        (
            {"comparison": {"generators": ["maf"], "best_states": [11]}},
            "best_states: 11: no candidate keeps more than",
        ),
        (
            {"comparison": {"generators": [{"kind": "maf", "training": {"best_states": 4}}], "best_states": [4, 5]}},
            "best_states: 5: no candidate keeps more than 4",
        ),
    ],
)
def test_a_setting_that_would_do_nothing_or_fail_later_is_refused_at_once(
    override: dict[str, object], words: str
) -> None:
    assert words in problem(MINIMAL, overrides=override)


def test_settings_of_the_closure_test_are_those_of_its_default_where_it_is_off() -> None:
    config = parse_config(MINIMAL + "validation: {closure: false}")
    assert parse_config(config.to_yaml()) == config
    chosen = {"generators": [{"kind": "maf", "training": {"best_states": 4}}], "best_states": [1, 4]}
    assert parse_config(MINIMAL, overrides={"comparison": chosen}).comparison.best_states == (1, 4)


@pytest.mark.parametrize(
    "path",
    [
        "seed",
        "threads",
        "template.oversampling",
        "region.signal",
        "region.veto",
        "data.beam_energy",
        "data.max_failed_fraction",
        "background_efficiencies",
        "classifier.learning_rate",
        "template.generator.training.steps",
        "mass_model.sqrt_s",
        "data.mass",
        "comparison.best_states",
    ],
)
def test_a_truth_value_is_no_number(path: str) -> None:
    """yes, on and true were 1, no, off and false 0."""
    for value in ("yes", "off"):
        written = {"region.signal": f"[{value}, 3700]", "region.veto": f"[[{value}, 2500]]"}.get(path, value)
        written = f"[{value}]" if path in ("background_efficiencies", "comparison.best_states") else written
        said = problem(MINIMAL, overrides=[f"{path}={written}", "data.on_error=skip"])
        assert f"{path.removesuffix('.steps')}" in said
        assert "must not be true" in said
    config = parse_config(MINIMAL + "validation: {closure: no}", overrides=["data.checksums=off"])
    assert (config.validation.closure, config.data.checksums) == (False, False)


@pytest.mark.parametrize(
    ("section", "path", "value"),
    [
        ("method: anode", "method.{}", None),
        ("mass_model: kde", "mass_model.reach", 1.5),
        ("observables: dijet_substructure", "observables.{}", None),
        ("classifier: mlp", "classifier.members", 2),
        ("template: {generator: maf}", "template.generator.hidden", 8),
        ("template: {generator: maf}", "template.generator.training.epochs", 8),
        ("template: {generator: {kind: maf, bijection: logit}}", "template.generator.bijection.{}", None),
        ("template: {reweighting: {classifier: mlp}}", "template.reweighting.classifier.members", 2),
        ("template: {reweighting: {observables: as_read}}", "template.reweighting.observables.{}", None),
        ("template: {reweighting: [{classifier: mlp}]}", "template.reweighting.0.classifier.members", 2),
        ("template: {reweighting: [{observables: as_read}]}", "template.reweighting.0.observables.{}", None),
        ("comparison: {generators: [maf]}", "comparison.generators.0.hidden", 8),
    ],
)
def test_an_override_reaches_into_a_part_that_is_written_as_its_kind(section: str, path: str, value: Any) -> None:
    if value is None:
        # Whatever it may have: its model is asked, and not its text.
        with pytest.raises(ConfigError) as error:
            parse_config(MINIMAL + section, overrides={path.format("nothing_like_it"): 1})
        assert "is a value, not a section" not in str(error.value)
        assert "nothing_like_it" in str(error.value)
        return
    found: Any = parse_config(MINIMAL + section, overrides={path: value}).resolved()
    for key in path.split("."):
        found = found[int(key)] if key.isdecimal() else found[key]
    assert found == value


def test_every_part_of_an_analysis_file_is_one_that_overrides_reach() -> None:
    written = "template: {reweighting: [{observables: as_read, classifier: mlp}]}\ncomparison: {generators: [maf]}"
    config = parse_config(MINIMAL + written)
    for path, component in config.components().items():
        overridden = parse_config(MINIMAL + written, overrides={f"{path}.kind": component.kind})
        assert overridden.components()[path].kind == component.kind


def test_a_value_that_is_no_part_is_no_section() -> None:
    with pytest.raises(ConfigError, match="'output' is a value, not a section"):
        parse_config(MINIMAL + "output: here", overrides={"output.there": 1})


def test_the_example_mentions_every_key() -> None:
    """Of every section; keys of parts belong to their kinds, and are in the reference."""

    def keys(model: type[BaseModel]) -> Iterator[str]:
        for name, field in model.model_fields.items():
            yield name
            for section in sections(field.annotation):
                if not issubclass(section, Component):
                    yield from keys(section)

    text = example()
    found = set(keys(AnalysisConfig))
    assert {"veto", "jet_index", "checksums", "quick"} < found
    assert [name for name in sorted(found) if not re.search(rf"\b{name}:", text)] == []


@pytest.mark.parametrize("arguments", [["-v", "config"], ["config", "-v"], ["-q", "config"]], ids=" ".join)
def test_loud_and_quiet_at_every_level(arguments: list[str], tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("data: {files: 'embedded:dijets'}\nregion: {signal: [3300, 3700]}\n", encoding="utf-8")
    done = CliRunner().invoke(app, [*arguments, "check", str(path)])
    assert done.exit_code == 0, done.output
    assert ("is in order" in done.stdout) == ("-q" not in arguments)
