"""Results as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analysis.metrics.sic_and_auc import Measured
from analysis.preparation.preparing import Prepared
from analysis.printing import number, p_value, sigma
from cathode.benchmark.result import Benchmark
from cathode.calibration.audit import Audit
from cathode.calibration.result import Calibration
from cathode.comparison.result import GeneratorComparison
from cathode.comparison.shower_details import ShowerDetails
from cathode.comparison.showers import ShowerEvaluation
from cathode.full_validation.result import FullValidation
from cathode.injection.experiments import Injection
from cathode.injection.limit import InjectedLimit
from cathode.result import Closure, CutResult, FeatureTest, RegionShift, Sculpting, SearchResult
from cathode.runs.comparing import RunComparison
from cathode.scans.cost import Share
from cathode.scans.limits import signal_limits
from cathode.scans.result import Scan
from cathode.validation.claims import headline, validation


def conclusion(result: SearchResult) -> Iterator[RenderableType]:
    """The conclusion, its warnings, and the numbers of every cut."""
    yield Text(headline(result), style="bold")
    for warning in result.warnings:
        yield Padding(Text.assemble(("Warning: ", "bold yellow"), (warning, "yellow")), (0, 0, 0, 2))
    yield cuts(result)
    if not result.validated:
        yield "Significances in parentheses are not claimed."
    yield Text(validation(result), style="green" if result.validated else "bold yellow")


#: Columns of a terminal that a table of cuts needs, one line for each; on a narrower one each has a column.
_WIDE = 100


@dataclass(frozen=True)
class _Cuts:
    """A table that lies on a wide terminal and stands on a narrow one."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= _WIDE:
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
            for title in self.titles:
                table.add_column(title, justify="right", no_wrap=title == "local")
            for row in self.rows:
                table.add_row(*row)
        else:
            table = Table(box=box.SIMPLE, pad_edge=False, show_header=False)
            for row in zip(self.titles, *self.rows, strict=True):
                table.add_row(*row)
        yield table


def cuts(result: SearchResult) -> RenderableType:
    """What was counted and expected at each background efficiency, in the order in which they were asked for."""
    titles = ["background efficiency", "observed", "expected", "stat", "sys", "p exact", "p", "local"]
    known = any(cut.signal_efficiency is not None for cut in result.cuts)
    if known:
        titles.append("true signal kept")
    rows = []
    for cut in result.cuts:
        row = [
            _asked_and_realised(cut),
            number(cut.observed),
            number(cut.expected),
            f"± {number(cut.statistical)}",
            f"± {number(cut.systematic)}",
            p_value(cut.p_value_exact) if cut.exact_usable else f"[dim]{p_value(cut.p_value_exact)} unusable[/]",
            p_value(cut.p_value),
            f"[bold]{cut.local(result.validation)}[/]",
        ]
        if known:
            row.append("–" if cut.signal_efficiency is None else f"{100 * cut.signal_efficiency:.1f} %")
        rows.append(row)
    return _Cuts(titles, rows)


def _asked_and_realised(cut: CutResult) -> str:
    """A background efficiency, and in parentheses the realised one where ties or rounding make it another."""
    asked, realised = f"{cut.background_efficiency:g}", cut.effective_efficiency
    near = abs(realised / cut.background_efficiency - 1) < 0.02 or f"{realised:.2g}" == asked
    return asked if near else f"{asked} ({realised:.2g})"


def null_distributions(calibration: Calibration) -> RenderableType:
    """Mean and width of the significances without a signal, by cut; N(0, 1) is perfect."""
    table = _table(
        f"{len(calibration.experiments)} pseudo-experiments without a signal; mean 0 and width 1 are perfect"
    )
    table.add_column("background efficiency")
    for title in ("mean", "width", "p of N(0, 1)", "resolution of p"):
        table.add_column(title, justify="right")
    for efficiency in calibration.experiments[0].significance:
        null = calibration.null(efficiency)
        (mean, mean_error), (width, width_error) = null.mean, null.width
        table.add_row(
            f"{efficiency:g}",
            f"{mean:.2f} ± {mean_error:.2f}",
            f"{width:.2f} ± {width_error:.2f}",
            p_value(null.ks_p_value),
            f"{1 / (len(null) + 1):.2g}",
        )
    return table


