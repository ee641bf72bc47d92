import html
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from analysis.printing import number, p_value
from cathode.diagnostics import Diagnostics, RankingCurve, SculptingCurve
from cathode.errors import ConfigError, ResultError, RunFolderError
from cathode.report import words
from cathode.report.figures import plates
from cathode.report.histograms import (
    Histogram,
    agreement,
    feature_edges,
    histogram,
    integral,
    mass_edges,
    pulls,
    ratio_range,
)
from cathode.report.page import render, write_report
from cathode.result import CutResult, SearchResult
from cathode.validation.claims import headline
from cathode.validation.warnings import warnings_of

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


@pytest.fixture(scope="module")
def diagnostics() -> Diagnostics:
    """A falling spectrum with a bump in the window, and a template of the same background."""
    rng = np.random.default_rng(5)
    mass = np.concatenate([2400 + rng.exponential(600, 20_000), rng.normal(3500, 60, 200)])
    signal = np.arange(len(mass)) >= 20_000
    scores = rng.beta(2, 5, len(mass)) + 0.4 * signal
    thresholds = np.array([0.71, 0.72, 0.75])
    fold = rng.integers(0, 3, len(mass))
    template_mass = rng.uniform(3300, 3700, 9000)
    grid = np.linspace(2400, 6000, 200)
    rejection = np.geomspace(1e-3, 1, 50)
    ranking = RankingCurve(
        signal_efficiency=rejection**0.3,
        background_efficiency=rejection,
        sic=rejection**-0.2,
        sic_error=0.1 * rejection**-0.2,
    )
    return Diagnostics(
        columns=("Δm/strange name",),
        mass=mass,
        weights=np.ones(len(mass)),
        x=rng.normal(size=(len(mass), 1)).astype(np.float32),
        scores=scores,
        fold=fold,
        truth=signal,
        efficiencies=np.array([1e-2, 1e-3]),
        passes=np.stack([scores >= thresholds[fold], scores >= 0.9]),
        template_x=rng.normal(size=(9000, 1)).astype(np.float32),
        template_mass=template_mass,
        template_scores=rng.beta(2, 5, 9000),
        template_fold=rng.integers(0, 3, 9000),
        curve_mass=grid,
        curve_density=20_000 / 600 * np.exp(-(grid - 2400) / 600),
        curve_error=0.01 * grid,
        sculpting=tuple(
            SculptingCurve(
                background_efficiency=10.0**-bins,
                edges=np.linspace(2400, 6000, bins + 1),
                ratio=np.ones(bins),
                error=np.full(bins, 0.1),
            )
            for bins in (2, 3)
        ),
        ranking=ranking,
        idealised=ranking,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, diagnostics: Diagnostics) -> Path:
    """A folder as a search leaves it."""
    folder = tmp_path_factory.mktemp("run")
    diagnostics.save(folder / "diagnostics.npz")
    return folder


@pytest.fixture
def page(run: Path, result: SearchResult) -> Path:
    if not (run / "report.html").exists():
        result.write(run / "result.json")
        write_report(run)
    return run / "report.html"


