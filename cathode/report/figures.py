"""The figures of a report: which there are, what they show, and what to say about them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.plots.calibration import null_distribution
from analysis.plots.distributions import template_against_data
from analysis.plots.label import FigureLabel, stamp
from analysis.plots.performance import Line, roc_curves, significance_improvement
from analysis.plots.spectrum import Curve, Layer, mass_spectrum
from analysis.plots.training import losses
from analysis.plots.validation import Shifts, closure, region_shifts, sculpting
from cathode.diagnostics import Array, Diagnostics, RankingCurve
from cathode.report.histograms import (
    FEATURE_BINS,
    Histogram,
    agreement,
    feature_edges,
    histogram,
    integral,
    mass_edges,
    pulls,
    ratio_range,
    vetoed_bins,
)
from cathode.result import TOLERANCE, CutResult, SearchResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


#: What stands on the axis of a feature, and its unit, for features that the package itself computes.
LABELS = {
    "mj_light": ("Mass of the lighter jet", "GeV"),
    "mj_heavy": ("Mass of the heavier jet", "GeV"),
    "delta_mj": ("Mass difference of the jets", "GeV"),
    "tau21_light": (r"$\tau_{21}$ of the lighter jet", ""),
    "tau21_heavy": (r"$\tau_{21}$ of the heavier jet", ""),
    "tau32_light": (r"$\tau_{32}$ of the lighter jet", ""),
    "tau32_heavy": (r"$\tau_{32}$ of the heavier jet", ""),
    "n_light": ("Constituents of the lighter jet", ""),
    "n_heavy": ("Constituents of the heavier jet", ""),
    "splitting_light": (r"Splitting scale $\sqrt{d_{12}}$ of the lighter jet", "GeV"),
    "splitting_heavy": (r"Splitting scale $\sqrt{d_{12}}$ of the heavier jet", "GeV"),
    "delta_r": (r"$\Delta R$ of the jets", ""),
    "delta_eta": (r"$\Delta\eta$ of the jets", ""),
    "classifier score": ("Classifier score", ""),
}


@dataclass(frozen=True, eq=False)
class Plate:
    """A figure with its file name, the section it belongs to, and words for those who see it and who do not."""

    name: str
    section: str
    figure: Figure
    caption: str
    alt: str
    wide: bool = False


#: What the mass is called on an axis, by the beginning of its expression.
MASSES = {"mjj(": r"$m_{jj}$", "e_rec(": r"$E_\mathrm{rec}$", "mll(": r"$m_{\ell\ell}$"}


def plates(result: SearchResult, diagnostics: Diagnostics) -> Iterator[Plate]:
    """Every figure that the stored arrays allow, in the order of the page, with the label of the analysis."""
    label = FigureLabel(**(result.config or {}).get("label", {}))
    for made in (
        _spectra(result, diagnostics),
        _features(result, diagnostics),
        _selected(result, diagnostics),
        _validation(result, diagnostics),
        _calibration(result),
        _truth(result, diagnostics),
        _trainings(result),
    ):
        for plate in made:
            stamp(plate.figure, label)
            yield plate


def spectrum(result: SearchResult, diagnostics: Diagnostics) -> Plate | None:
    """The mass spectrum before and after the cuts alone, with the label of the analysis; None without stored masses."""
    for plate in _spectra(result, diagnostics):
        stamp(plate.figure, FigureLabel(**(result.config or {}).get("label", {})))
        return plate
    return None


def mass_label(result: SearchResult) -> str:
    """What the mass of the analysis is called on an axis, without its unit."""
    expression = str((result.config or {}).get("data", {}).get("mass", ""))
    return next((said for start, said in MASSES.items() if expression.startswith(start)), "Mass")


def _spectra(result: SearchResult, d: Diagnostics) -> Iterator[Plate]:
    if d.mass is None:
        return
    window = (result.region.low, result.region.high)
    veto = result.region.veto
    edges = mass_edges(d.mass, window, veto)
    before = histogram(d.mass, edges, d.weights)
    fit = _fit(d)
    expected = None if fit is None else integral(edges, fit.mass, fit.density)
    if expected is not None:
        expected = np.where(vetoed_bins(edges, veto), np.nan, expected)
    pull_edges, pull = (None, None) if expected is None else pulls(edges, before, expected, window)
    after = [_after(d, index, edges, cut, expected) for index, cut in enumerate(result.cuts) if d.passes is not None]
    yield Plate(
        "spectrum",
        "spectrum",
        mass_spectrum(
            edges,
            Layer("All selected events", before.content, before.error),
            after,
            window=window,
            veto=veto,
            fit=fit,
            pull_edges=pull_edges,
            pulls=pull,
            mass_label=mass_label(result),
        ),
        "The spectrum before and after the cuts. The fit has seen only the sidebands; dashed lines are the fit times "
        "the background efficiency of each cut, with the relative error of the window. A signal stands above its line "
        "inside the shaded window. Below, what is beyond the fit and beyond each line, where five events are expected.",
        f"Mass spectrum before and after {len(after)} cuts, with the signal window {window[0]:g} to {window[1]:g} GeV.",
        wide=True,
    )


def _after(d: Diagnostics, index: int, edges: Array, cut: CutResult, expected: Array | None) -> Layer:
    assert d.mass is not None
    assert d.passes is not None
    chosen = d.passes[index]
    passing = histogram(d.mass[chosen], edges, None if d.weights is None else d.weights[chosen])
    dashed = None if expected is None else expected * cut.effective_efficiency
    label = rf"After the cut at $\varepsilon_B$ = {cut.background_efficiency:g}"
    relative = cut.uncertainty / cut.expected if cut.expected > 0 else 0.0
    return Layer(label, passing.content, passing.error, dashed, min(relative, 1.0) if np.isfinite(relative) else 0.0)


def _fit(d: Diagnostics) -> Curve | None:
    if d.curve_mass is None or d.curve_density is None:
        return None
    error = np.zeros_like(d.curve_density) if d.curve_error is None else d.curve_error
    return Curve(d.curve_mass, d.curve_density, d.curve_density - error, d.curve_density + error)


def _features(result: SearchResult, d: Diagnostics) -> Iterator[Plate]:
    if d.mass is None or d.template_x is None or not len(d.template_x):
        return
    inside = _inside(result, d.mass)
    weights = None if d.weights is None else d.weights[inside]
    if d.x is not None:
        files = file_names(d.columns)
        for index, name in enumerate(d.columns):
            figure = _comparison(d.x[inside, index], weights, d.template_x[:, index], name)
            caption = f"{name} in the signal region, before any cut; the template is scaled to the data."
            yield Plate(
                f"feature_{files[name]}",
                "template",
                figure,
                caption,
                f"{caption} Ratio of data to template below.",
            )
    if d.scores is not None and d.template_scores is not None:
        figure = _comparison(d.scores[inside], weights, d.template_scores, "classifier score", log=True)
        caption = (
            "Held-out scores in the signal region. Background looks like the template, a signal gathers on the right."
        )
        yield Plate("scores", "template", figure, caption, f"{caption} Ratio of data to template below.")


def _selected(result: SearchResult, d: Diagnostics) -> Iterator[Plate]:
    """What the first cut keeps, in every feature."""
    if d.mass is None or d.x is None or d.passes is None or d.template_x is None or d.template_scores is None:
        return
    cut = result.primary
    kept = _inside(result, d.mass) & d.passes[0]
    if d.template_fold is None or not kept.any():
        return
    passing = d.template_scores >= np.asarray(cut.thresholds)[d.template_fold]
    scale = cut.expected / max(int(passing.sum()), 1)
    weights = None if d.weights is None else d.weights[kept]
    files = file_names(d.columns)
    for index, name in enumerate(d.columns):
        figure = _comparison(
            d.x[kept, index],
            weights,
            d.template_x[passing, index],
            name,
            scale=scale,
            template_label="Expected background",
            systematic=cut.systematic / cut.expected if cut.expected > 0 else 0.0,
        )
        caption = (
            f"{name} after the cut at background efficiency {cut.background_efficiency:g}, in the signal region, with "
            "the background that is expected there. An excess shows where the signal candidates lie."
        )
        yield Plate(f"selected_{files[name]}", "selected", figure, caption, f"{caption} Ratio below.")


def _comparison(
    data: Array,
    weights: Array | None,
    template: Array,
    label: str,
    *,
    scale: float | None = None,
    template_label: str = "Template",
    systematic: float | None = None,
    log: bool = False,
) -> Figure:
    # Few events deserve few bins.
    bins = FEATURE_BINS if scale is None else int(np.clip(np.sqrt(len(data)), 10, FEATURE_BINS))
    edges = feature_edges(data, template, bins=bins)
    observed = histogram(data, edges, weights)
    total = float(len(data) if weights is None else weights.sum())
    predicted = histogram(template, edges).scaled(total / len(template) if scale is None else scale)
    said = agreement(observed, predicted, scaled=scale is None, common=systematic or 0.0)
    if systematic is not None:
        predicted = Histogram(predicted.content, np.hypot(predicted.error, systematic * predicted.content))
    figure: Figure = template_against_data(
        edges,
        observed.content,
        observed.error,
        predicted.content,
        predicted.error,
        label=LABELS.get(label, (label, ""))[0],
        unit=LABELS.get(label, (label, ""))[1],
        ratio_range=ratio_range(observed, predicted),
        template_label=template_label,
        error_label="Statistical error" if systematic is None else "Total error",
        agreement=said,
        log=log,
    )
    return figure


def _validation(result: SearchResult, d: Diagnostics) -> Iterator[Plate]:
    window = (result.region.low, result.region.high)
    if result.closures:
        regions = result.closures
        figure = closure(
            [(c.low, c.high) for c in regions],
            np.array([c.auc for c in regions]),
            np.array([c.auc_error for c in regions]),
            tolerance=TOLERANCE,
            window=window,
        )
        said = ", ".join(f"{c.low:g} to {c.high:g} GeV: AUC {c.auc:.3f}" for c in regions)
        caption = "How well a classifier tells template from data in the validation regions. It should not."
        yield Plate("closure", "validation", figure, caption, f"Closure by validation region. {said}.")
    found = [(cut, shifts) for cut in result.cuts if (shifts := _shifts(result, cut)) is not None]
    if found:
        figure = region_shifts([shifts for _, shifts in found], window=window)
        caption = (
            "Counted over predicted above each cut in the validation regions; the band is what the search corrects its "
            "expectation by, and the systematic error of that."
        )
        said = ", ".join(f"{cut.background_efficiency:g}: {100 * cut.shift:+.1f} %" for cut, _ in found)
        yield Plate("region_shifts", "validation", figure, caption, f"{caption} Corrections by cut: {said}.")
    if d.sculpting:
        figure = sculpting(
            [curve.edges for curve in d.sculpting],
            [curve.ratio for curve in d.sculpting],
            [curve.error for curve in d.sculpting],
            [rf"$\varepsilon_B$ = {curve.background_efficiency:g}" for curve in d.sculpting],
            window=window,
        )
        caption = "The spectrum after each cut over the spectrum before it, times the efficiency. Flat is not sculpted."
        yield Plate("sculpting", "validation", figure, caption, caption)


def _shifts(result: SearchResult, cut: CutResult) -> Shifts | None:
    """The validation regions of one cut, of their own classifiers."""
    mine = [
        each
        for each in result.region_shifts
        if each.background_efficiency == cut.background_efficiency and each.classifiers == "region"
    ]
    if not mine or not cut.expected > 0:
        return None
    return Shifts(
        rf"$\varepsilon_B$ = {cut.background_efficiency:g}",
        np.array([(each.low, each.high) for each in mine]),
        np.array([each.shift for each in mine]),
        np.array([each.error for each in mine]),
        (cut.shift, cut.systematic * (1 + cut.shift) / cut.expected),
    )


def _calibration(result: SearchResult) -> Iterator[Plate]:
    """The null distribution of every cut that was calibrated."""
    for number, each in enumerate(result.calibrated):
        if not each.null:
            continue
        cut = next(c for c in result.cuts if c.background_efficiency == each.background_efficiency)
        said = (
            f"Significances of {each.experiments} background-only pseudo-experiments of this search, everything "
            f"trained again, at background efficiency {each.background_efficiency:g}. N(0, 1) would be perfect."
        )
        yield Plate(
            f"null_{number}",
            "calibration",
            null_distribution(np.array(each.null), observed=cut.significance),
            said,
            f"{said} Mean {each.null_mean:.2f}, width {each.null_width:.2f}; the data are at {cut.significance:.2f}.",
        )


def _truth(result: SearchResult, d: Diagnostics) -> Iterator[Plate]:
    if result.truth is None or d.ranking is None:
        return
    curves = [("This search", d.ranking)] + ([("Idealised detector", d.idealised)] if d.idealised is not None else [])
    marked = [(e, value) for e, (value, _) in result.truth.sic.items()]
    yield Plate(
        "sic",
        "truth",
        significance_improvement([_sic(label, curve) for label, curve in curves], marked=marked),
        "By how much a cut multiplies the significance of the signal, S/√B. The band is the statistical error; a "
        "curve ends where fewer than 25 background events are left.",
        f"Significance improvement against background efficiency; largest {result.truth.max_sic:.1f}.",
    )
    yield Plate(
        "roc",
        "truth",
        roc_curves([_roc(label, curve) for label, curve in curves]),
        "Rejection of true background against the efficiency for true signal.",
        f"ROC curve, area {result.truth.auc:.3f}.",
    )


def _sic(label: str, curve: RankingCurve) -> Line:
    shown = np.isfinite(curve.sic) & (curve.background_efficiency > 0)
    x, y, error = curve.background_efficiency[shown], curve.sic[shown], curve.sic_error[shown]
    return Line(label, x, y, np.maximum(y - error, 0), y + error)


def _roc(label: str, curve: RankingCurve) -> Line:
    shown = curve.background_efficiency > 0
    return Line(label, curve.signal_efficiency[shown], 1 / curve.background_efficiency[shown])


def _trainings(result: SearchResult) -> Iterator[Plate]:
    for index, training in enumerate(result.trainings):
        if not training.train_loss:
            continue
        figure = losses(
            np.array(training.train_loss),
            np.array(training.validation_loss),
            best=training.best_epochs,
            title=training.stage,
        )
        caption = (
            f"Loss of the {training.stage} generator. Closure, not this loss, decides whether the template is good."
        )
        yield Plate(
            f"training_{index}", "training", figure, caption, f"Training and validation loss: {training.stage}."
        )


def file_names(features: Sequence[str]) -> dict[str, str]:
    """Feature -> the part of a file name that stands for it: letters that any file system takes, and no two alike.

    Names that would share a file, also where capitals do not count, get a part of their hash; which name gets which
    file does not depend on the order.

    >>> file_names(["pt", "delta m"])
    {'pt': 'pt', 'delta m': 'delta_m'}
    """
    plain = {name: re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:60] for name in features}
    taken = Counter(each.casefold() for each in plain.values())
    return {
        name: each if taken[each.casefold()] == 1 else f"{each}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        for name, each in plain.items()
    }


def _inside(result: SearchResult, mass: Array) -> NDArray[np.bool_]:
    return np.asarray((mass >= result.region.low) & (mass < result.region.high))