def audited(audit: Audit) -> Iterator[RenderableType]:
    """What is claimed in windows without a signal, by simpler statistics and by the search."""
    for index, cut in enumerate(audit.windows[0].cuts):
        table = _table(f"claims in windows without a signal, at background efficiency {cut.background_efficiency:g}")
        table.add_column("window, GeV")
        for title in ("events", "observed", "template", "expected", *cut.naive, "this search"):
            table.add_column(title, justify="right")
        table.add_column("validation")
        for window in audit.windows:
            here = window.cuts[index]
            ours = "not computable" if math.isnan(here.ours) else sigma(here.ours)
            table.add_row(
                f"{window.low:g}–{window.high:g}",
                f"{window.events:,}",
                number(here.observed),
                number(here.predicted),
                f"{number(here.expected)} ± {number(here.uncertainty)}",
                *("–" if math.isnan(value) else sigma(value) for value in here.naive.values()),
                f"[bold]{ours if window.validation == 'passed' or math.isnan(here.ours) else f'({ours})'}[/]",
                window.validation,
            )
        yield table
    yield "Significances in parentheses are not claimed by the search."
    for text, count in audit.failures.items():
        yield Text.assemble((f"{count} windows failed: ", "bold yellow"), (text, "yellow"))


def benchmarked(benchmark: Benchmark) -> Iterator[RenderableType]:
    """One row for each method: means over its searches with their errors."""
    from cathode.report.benchmark import COLUMNS, rows

    table = _table(f"methods, means over searches; the largest S/√B is {max(benchmark.strengths):g}")
    table.add_column("method")
    for title, _, _ in COLUMNS:
        table.add_column(title, justify="right")
    for name, cells in rows(benchmark):
        table.add_row(escape(name), *cells)
    yield table
    for text, count in benchmark.failures.items():
        yield Text.assemble((f"{count} searches failed: ", "bold yellow"), (text, "yellow"))


def scanned(scan: Scan) -> Iterator[RenderableType]:
    """What the most significant window of every series is worth, and limits on injected signals."""
    from cathode.report.scan import headline as conclusion_of
    from cathode.report.scan import named, worth

    yield Text(conclusion_of(scan), style="bold")
    table = _table(f"{len(scan.windows)} windows, the cut that was listed first")
    for title in ("search", "largest in, GeV", "local", "validation", "by windows", "by crossings", "by experiments"):
        table.add_column(title)
    for series in scan.series:
        table.add_row(escape(named(series)), *worth(series))
    yield table
    limits = signal_limits(scan)
    if limits:
        table = _table("upper limits at 95 % CL, in events of the signal before the cut")
        for title in ("method", "signal", "window, GeV", "observed", "expected"):
            table.add_column(title)
        for each in limits:
            if each.limit is None:
                table.add_row(escape(each.method), escape(each.signal), "–", "–", escape(each.reason))
            else:
                where = f"{each.low:g}–{each.high:g}"
                observed, expected = (number(value) for value in (each.limit.observed, each.limit.expected[2]))
                table.add_row(escape(each.method), escape(each.signal), where, observed, expected)
        yield table
    for text, count in scan.failures.items():
        yield Text.assemble((f"{count} searches failed: ", "bold yellow"), (text, "yellow"))


def shares_of_scan(shares: Sequence[Share], workers: int, failures: Sequence[str]) -> Iterator[RenderableType]:
    """Searches of a scan by method and data, and what those cost that are left."""
    table = _table("searches of the scan")
    for title in ("method", "data"):
        table.add_column(title)
    for title in ("windows", "searches", "done", "failed", "left", "CPU s each", "CPU s left"):
        table.add_column(title, justify="right")
    for each in shares:
        counts = (each.windows, each.searches, each.done, each.failed, each.left)
        known = ("–" if math.isnan(value) else f"{value:,.1f}" for value in (each.seconds, each.seconds_left))
        table.add_row(escape(each.method), escape(each.data), *map(str, counts), *known)
    yield table
    left = sum(each.seconds_left for each in shares)
    if math.isnan(left):
        yield "What a search costs is known when the first one is done; `cathode scan plan` does one of every method."
    else:
        yield f"At most {left:,.0f} CPU s are left, {left / 3600:.2g} h; on {workers} workers {left / workers:,.0f} s."
    for text in dict.fromkeys(failures):
        yield Text.assemble((f"{failures.count(text)} searches failed: ", "bold yellow"), (text, "yellow"))


