"""Which spelling means which branch: exact names always, identifiers where they are clear, otherwise an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from analysis import read_events
from analysis.errors import AmbiguousNameError, BranchNotFoundError, ExpressionError
from analysis.io.names import Names, identifier


@pytest.mark.parametrize(
    ("branch", "expected"),
    [
        ("AnalysisLargeRJetsAuxDyn.pt", "AnalysisLargeRJets_pt"),
        ("AnalysisLargeRJetsAuxDyn:pt", "AnalysisLargeRJets_pt"),
        ("EventInfoAuxDyn.eventNumber", "EventInfo_eventNumber"),
        ("EventInfoAux./EventInfoAux.eventNumber", "EventInfo_eventNumber"),
        ("FatJet_pt", "FatJet_pt"),
        ("_collection2.FatJet_pt", "FatJet_pt"),
        ("FatJet.pt", "FatJet_pt"),
        ("Jet/Jet.PT", "Jet_PT"),
        ("1st jet", "_1st_jet"),
        ("lambda", "_lambda"),
    ],
)
def test_identifiers(branch: str, expected: str) -> None:
    assert identifier(branch) == expected


def test_exact_names_and_paths_come_before_identifiers() -> None:
    names = Names(["jet.tau", "jet_tau", "a/pt", "b/pt", "a/b/x y", "Jet/Jet.PT", "m"])
    expected = {
        "jet.tau": "jet.tau",
        "jet_tau": "jet_tau",
        "a/pt": "a/pt",
        "b_pt": "b/pt",
        "x y": "a/b/x y",
        "b/x y": "a/b/x y",
        "x_y": "a/b/x y",
        "a_b_x_y": "a/b/x y",
        "Jet.PT": "Jet/Jet.PT",
        "Jet_PT": "Jet/Jet.PT",
        "m": "m",
    }
    assert {name: names[name] for name in expected} == expected
    with pytest.raises(AmbiguousNameError, match=r"'pt' could be 'a/pt', 'b/pt'"):
        names["pt"]
    with pytest.raises(BranchNotFoundError, match="Nearest: 'jet_tau'"):
        names["jet_taus"]


def test_one_identifier_of_two_names_is_ambiguous() -> None:
    names = Names(["jet.tau", "jet-tau", "twice", "twice"])
    assert "jet_tau" in names
    with pytest.raises(AmbiguousNameError, match=r"'jet_tau' could be 'jet.tau', 'jet-tau'.*branch\('jet.tau'\)"):
        names["jet_tau"]
    assert names["jet-tau"] == "jet-tau"
    with pytest.raises(AmbiguousNameError, match="'twice' is the name of 2 columns"):
        names["twice"]


def test_the_dynamic_store_wins() -> None:
    assert Names(["EventInfoAux.n", "EventInfoAuxDyn.n"])["EventInfo_n"] == "EventInfoAuxDyn.n"
    assert Names(["EventInfoAuxDyn.n", "EventInfoAux.n"])["EventInfoAux.n"] == "EventInfoAux.n"


def test_exact_names_hold_for_any_set_of_names() -> None:
    """Whatever else is in the file, every branch is found by its own name."""
    rng = np.random.default_rng(0)
    parts = ["a", "b", "a.b", "a_b", "a b", "1", "A", "if", "aAuxDyn.b", "aAux.b", "_collection0.a"]
    for _ in range(300):
        drawn = {"/".join(rng.choice(parts, rng.integers(1, 4))) for _ in range(6)}
        names = Names(sorted(drawn))
        assert all(names[name] == name for name in drawn)
        for spelling in names:
            alike = {n for n in drawn if spelling in (identifier(n), identifier(n.replace("/", "_")))}
            if spelling in drawn or len(alike) == 1:
                assert names[spelling] in alike | {spelling}


def write_alike(path: Path, columns: dict[str, np.ndarray]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name, values in columns.items():
                file[name] = values
    else:
        with uproot.recreate(path) as file:
            file.mktree("t", {name: values.dtype for name, values in columns.items()}).extend(columns)
    return path


def value(path: Path, expression: str, mass: str = "m") -> set[float]:
    events = read_events(path, mass=mass, features={"a": expression}, identifiers="entry", selection=None)
    return set(events.x[:, 0].tolist())


FORMATS = (".parquet", ".h5", ".root")


@pytest.mark.parametrize("suffix", FORMATS)
def test_two_spellings_are_two_columns(tmp_path: Path, suffix: str) -> None:
    n = 5
    path = write_alike(
        tmp_path / f"a{suffix}",
        {
            "m": np.linspace(2000, 5000, n),
            "jet.tau": np.full(n, 1.0),
            "jet_tau": np.full(n, 2.0),
            "Jet_mass": np.full(n, 3.0),
            "Jet_Mass": np.full(n, 4.0),
            "b-x": np.full(n, 5.0),
            "b.x": np.full(n, 6.0),
        },
    )
    assert value(path, "jet.tau") == value(path, "branch('jet.tau')") == {1.0}
    assert value(path, "jet_tau") == {2.0}
    assert value(path, "jet.tau + 10 * jet_tau") == {21.0}
    assert value(path, "Jet_mass") == {3.0}
    assert value(path, "Jet_Mass") == {4.0}
    assert value(path, "branch('b-x') + b.x") == {11.0}
    with pytest.raises(AmbiguousNameError, match=r"a\..*'b_x' could be 'b-x', 'b\.x'"):
        value(path, "b_x")


@pytest.mark.parametrize("suffix", FORMATS)
def test_fields_that_differ_in_case_are_ambiguous_for_functions_of_jets(tmp_path: Path, suffix: str) -> None:
    columns: dict[str, Any] = {
        f"{jet}_{f}": np.full(3, 1.0) for jet in ("j", "k") for f in ("pt", "eta", "phi", "mass")
    }
    path = write_alike(tmp_path / f"a{suffix}", {**columns, "m": np.full(3, 2000.0), "j_Mass": np.full(3, 2.0)})
    with pytest.raises(AmbiguousNameError, match=r"'j_mass' or 'j_Mass'|'j_Mass' or 'j_mass'"):
        value(path, "mjj(j, k)")
    assert value(path, "j_Mass + j_mass") == {3.0}


@pytest.mark.parametrize(
    "text", ["branch()", "branch(x)", "branch('')", "branch('a', 'b')", "branch(1)", "x.__class__", "f(x).a"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        value(Path("none.root"), text)


def test_letters_that_look_alike_are_two_columns(tmp_path: Path) -> None:
    """Python's parser takes the micro sign for the Greek letter, and a ligature for its letters."""
    columns = {
        "m": np.full(3, 2000.0),
        "\u00b5": np.full(3, 1.0),
        "\u03bc": np.full(3, 2.0),
        "o\ufb03ce": np.full(3, 3.0),
    }
    path = write_alike(tmp_path / "a.h5", columns)
    assert value(path, "\u00b5") == {1.0}
    assert value(path, "\u03bc + 0") == {2.0}
    assert value(path, "o\ufb03ce") == value(path, "office") == {3.0}
    assert Names(["\u00b5.x"])["\u03bc_x"] == "\u00b5.x"
    with pytest.raises(AmbiguousNameError):
        Names(["\u00b5.x", "\u03bc.x"])["\u03bc_x"]
