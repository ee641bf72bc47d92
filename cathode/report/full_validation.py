"""The page of a full validation: every test with its number, what is required of it, and whether it is met."""

from __future__ import annotations

import json
from pathlib import Path

from analysis.atomic import write_text
from cathode.full_validation.result import FullValidation
from cathode.report.template import rendered

PAGE = "validation.html"


def write_validation_page(found: FullValidation, folder: Path | str) -> Path:
    """Write `validation.html` into a folder; returns its path."""
    page = Path(folder) / PAGE
    groups = [(group, [each for each in found.checks if each.group == group]) for group in found.groups]
    settings = json.dumps(found.settings, indent=1, ensure_ascii=False)
    write_text(
        page,
        rendered(
            "full_validation.html",
            found=found,
            headline=headline(found),
            groups=groups,
            settings=settings,
        ),
    )
    return page


def headline(found: FullValidation) -> str:
    """The result in one sentence."""
    failed = [each for each in found.checks if each.passed is False]
    if failed:
        return f"Validation failed: {len(failed)} of {len(found.checks)} tests, the first {failed[0].name}."
    missing = [group for group in found.groups if all(c.passed is None for c in found.checks if c.group == group)]
    if missing:
        return f"Validation is incomplete: nothing was tested of {', '.join(missing)}."
    open_ = [each for each in found.checks if each.unresolved]
    if open_:
        which = f"{len(open_)} of {len(found.checks)} tests can not tell, the first {open_[0].name}"
        return f"Validation is incomplete: {which}."
    return f"Validation passed: {sum(each.passed is True for each in found.checks)} tests."
