"""`FullValidation`: tests of a whole search with their numbers, as a document."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from analysis.printing import html_table
from cathode.runtime.documents import Document


@dataclass(frozen=True)
class Check:
    """One test: what was measured, with its error, what it has to be, and whether it is.

    `group` is what it belongs to, such as "closure". Of a test that could not be made `value` is NaN, `passed` None and
    `note` says why; of one whose errors are too large to tell there is a value, and `passed` is None too.
    """

    group: str
    name: str
    value: float
    error: float
    requirement: str
    passed: bool | None
    note: str = ""

    @property
    def unresolved(self) -> bool:
        """Whether it was made, and can not tell."""
        return self.passed is None and not math.isnan(self.value)

    @property
    def measured(self) -> str:
        """Value and error as text."""
        if math.isnan(self.value):
            return "–"
        return f"{self.value:.3g} ± {self.error:.2g}" if self.error else f"{self.value:.3g}"


@dataclass(frozen=True)
class FullValidation(Document):
    """All tests of a search; `settings` are those of the search without its seed.

    `experiments` are numbers of retrained searches by what they were for, `failures` searches that ended with an error
    by its text.
    """

    schema_version: ClassVar[int] = 1
    derived: ClassVar[tuple[str, ...]] = ("passed",)

    checks: tuple[Check, ...]
    settings: dict[str, Any]
    experiments: dict[str, int]
    failures: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        failed, made = (sum(each.passed is which for each in self.checks) for which in (False, True))
        unresolved = sum(each.unresolved for each in self.checks)
        said = f"{failed} of {failed + made + unresolved} tests failed"
        said += f", {unresolved} unresolved" if unresolved else ""
        return f"<FullValidation: {said}, {len(self.checks) - failed - made - unresolved} not made>"

    def _repr_html_(self) -> str:
        """A table for notebooks: every test."""
        said = {True: "yes", False: "no"}
        rows = [
            (c.group, c.name, c.measured, c.requirement, c.note if c.passed is None else said[c.passed])
            for c in self.checks
        ]
        return html_table(repr(self)[1:-1], ("", "test", "found", "required", "passed"), rows)

    @property
    def passed(self) -> bool:
        """Whether no test failed or stayed unresolved, and at least one was made in every group."""
        made = {each.group for each in self.checks if each.passed is not None}
        decided = all(each.passed is not False and not each.unresolved for each in self.checks)
        return decided and made == {each.group for each in self.checks}

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of groups in their order."""
        return tuple(dict.fromkeys(each.group for each in self.checks))
