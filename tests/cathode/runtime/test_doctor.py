import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cathode.cli.app import app
from cathode.runtime import doctor


@pytest.fixture(scope="module")
def diagnosis() -> doctor.Diagnosis:
    return doctor.diagnose(Path.cwd())


def test_a_good_installation_is_healthy(diagnosis: doctor.Diagnosis) -> None:
    assert diagnosis.healthy, [f for f in diagnosis.findings if f.status == "bad"]
    names = {finding.what for finding in diagnosis.findings}
    assert {"Python", "torch", "threads", "memory", "disk", "device", "ROOT round trip", "small flow trains"} <= names


def test_every_finding_that_is_not_good_names_a_remedy(diagnosis: doctor.Diagnosis) -> None:
    assert all(finding.remedy for finding in diagnosis.findings if finding.status != "good")


def test_a_failing_job_is_a_finding_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(doctor, "_root_round_trip", broken)
    monkeypatch.setattr(doctor, "_small_flow", lambda: "trained")
    found = doctor.diagnose()
    assert not found.healthy
    assert any("disk on fire" in f.found for f in found.findings)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["healthy"] is False


def test_a_missing_package_is_bad_and_a_missing_extra_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))
    monkeypatch.setattr(doctor, "EXTRAS", {"none": ("no_such_module",)})
    monkeypatch.setattr(doctor, "_small_flow", lambda: "trained")
    status = {finding.what: finding.status for finding in doctor.diagnose().findings}
    assert (status["no-such-package"], status["extra 'none'"]) == ("bad", "note")


def test_an_import_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(doctor, "_small_flow", lambda: "trained")
    found = {finding.what: finding for finding in doctor.diagnose().findings}
    assert found["threads"].status == found["device"].status == "bad"
    assert "torch" in found["device"].found
