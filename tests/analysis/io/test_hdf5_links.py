"""Links within a file are followed, those that leave it are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pytest

from analysis.errors import InputFileError
from analysis.io.hdf5_links import address, children, is_group, is_link, open_node


@pytest.fixture
def file(tmp_path: Path) -> Any:
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        opened["group/x"] = [1, 2]
        opened["soft"] = h5py.SoftLink("/group/x")
        opened["group/up"] = h5py.SoftLink("x")
        opened["round"] = h5py.SoftLink("/round")
        opened["nowhere"] = h5py.SoftLink("/none")
        opened["away"] = h5py.ExternalLink("b.h5", "/x")
        opened["twice"] = opened["group"]
        yield opened


def test_soft_links_lead_to_what_they_mean(file: Any) -> None:
    assert open_node(file, "soft") == open_node(file, "group/x") == open_node(file["group"], "up")
    assert is_group(open_node(file, "group"))
    assert not is_group(open_node(file, "soft"))
    assert is_link(file, "soft")
    assert not is_link(file, "twice")
    assert address(file["twice"]) == address(file["group"])


@pytest.mark.parametrize(
    ("name", "said"), [("round", "round in circles"), ("nowhere", "where nothing is"), ("away", "'b.h5'")]
)
def test_links_that_lead_nowhere_are_named(file: Any, name: str, said: str) -> None:
    with pytest.raises(InputFileError, match=said):
        open_node(file, name)


def test_children_have_the_errors_of_what_can_not_be_opened_and_links_last(file: Any) -> None:
    found = list(children(file))
    assert [name for name, _ in found][:2] == ["group", "twice"]
    failed = {name for name, node in found if isinstance(node, Exception)}
    assert failed == {"round", "nowhere", "away"}
    with pytest.raises(KeyError, match="no group"):
        open_node(file, "group/x/deeper")