class Tags(HTMLParser):
    """All tags with their attributes, and the words that a reader sees."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def reader_sees(text: str) -> str:
    return " ".join(" ".join(Tags(text).words).split())


def test_the_verdict_comes_first_and_is_complete(result: SearchResult) -> None:
    seen = reader_sees(render(result))
    assert seen.index(headline(result)) < seen.index("Mass spectrum")
    for cut in result.cuts:
        for said in (number(cut.observed), number(cut.expected), p_value(cut.p_value)):
            assert said in seen[: seen.index("Mass spectrum")]
    assert seen.index(result.warnings[0]) < seen.index("Mass spectrum")


def test_reweighting_has_a_table_where_there_was_one(result: SearchResult) -> None:
    seen = reader_sees(render(result))
    table = seen[seen.index("Sideband reweighting") : seen.index("Mass sculpting")]
    assert "the search 0.5500 ± 0.0030 0.5020 ± 0.0040 88 % of 800,000 0.1 % 10.2 2" in table
    assert "the sideband closure test 0.5600 ± 0.0040" in table
    assert "Sideband reweighting" not in render(replace(result, reweightings=()))


def test_several_reweightings_are_numbered_in_table_and_warnings(result: SearchResult) -> None:
    first, intervals = result.reweightings
    several = replace(result, reweightings=(first, replace(first, step=2, auc_before=0.53), intervals))
    seen = reader_sees(render(several))
    assert "Each step corrects what those before it left." in seen
    assert "the search, step 2 0.5300 ± 0.0030" in seen
    alone = reader_sees(render(result))
    assert "the search, step" not in alone
    assert "Each step" not in alone
    assert "Reweighting of the template, step 2: Beware." in warnings_of(several)


def test_warnings_of_reweighting_name_the_template(result: SearchResult) -> None:
    intervals = replace(result.reweightings[0], stage="validation")
    found = warnings_of(replace(result, reweightings=(result.reweightings[0], intervals)))
    assert "Reweighting of the template: Beware." in found
    assert "Reweighting of the template of the sideband closure test: Beware." in found


def test_failed_closure_is_said_in_the_headline_and_before_the_numbers(result: SearchResult) -> None:
    failed = replace(result, closures=(replace(result.closures[0], passed=False), result.closures[1]))
    seen = reader_sees(render(failed))
    assert "because validation failed" in headline(failed)
    assert seen.index("Validation failed") < seen.index("observed")
    assert "Validation passed" not in seen


def test_headline_follows_the_first_cut_not_the_best(result: SearchResult, cut: CutResult) -> None:
    cuts = (replace(cut, significance=0.3), replace(cut, significance=7.0))
    assert "No significant excess" in headline(replace(result, cuts=cuts))


def test_derivation_states_every_number_of_the_cut(result: SearchResult) -> None:
    for cut in result.cuts:
        text = " ".join(step.numbers for step in words.derivation(result, cut))
        for value in (cut.observed, cut.expected, cut.statistical, cut.systematic, cut.uncertainty):
            assert number(value) in text
        for said in (f"{cut.template_passing:,}", f"{cut.template_total:,}", f"{result.counts.signal_region:,}"):
            assert said in text
        for p in (cut.p_value, cut.p_value_exact):
            assert p_value(p) in text


def test_markup_in_the_data_stays_text(result: SearchResult) -> None:
    evil = "<script>alert(1)</script>"
    text = render(replace(result, warnings=(evil,), columns=(evil,), config={evil: evil}))
    assert not [tag for tag, _ in Tags(text).tags if tag == "script"]
    assert html.escape(evil) in text


def test_page_needs_nothing_but_itself(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for tag, attributes in Tags(text).tags:
        for name in ("src", "href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    assert not re.search(r"url\(|@import", text)


def test_every_figure_has_words_and_files(page: Path) -> None:
    images = [a for tag, a in Tags(page.read_text(encoding="utf-8")).tags if tag == "img"]
    assert len(images) == 9
    assert all(len(image["alt"] or "") > 20 for image in images)
    names = {path.name for path in (page.parent / "figures").iterdir()}
    for name in (
        "spectrum",
        "feature__m_strange_name",
        "selected__m_strange_name",
        "scores",
        "closure",
        "sculpting",
        "sic",
        "roc",
    ):
        assert f"{name}.png" in names
    assert not any(name.endswith(".pdf") for name in names)


def test_pdf_files_are_written_when_asked_for_and_the_same_every_time(run: Path, result: SearchResult) -> None:
    result.write(run / "result.json")
    contents = []
    for _ in range(2):
        write_report(run, formats=("png", "pdf"))
        figures = run / "figures"
        assert {path.stem for path in figures.glob("*.pdf")} == {path.stem for path in figures.glob("*.png")}
        contents.append((figures / "spectrum.pdf").read_bytes())
        for path in figures.glob("*.pdf"):
            path.unlink()
    assert contents[0] == contents[1]
    assert contents[0].startswith(b"%PDF")
    with pytest.raises(ConfigError, match="'tiff'"):
        write_report(run, formats=("tiff",))


def test_a_run_without_diagnostics_still_has_its_page(tmp_path: Path, result: SearchResult) -> None:
    bare = replace(result, closures=(), sculpting=(), trainings=(), truth=None, config=None, inputs=(), versions={})
    bare.write(tmp_path / "result.json")
    seen = reader_sees(write_report(tmp_path).read_text(encoding="utf-8"))
    assert headline(bare) in seen
    assert "Against the truth" not in seen


def test_what_can_not_be_read_is_named(tmp_path: Path, result: SearchResult) -> None:
    with pytest.raises(ResultError, match=r"result\.json"):
        write_report(tmp_path)
    result.write(tmp_path / "result.json")
    (tmp_path / "diagnostics.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(RunFolderError, match=r"diagnostics\.npz"):
        write_report(tmp_path)


def test_diagnostics_come_back_as_they_were(tmp_path: Path, diagnostics: Diagnostics) -> None:
    diagnostics.save(tmp_path / "d.npz")
    back = Diagnostics.load(tmp_path / "d.npz")
    assert back.columns == diagnostics.columns
    for name in ("mass", "x", "passes", "template_fold", "curve_density"):
        np.testing.assert_array_equal(getattr(back, name), getattr(diagnostics, name))
        assert getattr(back, name).dtype == getattr(diagnostics, name).dtype
    assert back.idealised is not None
    np.testing.assert_array_equal(back.idealised.sic, diagnostics.idealised.sic)
    assert [curve.background_efficiency for curve in back.sculpting] == [1e-2, 1e-3]
    assert [len(curve.ratio) for curve in back.sculpting] == [2, 3]
    assert Diagnostics.load(_saved(Diagnostics(), tmp_path / "e.npz")).mass is None


def test_truncated_and_foreign_diagnostics_are_refused(tmp_path: Path, diagnostics: Diagnostics) -> None:
    path = _saved(diagnostics, tmp_path / "d.npz")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RunFolderError):
        Diagnostics.load(path)
    np.savez(path, mass=np.ones(3))
    with pytest.raises(RunFolderError, match="not written by this version"):
        Diagnostics.load(path)
    np.savez(path, format=np.array(1), masses=np.ones(3))
    with pytest.raises(RunFolderError, match="not those of a run"):
        Diagnostics.load(path)
    np.savez(path, format=np.array(1), mass=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(RunFolderError):
        Diagnostics.load(path)


def _saved(diagnostics: Diagnostics, path: Path) -> Path:
    diagnostics.save(path)
    return path


def test_mass_bins_have_borders_at_the_window() -> None:
    rng = np.random.default_rng(1)
    for window in ((3300.0, 3700.0), (3000.0, 3010.0), (2000.0, 9000.0)):
        mass = 2300 + rng.exponential(500, 5000)
        edges = mass_edges(mass, window)
        assert np.isclose(edges, window[0]).any()
        assert np.isclose(edges, window[1]).any()
        assert edges[0] <= mass.min()
        np.testing.assert_allclose(np.diff(edges), np.diff(edges)[0])


def test_histogram_conserves_weights_and_adds_squares() -> None:
    values, weights = np.array([0.1, 0.2, 1.5]), np.array([2.0, -1.0, 3.0])
    made = histogram(values, np.array([0.0, 1.0, 2.0]), weights)
    np.testing.assert_allclose(made.content, [1.0, 3.0])
    np.testing.assert_allclose(made.error, [np.sqrt(5.0), 3.0])


def test_integral_of_a_density_is_exact_for_straight_lines() -> None:
    mass = np.linspace(0.0, 10.0, 7)
    edges = np.array([-1.0, 1.0, 4.0, 10.0])
    np.testing.assert_allclose(integral(edges, mass, np.full(7, 2.0)), [np.nan, 6.0, 12.0])


def test_pulls_are_blind_to_the_window_and_standard_normal_outside() -> None:
    rng = np.random.default_rng(2)
    edges = np.arange(0.0, 401.0)
    expected = np.full(400, 100.0)
    data = histogram(rng.uniform(0, 400, rng.poisson(40_000)), edges)
    pairs, values = pulls(edges, data, expected, (100.0, 200.0))
    assert not ((pairs[:, 0] >= 100) & (pairs[:, 1] <= 200)).any()
    assert abs(values.mean()) < 4 / np.sqrt(300)
    assert abs(values.std() - 1) < 4 / np.sqrt(600)


def test_agreement_is_the_chi2_of_bins_with_enough_events() -> None:
    data = Histogram(np.array([110.0, 90.0, 1.0]), np.array([10.0, 10.0, 1.0]))
    template = Histogram(np.array([100.0, 100.0, 2.0]), np.array([0.0, 0.0, 0.0]))
    # χ² = 2 with two degrees of freedom has p = 1/e, with one 0.157.
    assert agreement(data, template, scaled=False) == "χ²/ndf = 2.0/2, p = 0.37"
    assert agreement(data, template, scaled=True) == "χ²/ndf = 2.0/1, p = 0.16"
    assert agreement(Histogram(data.content[2:], data.error[2:]), Histogram(*[np.array([2.0])] * 2), scaled=False) == ""


def test_an_error_that_all_bins_share_is_no_error_of_each() -> None:
    rng = np.random.default_rng(3)
    expected = rng.uniform(20, 200, 6)
    data = Histogram(1.2 * expected, np.sqrt(expected))
    template = Histogram(expected, np.full(6, 2.0))
    covariance = np.diag(data.error**2 + template.error**2) + 0.1**2 * np.outer(expected, expected)
    off = data.content - expected
    due = float(off @ np.linalg.solve(covariance, off))
    assert agreement(data, template, scaled=False, common=0.1).startswith(f"χ²/ndf = {due:.1f}/6,")
    assert agreement(data, template, scaled=False) != agreement(data, template, scaled=False, common=0.1)


def test_figures_carry_the_label_of_the_analysis(result: SearchResult, diagnostics: Diagnostics) -> None:
    labelled = replace(result, config={"data": {"mass": "mjj(FatJet)"}, "label": {"experiment": "Toy", "sqrt_s": 1e4}})
    first = next(iter(plates(labelled, diagnostics))).figure
    assert "Toy" in first.axes[0].get_title(loc="left")
    assert first.axes[0].get_title(loc="right") == "10 TeV"
    assert first.axes[-1].get_xlabel() == "$m_{jj}$ [GeV]"
    assert next(iter(plates(result, diagnostics))).figure.axes[0].get_title(loc="right") == ""


def test_the_page_says_when_and_with_what_it_was_made(result: SearchResult) -> None:
    said = {"cathode-hep": "1.2", "python": "3.11.7", "system": "Linux x86_64"}
    text = render(replace(result, versions=said, configured="2026-11-30T08:00:00+00:00"))
    assert "First configured on 2026-11-30, with cathode-hep 1.2 and Python 3.11.7 on Linux x86_64." in text
    assert "configured on" not in render(replace(result, versions={}, configured="")).split('id="provenance"')[1]


def test_ratio_range_is_symmetric_for_closure_and_reaches_an_excess() -> None:
    edges = feature_edges(np.linspace(0, 1, 1000))
    flat = histogram(np.linspace(0, 1, 100_000), edges)
    low, high = ratio_range(flat, flat)
    assert low + high == pytest.approx(2.0)
    assert ratio_range(flat.scaled(5.0), flat)[1] > 5


@pytest.mark.parametrize("highest", [3, 30, 39, 40, 95])
def test_whole_numbers_fall_into_bins_of_equally_many(highest: int) -> None:
    numbers = np.arange(highest + 1.0)
    edges = feature_edges(np.repeat(numbers, 9), numbers[2:])
    content = np.histogram(numbers, edges)[0]
    assert len(content) <= 40
    # The last bin may reach beyond the highest number.
    assert len(set(content[:-1])) == 1
    assert content.sum() == highest + 1
    assert content[0] == np.ceil((highest + 1) / 40)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_chromium_shows_the_verdict_without_network_or_errors(page: Path, tmp_path: Path, result: SearchResult) -> None:
    seen, console = opened(page, tmp_path)
    assert headline(result) in reader_sees(seen)
    assert console == []


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_forbids_what_it_does_not_carry(page: Path, tmp_path: Path) -> None:
    """The policy in the page is what makes an empty console mean that nothing was loaded."""
    altered = tmp_path / "altered.html"
    altered.write_text(
        page.read_text(encoding="utf-8").replace("</body>", "<img src='https://127.0.0.1/x.png'></body>")
    )
    assert any("Content Security Policy" in line for line in opened(altered, tmp_path)[1])


def opened(page: Path, folder: Path) -> tuple[str, list[str]]:
    """Document and console lines of a page in headless Chromium."""
    done = subprocess.run(
        [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}"),
            *("--window-size=1200,1000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HOME": str(folder)},
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
