"""Every key of `data` does something, or is refused, whatever the layout of the files is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pandas as pd
import pytest
import uproot

from analysis import Events
from analysis.errors import AnalysisError
from cathode.config import DataConfig, parse_config
from cathode.errors import ConfigError

N = 60
LAYOUTS = ("nanoaod", "physlite", "flat", "lhco")
JETS = {"nanoaod": "FatJet", "physlite": "Jets", "flat": "jet1, jet2", "lhco": "FatJet"}
PT = {"nanoaod": "FatJet_pt[0]", "physlite": "Jets_pt[0]", "flat": "jet1_pt", "lhco": "FatJet_pt[0]"}
LABEL = {"nanoaod": "label", "physlite": "EventInfo_label", "flat": "label", "lhco": "label"}
NUMBER = {"nanoaod": "number", "physlite": "EventInfo_number", "flat": "number", "lhco": "number"}


def lists(values: Any) -> ak.Array:
    return ak.unflatten(np.ravel(values), np.full(N, 2))


def write_root(path: Path, columns: dict[str, Any]) -> None:
    types = {k: v.dtype if isinstance(v, np.ndarray) else v.type.content for k, v in columns.items()}
    with uproot.recreate(path) as file:
        for tree in ("Events", "Others"):
            kept = columns if tree == "Events" else {k: v[::-1] for k, v in columns.items()}
            file.mktree(tree, types).extend(kept)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("settings")
    rng = np.random.default_rng(1)
    pt, eta, phi = rng.uniform(1200, 2000, (N, 2)), rng.normal(0, 0.8, (N, 2)), rng.uniform(-3, 3, (N, 2))
    pt = -np.sort(-pt, axis=1)
    mass, tau = rng.uniform(20, 400, (N, 2)), rng.uniform(0.01, 0.3, (3, N, 2))
    label, number = (np.arange(N) % 5 == 0).astype(np.int8), np.arange(7, N + 7).astype(np.uint64)
    event = {"run": np.ones(N, np.uint32), "luminosityBlock": np.ones(N, np.uint32), "event": number * 3}
    fields = {"pt": pt, "eta": eta, "phi": phi, "mass": mass, "tau1": tau[0], "tau2": tau[1], "tau3": tau[2]}
    common = {"label": label, "number": number}
    write_root(place / "nanoaod.root", event | common | {f"FatJet_{k}": lists(v) for k, v in fields.items()})
    store = {f"EventInfoAuxDyn.{k}": v for k, v in common.items()}
    store |= {
        f"EventInfoAuxDyn.{k}": v
        for k, v in zip(("runNumber", "lumiBlock", "eventNumber"), event.values(), strict=True)
    }
    write_root(place / "physlite.root", store | {f"JetsAuxDyn.{k}": lists(v) for k, v in fields.items()})
    flat = {f"jet{i + 1}_{k}": v[:, i] for k, v in fields.items() for i in (0, 1)}
    write_root(place / "flat.root", event | common | flat)
    frame = {"label": label * 1.0, "number": number * 1.0}
    for j in (0, 1):
        frame |= {f"pxj{j + 1}": pt[:, j] * np.cos(phi[:, j]), f"pyj{j + 1}": pt[:, j] * np.sin(phi[:, j])}
        frame |= {f"pzj{j + 1}": pt[:, j] * np.sinh(eta[:, j]), f"mj{j + 1}": mass[:, j]}
        frame |= {f"tau{k + 1}j{j + 1}": tau[k][:, j] for k in range(3)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key, step in (("Events", 1), ("Others", -1)):
            pd.DataFrame(frame)[::step].to_hdf(place / "lhco.h5", key=key)
    for name in LAYOUTS:
        suffix = ".h5" if name == "lhco" else ".root"
        (place / f"{name}_more{suffix}").write_bytes((place / f"{name}{suffix}").read_bytes())
    return place


def document(folder: Path, name: str, /, **changes: Any) -> dict[str, Any]:
    jets = JETS[name]
    features = {name: f"{name}({jets})" for name in ("mj_light", "delta_mj")}
    data: dict[str, Any] = {
        "files": str(folder / f"{name}{'.h5' if name == 'lhco' else '.root'}"),
        "layout": name,
        "tree": "Events",
        "mass": f"mjj({jets})",
        "features": features,
    }
    return {"data": data | changes, "region": {"signal": [3300, 3700]}}


def read(folder: Path, name: str, /, **changes: Any) -> Events:
    import yaml

    return parse_config(yaml.safe_dump(document(folder, name, **changes), sort_keys=False)).read_events()


def summary(events: Events) -> list[Any]:
    facts = [[s.sha256, s.verified, s.tree] for s in events.sources]
    arrays = [events.x, events.mass, events.weights, events.ids, np.zeros(0) if events.truth is None else events.truth]
    return [facts, events.columns, *[a.tolist() for a in arrays]]


Change = Callable[[str], Any]
CHANGES: dict[str, Change] = {
    "files": lambda layout: "nothing.root",
    "tree": lambda layout: "Others",
    "layout": lambda layout: "nanoaod" if layout == "physlite" else "physlite",
    "units": lambda layout: "TeV",
    "beam_energy": lambda layout: 500,
    "selection": lambda layout: f"{PT[layout]} > 1500",
    "mass": lambda layout: PT[layout],
    "features": lambda layout: {"pt": PT[layout]},
    "constituents": lambda layout: {"leading": 3},
    "weight": lambda layout: PT[layout],
    "truth": lambda layout: f"{LABEL[layout]} == 0",
    "identifiers": lambda layout: [NUMBER[layout]],
    "memory": lambda layout: "10",
    "checksums": lambda layout: {"x.root": "00"},
}
WITHOUT_EFFECT_ON_EVENTS = {"on_error", "max_failed_fraction", "auxiliary"}


def test_every_key_is_tried() -> None:
    assert set(CHANGES) | WITHOUT_EFFECT_ON_EVENTS >= set(DataConfig.model_fields)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("key", CHANGES)
def test_a_key_is_used_or_refused(folder: Path, layout: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests of the reader lower it, to have many chunks.
    monkeypatch.setattr("analysis.io.chunks.SMALLEST", 10**6)
    plain = summary(read(folder, layout))
    changes = {key: CHANGES[key](layout)}
    if key == "constituents":
        changes["features"] = None
    try:
        changed = summary(read(folder, layout, **changes))
    except (AnalysisError, ConfigError):
        return
    assert changed != plain


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("key", ["weight", "truth", "identifiers", "mass", "selection", "features", "tree"])
def test_a_value_without_sense_is_refused(folder: Path, layout: str, key: str) -> None:
    value: Any = {"identifiers": ["nonsense"], "features": {"a": "nonsense"}}.get(key, "nonsense")
    with pytest.raises(AnalysisError, match="nonsense"):
        read(folder, layout, **{key: value})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_said_is_what_is_read(folder: Path, layout: str) -> None:
    """Against the numbers that the files were made of."""
    label, number = (np.arange(N) % 5 == 0), np.arange(7, N + 7)
    events = read(folder, layout, weight=f"2 * {PT[layout]}", truth=f"{LABEL[layout]} == 0", identifiers=NUMBER[layout])
    pt = read(folder, layout, features={"pt": PT[layout]}).x[:, 0]
    np.testing.assert_allclose(events.weights, 2 * pt, rtol=1e-6)
    np.testing.assert_array_equal(events.truth, ~label)
    np.testing.assert_array_equal(events.ids[:, 2], number)
    masses = [read(folder, name).mass for name in LAYOUTS]
    np.testing.assert_allclose(masses, np.broadcast_to(masses[0], (len(LAYOUTS), N)), rtol=1e-5)
    halves = read(folder, layout, units={"default": "GeV", "*": "none"}, selection=f"{PT[layout]} > 1500")
    np.testing.assert_array_equal(halves.mass, read(folder, layout).mass[pt > 1500])


def test_two_features_files_share_their_numbers(folder: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = pd.read_hdf(folder / "lhco.h5", key="Events")
        for name in ("a.h5", "b.h5"):
            frame.assign(mj1=frame["mj1"] + len(name) + ord(name[0])).to_hdf(tmp_path / name, key="Events")
    with pytest.raises(AnalysisError, match="identifiers='entry'"):
        read(folder, "lhco", files=str(tmp_path / "*.h5"))
    assert len(read(folder, "lhco", files=str(tmp_path / "*.h5"), identifiers="entry")) == 2 * N
