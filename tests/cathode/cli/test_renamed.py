import pytest
from typer.testing import CliRunner

import cathode
from cathode.cli.app import app


@pytest.mark.parametrize("arguments", [[], ["a.yaml", "-g", "maf", "--json"], ["--help-me"]])
def test_the_old_name_of_a_verb_gives_the_new_one(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["select", *arguments])
    assert done.exit_code == 1
    assert "`cathode select` is called `cathode compare` now" in done.stderr
    assert "select" not in CliRunner().invoke(app, ["--help"]).stdout


def test_names_that_are_gone_give_the_new_ones() -> None:
    for old, new in (("Selection", "GeneratorComparison"), ("select_generator", "compare_generators")):
        with pytest.raises(AttributeError, match=f"cathode.{old} is called cathode.{new} now"):
            getattr(cathode, old)
        assert getattr(cathode, new)