def injections(found: Sequence[Injection]) -> RenderableType:
    """One row for each cut and strength: what passes, and how significant it is; means over repeats."""
    repeats = 1 + max(each.repeat for each in found)
    table = _table(f"injected signal, {repeats} search{'es' if repeats > 1 else ''} of each strength")
    for title in ("background efficiency", "injected", "pass", "efficiency", "observed", "expected", "Z"):
        table.add_column(title, justify="right")
    for efficiency in found[0].cuts:
        for strength in sorted({each.injected for each in found}):
            cuts = [each.cuts[efficiency] for each in found if each.injected == strength]
            passing = sum(cut.passing for cut in cuts) / len(cuts)
            table.add_row(
                f"{efficiency:g}",
                f"{strength:,}",
                number(passing),
                f"{100 * passing / strength:.3g} %" if strength else "–",
                number(sum(cut.observed for cut in cuts) / len(cuts)),
                number(sum(cut.expected for cut in cuts) / len(cuts)),
                f"{sum(cut.significance for cut in cuts) / len(cuts):.2f}",
            )
    return table


def injected_limits(limits: Sequence[InjectedLimit]) -> RenderableType:
    """One row for each cut: limits on passing events and on the signal before the cut."""
    table = _table("upper limits at 95 % CL, in events of the signal")
    for title in (
        "background efficiency",
        "passing",
        "observed",
        "efficiency ± 1σ",
        "expected",
        "1σ band",
        "without cut",
    ):
        table.add_column(title, justify="right")
    for each in limits:
        _, low, median, high, _ = each.expected
        table.add_row(
            f"{each.background_efficiency:g}",
            number(each.passing.observed),
            f"[bold]{number(each.observed)}[/]",
            f"{number(each.low)}–{number(each.high)}",
            number(median),
            f"{number(low)}–{number(high)}",
            number(each.inclusive),
        )
    return table


def full_checks(found: FullValidation) -> RenderableType:
    """One row for every test of a full validation."""
    table = _table("validation, without a look into the window")
    for title in ("", "test", "found", "required", "passed"):
        table.add_column(title, justify="left")
    group = ""
    for each in found.checks:
        said = each.note if each.passed is None else _passed(each.passed)
        table.add_row(
            each.group if each.group != group else "", escape(each.name), each.measured, each.requirement, said
        )
        group = each.group
    return table


def checks(
    closures: Sequence[Closure],
    sculpting: Sequence[Sculpting] = (),
    shifts: Sequence[RegionShift] = (),
    features: Sequence[FeatureTest] = (),
) -> RenderableType:
    """Closure by validation region, counts above the cuts, features that differ, and sculpting by cut."""
    tables = []
    if closures:
        table = _table("closure: template against data, 0.5 is perfect")
        _columns(table, "validation region, GeV", "data", "template", "AUC", "passed")
        for c in closures:
            table.add_row(
                f"{c.low:g}–{c.high:g}",
                f"{c.events:,}",
                f"{c.template_events:,}",
                f"{c.auc:.4f} ± {c.auc_error:.4f}",
                _passed(c.passed),
            )
        tables.append(table)
    if shifts:
        table = _table("events above the cuts, counted over predicted less one")
        _columns(table, "background efficiency", "validation region, GeV", "classifiers of", "difference", "passed")
        for d in shifts:
            table.add_row(
                f"{d.background_efficiency:g}",
                f"{d.low:g}–{d.high:g}",
                d.classifiers,
                f"{100 * d.shift:+.1f} ± {100 * d.error:.1f} %".replace("-", "−"),
                _passed(d.passed),
            )
        tables.append(table)
    if features:
        table = _table("features: template against data, the most different one of every validation region")
        _columns(table, "validation region, GeV", "feature", "χ²", "ndf", "KS distance", "passed")
        for t in _most_different(features):
            table.add_row(
                f"{t.low:g}–{t.high:g}",
                escape(t.feature),
                f"{t.chi2:.1f}",
                f"{t.ndof}",
                f"{t.ks:.4f}",
                _passed(t.passed),
            )
        tables.append(table)
    if sculpting:
        table = _table("sculpting of the mass spectrum")
        _columns(table, "background efficiency", "χ²", "ndf", "p", "passed")
        for s in sculpting:
            table.add_row(
                f"{s.background_efficiency:g}", f"{s.chi2:.1f}", f"{s.ndof:g}", p_value(s.p_value), _passed(s.passed)
            )
        tables.append(table)
    return Group(*tables)


