"""Names of columns: which spelling means which branch of a file, and which one could mean several."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from analysis.errors import AmbiguousNameError, BranchNotFoundError, nearest

_PHYSLITE_BRANCH = re.compile(r"(?P<container>\w+?)Aux(?:Dyn)?[.:](?P<variable>\w+)")
_ANONYMOUS_COLLECTION = re.compile(r"^_collection\d+\.")
_SHOWN = 4


class Names(Mapping[str, str]):
    """Spelling -> branch, for all branches of a file.

    A branch is found by, in this order: its name with the full path (`Jet/Jet.PT`); the last parts of its path
    (`Jet.PT`); the identifier of its last part (`Jet_PT`) or of its path (`Jet_Jet_PT`). The first of these that fits
    any branch decides; if it fits several, the name is ambiguous. Of two auxiliary stores of PHYSLITE the dynamic one
    is meant. Iteration gives the identifiers, for they are what expressions are usually made of.

    Parameters
    ----------
    names : of the branches, with the full path, as the file spells them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = Counter(names)
        self._endings: dict[str, list[str]] = {}
        self._identifiers: dict[str, list[str]] = {}
        for name in self._exact:
            parts = name.split("/")
            for i in range(1, len(parts)):
                self._endings.setdefault("/".join(parts[i:]), []).append(name)
            for spelling in dict.fromkeys((identifier(name), identifier(name.replace("/", "_")))):
                self._identifiers.setdefault(spelling, []).append(name)

    def __getitem__(self, name: str) -> str:
        """The branch of that name.

        Raises
        ------
        BranchNotFoundError
            If there is none.
        AmbiguousNameError
            If it could be several; the message names them.
        """
        if self._exact[name] > 1:
            raise AmbiguousNameError(
                f"'{name}' is the name of {self._exact[name]} columns of the file. Give each a name of its own."
            )
        if name in self._exact:
            return name
        if name in self._endings:
            return _only(name, self._endings[name])
        if _normal(name) in self._identifiers:
            return _only(name, self._identifiers[_normal(name)])
        raise BranchNotFoundError(f"No branch '{name}'. {nearest(name, self)}")

    def __contains__(self, name: object) -> bool:
        return name in self._exact or name in self._endings or _normal(str(name)) in self._identifiers

    def __iter__(self) -> Iterator[str]:
        return iter(self._identifiers)

    def __len__(self) -> int:
        return len(self._identifiers)


def _only(name: str, branches: Sequence[str]) -> str:
    """The one branch that is meant."""
    dynamic = [branch for branch in branches if "AuxDyn" in branch]
    meant = dynamic if dynamic and all(_PHYSLITE_BRANCH.search(b) for b in branches) else branches
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(f"'{branch}'" for branch in meant[:_SHOWN]) + (", …" if len(meant) > _SHOWN else "")
    raise AmbiguousNameError(
        f"'{name}' could be {listed}. Write the one that is meant with its full name: branch('{meant[0]}')."
    )


def identifier(name: str) -> str:
    """Identifier of one branch: of the last part of its path, with underscores for what identifiers can not have.

    >>> identifier("AnalysisLargeRJetsAuxDyn.pt"), identifier("Jet/Jet.PT")
    ('AnalysisLargeRJets_pt', 'Jet_PT')
    """
    last = _ANONYMOUS_COLLECTION.sub("", name).rsplit("/", 1)[-1]
    physlite = _PHYSLITE_BRANCH.fullmatch(last)
    if physlite:
        return f"{physlite['container']}_{physlite['variable']}"
    text = re.sub(r"\W", "_", _normal(last))
    return f"_{text}" if text[:1].isdigit() or keyword.iskeyword(text) else text


def _normal(name: str) -> str:
    """One spelling for letters that look alike, such as the micro sign and the Greek letter."""
    return name if name.isascii() else unicodedata.normalize("NFKC", name)
