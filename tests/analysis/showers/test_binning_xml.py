"""Binnings in the CaloChallenge's XML."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.errors import GeometryError, InputFileError
from analysis.showers.binning_xml import read_binning_xml, write_binning_xml
from analysis.showers.detectors import geometry

WRITTEN = """<Bins>
  <Bin pid="22" name="photon">
    <Layer id="0" r_edges="0,5,10" n_bin_alpha="1"/>
    <Layer id="1" r_edges="" n_bin_alpha="0"/>
    <Layer id="2" r_edges="0,2.5,4" n_bin_alpha="10"/>
  </Bin>
  <Bin pid="211" name="pion"><Layer id="0" r_edges="0,1"/></Bin>
</Bins>"""


def test_layers_of_a_particle_by_name_or_number(tmp_path: Path) -> None:
    path = tmp_path / "binning.xml"
    path.write_text(WRITTEN.replace(' r_edges="" n_bin_alpha="0"', ' r_edges="0" n_bin_alpha="1"'))
    photons = read_binning_xml(path, "photon", threshold=1e-3)
    assert photons == read_binning_xml(path, "22", threshold=1e-3)
    assert [(layer.id, layer.shape) for layer in photons.layers] == [(0, (1, 2)), (2, (10, 2))]
    assert read_binning_xml(path, "211").voxels == 1
    for particle, said in [(None, "name one"), ("photn", "photon")]:
        with pytest.raises(GeometryError, match=said):
            read_binning_xml(path, particle)


@pytest.mark.parametrize("name", ["ds1-photons", "ds1-pions", "ds2"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    write_binning_xml(geometry(name), tmp_path / "a.xml")
    assert read_binning_xml(tmp_path / "a.xml").layers == geometry(name).layers


def test_rectangles_can_not_be_said(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="no rings"):
        write_binning_xml(geometry("ild"), tmp_path / "a.xml")
    assert not (tmp_path / "a.xml").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<Bins", "no XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Bins/>', "entities"),
        ('<Bins><Bin name="p"><Layer id="0" r_edges="a,b"/></Bin></Bins>', "no numbers"),
        ("x" * 1_000_001, "bytes"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises((InputFileError, GeometryError), match=said):
        read_binning_xml(path)
