"""The template of a run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from cathode.errors import RunFolderError
from cathode.template.stored import stored_template


def test_a_folder_without_one_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="mass_model"):
        stored_template(tmp_path)
    (tmp_path / "mass_model.json").write_text("{}")
    with pytest.raises(RunFolderError, match="template"):
        stored_template(tmp_path)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (run / "template").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="link"):
        stored_template(run)