#: Columns of words; the others have numbers, which are not broken.
_WORDS = {"validation region, GeV", "classifiers of", "feature", "passed"}


def _columns(table: Table, *titles: str) -> None:
    """Words from the left, numbers to the right."""
    for title in titles:
        table.add_column(title, justify="left" if title in _WORDS else "right", no_wrap=title == "difference")


def _most_different(features: Sequence[FeatureTest]) -> list[FeatureTest]:
    """Of every region what failed, or else the feature with the smallest p-value."""
    regions = dict.fromkeys((t.low, t.high) for t in features)
    grouped = [[t for t in features if (t.low, t.high) == region] for region in regions]
    return [t for group in grouped for t in ([f for f in group if not f.passed] or [min(group, key=_p_value)])]


def _p_value(test: FeatureTest) -> float:
    return test.p_value


def candidates(comparison: GeneratorComparison) -> Iterator[RenderableType]:
    """Generators by closure, what it costs to train and to draw from them, and what failed."""
    if comparison.candidates:
        table = _table("closure in validation regions, which were not trained on, the best first")
        table.add_column("")
        table.add_column("generator", overflow="fold")
        for title in ("AUC", "Wasserstein", "energy", "log-likelihood", "training", "10⁶ events"):
            table.add_column(title, justify="right")
        for j in comparison.candidates:
            table.add_row(
                "[green]=[/]" if j.as_good else "",
                escape(j.name),
                _measured(j.auc),
                f"{j.wasserstein.value:.4f}",
                f"{j.energy.value:.4f}",
                "–" if j.behind is None else _behind(j.behind, j.impossible),
                _seconds(j.training_seconds),
                _seconds(j.sampling_seconds),
            )
        yield table
        best = comparison.best
        yield (
            "= closes as well as the first, within two standard errors. A perfect template has an AUC of 0.5, a "
            f"Wasserstein distance of {_measured(best.wasserstein.floor)} and an energy distance of "
            f"{_measured(best.energy.floor)}."
        )
    for name, why in comparison.failures.items():
        yield Text.assemble((f"{name} failed: ", "bold yellow"), (why, "yellow"))


def shower_evaluation(found: ShowerEvaluation) -> Iterator[RenderableType]:
    """Classifiers and distances of generated showers beside their floors, and separation powers."""
    table = _table(f"{len(found.generated):,} generated showers against {len(found.reference):,}")
    table.add_column("")
    for title in ("measured", "floor, halves", "known defect"):
        table.add_column(title, justify="right")
    for name, score in found.classifiers.items():
        others = ("–" if m is None else _measured(m) for m in (score.floor, score.defect))
        table.add_row(f"AUC, trees, {name}", _measured(score.auc), *others)
    table.add_row("FPD × 1000", _thousandfold(found.frechet), _thousandfold(found.frechet_floor), "–")
    table.add_row("KPD × 1000", _thousandfold(found.kernel), "–", "–")
    yield table
    powers = _table("separation power × 1000, mean over layers")
    powers.add_column("")
    for title in ("measured", "floor, halves"):
        powers.add_column(title, justify="right")
    for name, (mean, floor) in found.separations().items():
        powers.add_row(name, f"{1000 * mean:.3g}", f"{1000 * floor:.3g}" if floor == floor else "–")
    yield powers
    yield from _shower_details(found.details)
    for warning in found.warnings:
        yield Text.assemble(("Warning: ", "bold yellow"), (warning, "yellow"))


