"""What uproot says of a branch or field: whether it holds numbers, lists of numbers, or something else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from analysis.io.names import identifier


def kind_of_branch(branch: Any) -> str:
    """What a branch of a TTree holds, in words; nothing if it is a number, or a list of numbers, per event."""
    try:
        return _kind_of(branch.interpretation.awkward_form(branch.file), branch.typename)
    except Exception:  # types without a dictionary, or that uproot does not know: nobody may have asked for them
        return f"a {getattr(branch, 'typename', None) or 'type that can not be read'}"


def kind_of_field(field: Any) -> str:
    """What a field of an RNTuple holds, in words; nothing if it is a number, or a list of numbers, per event."""
    try:
        # The form of a field in a list of records has these levels around it, each with this field alone.
        return _kind_of(field.to_akform()[0], field.typename)
    except Exception:  # unsplit objects
        return "a type that can not be read"


def _kind_of(form: Any, name: str) -> str:
    import awkward as ak

    depth = 0
    while not isinstance(form, ak.forms.NumpyForm):
        if form.is_record and len(form.contents) == 1:
            form = form.contents[0]
            continue
        if form.parameter("__array__") is not None or not (form.is_option or form.is_indexed or form.is_list):
            return f"a {name}"
        depth += form.is_list
        form = form.content
    depth += len(form.inner_shape)
    # Dates and times are none, nor are complex numbers.
    plain = np.dtype(ak.types.numpytype.primitive_to_dtype(form.primitive)).kind in "biuf"
    return "" if plain and depth <= 1 else f"a {name}"


def without_containers(names: Sequence[str], kind_of: Callable[[str], str]) -> tuple[str, ...]:
    """The names, less those of containers: `AnalysisJets` beside `AnalysisJetsAuxDyn.pt` is an object, not a list.

    Only names that others continue are looked into; there are thousands of others.
    """
    prefixes = {part for name in names for part in _prefixes(identifier(name))}
    return tuple(name for name in names if identifier(name) not in prefixes or not kind_of(name))


def _prefixes(name: str) -> Iterable[str]:
    return (name[:i] for i, letter in enumerate(name) if letter == "_" and i)


def leaves_of(branches: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Column -> (branch, leaf): a branch with a list of leaves has one column for each, called as ROOT does."""
    columns: dict[str, tuple[str, str]] = {}
    for name, branch in branches.items():
        leaves = [leaf.member("fName") for leaf in branch.member("fLeaves")]
        if len(leaves) > 1:
            columns |= {f"{name}.{leaf}": (name, leaf) for leaf in leaves}
        else:
            columns[name] = (name, "")
    return columns
