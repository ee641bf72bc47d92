"""Kinematics and dijet observables against closed forms, vector, and symmetries."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import vector

from analysis import DIJET_FEATURES, DIJET_MASS
from analysis.errors import BranchNotFoundError, ExpressionError
from analysis.features import dijets, kinematics
from analysis.features.dijets import DIJET_FUNCTIONS
from analysis.selection import compile_expression

N = 20_000


def jet(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "pt": rng.uniform(200, 3000, N).astype(np.float32),
        "eta": rng.uniform(-2.5, 2.5, N).astype(np.float32),
        "phi": rng.uniform(-np.pi, np.pi, N).astype(np.float32),
        "mass": rng.uniform(0, 500, N).astype(np.float32),
        "tau1": rng.uniform(0.05, 0.5, N).astype(np.float32),
        "tau2": rng.uniform(0.01, 0.3, N).astype(np.float32),
        "tau3": rng.uniform(0.01, 0.2, N).astype(np.float32),
    }


FIRST, SECOND = jet(1), jet(2)
P4 = ("pt", "eta", "phi", "mass")


def collection(*jets: dict[str, np.ndarray], name: str = "FatJet") -> dict[str, ak.Array]:
    """Jets side by side in every event."""
    return {f"{name}_{f}": ak.from_regular(np.stack([j[f] for j in jets], axis=1)) for f in jets[0]}


def evaluate(text: str, columns: dict[str, ak.Array]) -> np.ndarray:
    return compile_expression(text).values(columns)


def test_mass_of_two_jets_is_that_of_vector_and_the_closed_form() -> None:
    a, b = ({k: v.astype(np.float64) for k, v in j.items()} for j in (FIRST, SECOND))
    ours = dijets.mjj(FIRST, SECOND)
    polar = [vector.array({k: j[k] for k in P4}) for j in (a, b)]
    np.testing.assert_allclose(ours, (polar[0] + polar[1]).mass, rtol=1e-9)
    energy = [np.sqrt((j["pt"] * np.cosh(j["eta"])) ** 2 + j["mass"] ** 2) for j in (a, b)]
    dot = a["pt"] * b["pt"] * (np.cos(a["phi"] - b["phi"]) + np.sinh(a["eta"]) * np.sinh(b["eta"]))
    closed = np.sqrt(a["mass"] ** 2 + b["mass"] ** 2 + 2 * (energy[0] * energy[1] - dot))
    np.testing.assert_allclose(ours, closed, rtol=1e-9)


def test_mass_is_invariant_under_boosts_along_the_beam_and_rotations() -> None:
    moved = [
        {**j, "eta": j["eta"].astype(np.float64) + 1.25, "phi": j["phi"].astype(np.float64) + 0.7}
        for j in ({**FIRST, "mass": 0 * FIRST["mass"]}, {**SECOND, "mass": 0 * SECOND["mass"]})
    ]
    still = [{**j, "mass": 0 * j["mass"]} for j in (FIRST, SECOND)]
    np.testing.assert_allclose(dijets.mjj(*moved), dijets.mjj(*still), rtol=1e-9)
    np.testing.assert_allclose(dijets.mjj(SECOND, FIRST), dijets.mjj(FIRST, SECOND), rtol=1e-12)


def test_mass_does_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dijets.mjj(FIRST, SECOND)
    monkeypatch.setattr(kinematics, "_BLOCK", 777)
    assert np.array_equal(dijets.mjj(FIRST, SECOND), whole)


def test_a_jet_at_rest_pair_decays_to_its_mass() -> None:
    """Two back-to-back massless jets of 500 GeV come from 1 TeV."""
    up = {"pt": np.array([500.0]), "eta": np.zeros(1), "phi": np.zeros(1), "mass": np.zeros(1)}
    down = {**up, "phi": np.array([np.pi])}
    assert dijets.mjj(up, down)[0] == pytest.approx(1000.0, rel=1e-12)


def test_angles_wrap_around() -> None:
    phi1, phi2 = np.array([3.1, -3.1, 0.1]), np.array([-3.1, 3.1, 0.3])
    expected = np.array([6.2 - 2 * np.pi, 2 * np.pi - 6.2, -0.2])
    np.testing.assert_allclose(kinematics.delta_phi(phi1, phi2), expected, atol=1e-12)
    np.testing.assert_allclose(
        kinematics.delta_r(np.zeros(3), phi1, np.ones(3), phi2), np.sqrt(1 + expected**2), atol=1e-12
    )
    ours = dijets.delta_r(FIRST, SECOND)
    a, b = (vector.array({k: j[k].astype(np.float64) for k in P4}) for j in (FIRST, SECOND))
    np.testing.assert_allclose(ours, a.deltaR(b), atol=1e-12)
    assert (dijets.delta_phi(FIRST, SECOND) <= np.pi).all()


def test_light_and_heavy_are_by_mass_and_symmetric_under_exchange() -> None:
    light, heavy = dijets.mj_light(FIRST, SECOND), dijets.mj_heavy(FIRST, SECOND)
    assert (light <= heavy).all()
    np.testing.assert_array_equal(dijets.delta_mj(FIRST, SECOND), heavy - light)
    is_first = FIRST["mass"] <= SECOND["mass"]
    for name, chosen in (("tau21_light", is_first), ("tau21_heavy", ~is_first)):
        compute = DIJET_FUNCTIONS[name].compute
        tau = [np.where(chosen, FIRST[t], SECOND[t]).astype(np.float64) for t in ("tau2", "tau1")]
        np.testing.assert_allclose(compute(FIRST, SECOND), tau[0] / (tau[1] + 1e-5), rtol=1e-12)
        np.testing.assert_array_equal(compute(FIRST, SECOND), compute(SECOND, FIRST))


def test_subjettiness_of_a_single_particle_is_finite() -> None:
    assert dijets.tau_ratio(np.zeros(1), np.zeros(1))[0] == 0


def test_leading_two_are_taken_by_momentum_whatever_the_order() -> None:
    third = {**jet(3), "pt": np.full(N, 100, dtype=np.float32)}
    a, b = FIRST["pt"] >= SECOND["pt"], FIRST["pt"] < SECOND["pt"]
    leading = {f: np.where(a, FIRST[f], SECOND[f]) for f in FIRST}
    subleading = {f: np.where(b, FIRST[f], SECOND[f]) for f in FIRST}
    ordered = collection(leading, subleading, third)
    shuffled = collection(third, subleading, leading)
    for text in (DIJET_MASS, *DIJET_FEATURES.values(), "tau32_heavy(FatJet)", "delta_eta(FatJet)"):
        np.testing.assert_array_equal(evaluate(text, shuffled), evaluate(text, ordered))
    np.testing.assert_allclose(evaluate(DIJET_MASS, ordered), dijets.mjj(leading, subleading), rtol=1e-12)


def test_two_jets_may_be_named() -> None:
    columns = collection(FIRST, SECOND)
    flat = {f"{n}_{f}": j[f] for n, j in (("jet1", FIRST), ("jet2", SECOND)) for f in j}
    for name in DIJET_FUNCTIONS:
        by_index = evaluate(f"{name}(FatJet[0], FatJet[1])", columns)
        np.testing.assert_array_equal(evaluate(f"{name}(jet1, jet2)", flat), by_index)


def test_other_spellings_of_fields() -> None:
    columns = {
        f"J_{k}": v
        for k, v in zip(
            ("PT", "Eta", "Phi", "Mass"),
            (ak.from_regular(np.stack([FIRST[f], SECOND[f]], axis=1)) for f in P4),
            strict=True,
        )
    }
    atlas = {k.replace("Mass", "m").replace("PT", "pt"): v for k, v in columns.items()}
    np.testing.assert_array_equal(evaluate("mjj(J)", columns), evaluate("mjj(J)", atlas))


def test_events_with_fewer_jets_are_missing() -> None:
    columns = {f"FatJet_{f}": ak.Array([[FIRST[f][0], SECOND[f][0]], [FIRST[f][1]], []]) for f in FIRST}
    for name in DIJET_FUNCTIONS:
        column = compile_expression(f"{name}(FatJet)").evaluate(columns)
        assert column.missing is not None
        assert column.missing.tolist() == [False, True, True]


def test_mismatched_collections_are_refused() -> None:
    columns = collection(FIRST, SECOND)
    with pytest.raises(BranchNotFoundError, match="'FatJet_mass', which a function of 'FatJet' needs"):
        compile_expression("mjj(FatJet)").branches([c for c in columns if c != "FatJet_mass"])
    columns["FatJet_eta"] = ak.Array([[0.0]] * N)
    with pytest.raises(ExpressionError, match="different numbers of elements"):
        evaluate("mjj(FatJet)", columns)
    with pytest.raises(ExpressionError, match=r"say which jet: 'FatJet\[0\]'"):
        evaluate("mjj(FatJet, FatJet)", collection(FIRST, SECOND))


def test_the_four_features_are_those_of_cathode_in_its_order() -> None:
    assert list(DIJET_FEATURES) == ["mj_light", "delta_mj", "tau21_light", "tau21_heavy"]


@pytest.mark.parametrize("name", ["tau21_light", "tau21_heavy", "tau32_light", "tau32_heavy"])
def test_of_a_mass_that_is_no_number_nobody_knows_which_jet_is_lighter(name: str) -> None:
    nan = float("nan")
    taus = {"tau1": np.ones(4), "tau2": np.full(4, 0.5), "tau3": np.full(4, 0.1)}
    first = {"mass": np.array([1.0, nan, 1.0, nan]), **taus}
    second = {"mass": np.array([2.0, 2.0, nan, nan]), **taus}
    assert np.isnan(DIJET_FUNCTIONS[name].compute(first, second)).tolist() == [False, True, True, True]