def _shower_details(details: ShowerDetails) -> Iterator[RenderableType]:
    """Neighbours and worth of generated showers, energies by themselves, and what weights mend."""
    near = _table("5 neighbours, log₁₀ of voxels")
    near.add_column("")
    for title in ("measured", "floor, halves"):
        near.add_column(title, justify="right")
    for name in ("precision", "recall", "density", "coverage"):
        pair = (getattr(each, name) for each in (details.neighbourhoods, details.neighbourhoods_floor))
        near.add_row(name, *(f"{value:.3f}" for value in pair))
    yield near
    size = details.size
    sign = "at least " if size.at_least else "at most " if size.at_most else ""
    yield Text(f"In the distributions of observables, worth {sign}{size.events:,.0f} reference showers.")
    slices = _table("by incident energy")
    for title in ("GeV", "AUC, trees, high", "response", "reference"):
        slices.add_column(title, justify="right")
    for each in details.slices:
        energy = f"{each.low:.4g}" if each.low == each.high else f"{each.low:.4g} – {each.high:.4g}"
        auc = "–" if each.auc is None else _measured(each.auc)
        slices.add_row(energy, auc, f"{each.response[0]:.4f} ± {each.error:.4f}", f"{each.response[1]:.4f}")
    yield slices
    if details.ratio is not None:
        before, after = _measured(details.ratio.before), _measured(details.ratio.after)
        worth = f"{details.ratio.effective:,.0f} equal showers"
        yield Text(f"Weights p(reference)/p(generated): AUC {before} before, {after} after; {worth} are left.")


def runs_beside(comparison: RunComparison) -> Iterator[RenderableType]:
    """Finished runs beside each other: searches, cuts, and settings that differ."""
    groups = [("runs", comparison.searches())]
    groups += [(f"cut at background efficiency {efficiency:g}", rows) for efficiency, rows in comparison.cuts()]
    groups.append(("settings that differ", comparison.configuration()))
    for title, rows in groups:
        table = _table(title)
        for name in ("", *comparison.names):
            table.add_column(escape(name), overflow="fold")
        for row in rows:
            table.add_row(*(escape(each) for each in (row.title, *row.cells)))
        yield table
    for remark in comparison.remarks():
        yield Padding(Text(remark, style="yellow"), (0, 0, 0, 2))


def prepared(found: Prepared) -> Iterator[RenderableType]:
    """What was read of all files, and the files that were lost with the reason."""
    total = found.summary()
    read = "not known" if total["sum_of_weights_read"] is None else number(total["sum_of_weights_read"])
    yield (
        f"{total['selected']:,} of {total['entries']:,} events in {total['files'] - total['lost']:,} of "
        f"{total['files']:,} files; sum of weights {number(total['sum_of_weights'])} of {read}; "
        f"{total['luminosity_blocks']:,} luminosity blocks."
    )
    if found.lost:
        table = _table("Lost")
        for title in ("file", "attempts", "why"):
            table.add_column(title, overflow="fold")
        for each in found.lost:
            path = each.source.path
            table.add_row(escape(path), str(found.attempts[path]), escape(each.source.error))
        yield table


def files(paths: Sequence[tuple[str, object]]) -> Table:
    """What was written, and where."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for what, path in paths:
        table.add_row(what, escape(str(path)))
    return table


def _table(title: str) -> Table:
    return Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", title_style="")


def _behind(behind: Measured, impossible: float) -> str:
    loss = "best" if behind.value == 0 else f"− {behind.value:.4f} ± {behind.error:.4f}"
    return f"{loss}\n{100 * impossible:.2g} % impossible" if impossible else loss


def _thousandfold(measured: Measured) -> str:
    return f"{1000 * measured.value:.3g} ± {1000 * measured.error:.1g}"


def _measured(measured: Measured) -> str:
    return f"{measured.value:.4f} ± {measured.error:.4f}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _passed(passed: bool) -> str:
    return "[green]passed[/]" if passed else "[bold yellow]failed[/]"
