"""Branches of a collection by field."""

from __future__ import annotations

import pytest

from analysis.errors import AmbiguousNameError
from analysis.expressions.fields import fields_of


def test_fields_are_the_branches_behind_the_name_of_the_collection() -> None:
    fields = fields_of("Jet", ["Jet_pt", "Jet_Eta", "nJet", "Jets_pt", "FatJet_pt"])
    assert dict(fields) == {"pt": "Jet_pt", "eta": "Jet_Eta"}


def test_two_spellings_of_one_field_are_refused_when_it_is_asked_for() -> None:
    fields = fields_of("Jet", ["Jet_pt", "Jet_Pt", "Jet_eta"])
    assert fields["eta"] == "Jet_eta"
    with pytest.raises(AmbiguousNameError, match="'Jet_pt' or 'Jet_Pt'"):
        fields["pt"]
