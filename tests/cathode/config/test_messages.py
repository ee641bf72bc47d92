import pytest

from cathode.config import parse_config, schema
from cathode.config.messages import RENAMED
from cathode.errors import ConfigError

MINIMAL = "data: {files: a.root}\nregion: {signal: [3300, 3700]}\n"


@pytest.mark.parametrize("old", [old for old in RENAMED if not old.startswith("selection.")])
def test_a_key_that_was_renamed_gives_its_new_name_and_that_is_one(old: str) -> None:
    with pytest.raises(ConfigError, match=f"{old} is called {RENAMED[old]} now"):
        parse_config(MINIMAL, overrides={old: 1})
    section, known = RENAMED[old].partition(".")[::2], schema()
    if section[1]:
        name = known["properties"][section[0]]["$ref"].rpartition("/")[2]
        assert section[1] in known["$defs"][name]["properties"]
    else:
        assert section[0] in known["properties"]


def test_all_that_moved_within_a_section_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="comparison now, and its strips validation_regions"):
        parse_config(MINIMAL + "selection: {strips: [[1, 2]]}\n")
