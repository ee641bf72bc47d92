"""A collection is its branches: FatJet is FatJet_pt, FatJet_eta and so on."""

from __future__ import annotations

from collections.abc import Collection

from analysis.errors import AmbiguousNameError


class Fields(dict[str, str]):
    """Branches of a collection by their field in lower case; AmbiguousNameError where two differ in case only."""

    def __init__(self, collection: str, available: Collection[str]) -> None:
        prefix = f"{collection}_"
        self._spellings: dict[str, list[str]] = {}
        for name in available:
            if name.startswith(prefix):
                self._spellings.setdefault(name[len(prefix) :].lower(), []).append(name)
        super().__init__({field: names[0] for field, names in self._spellings.items()})

    def __getitem__(self, field: str) -> str:
        names = self._spellings[field]
        if len(names) > 1:
            listed = " or ".join(f"'{name}'" for name in names)
            raise AmbiguousNameError(
                f"The field '{field}' could be {listed}. Write the branch that is meant out instead of its collection, "
                "or remove the other from the file."
            )
        return names[0]


def fields_of(collection: str, available: Collection[str]) -> Fields:
    """Branches `collection_*` by their field in lower case."""
    return Fields(collection, available)
