"""Do limits cover, are p-values uniform, are fits unbiased? Toys of every step, and searches trained again in each.

    python benchmarks/statistics.py --json
    python benchmarks/calibration.py --folder runs/cheap-calibration --experiments 300
    python benchmarks/statistics.py --null runs/cheap-calibration --folder runs/cheap-injected --experiments 300 --json
    python benchmarks/statistics.py --searches benchmarks/statistics_searches.json --json    # those of the page

Without folders only what needs no training is made: counts with a template and a systematic error, spectra, scans.

* `coverage`: how often limits at 95 % CL lie above a true strength of ½, 1 and 2 times the expected limit, by CLs and
  by CLs+b, of `counting` experiments, of a `spectrum`, and of `retrained` searches by injected events.
* `bands`: share of limits without a signal inside the expected 1 σ and 2 σ bands.
* `null_ks_p`, `null_ks_p_uncorrected`: Kolmogorov-Smirnov p of uniformity of the p-values of retrained searches
  without a signal, every second corrected by the others, and as they are. None without --null.
* `global_ks_p`: the same of global p-values by toys of scans of five windows of a `spectrum`, and with --scan, a folder
  of `cathode scan` with background-only experiments, of `retrained` searches; `scans` has crossings beside the toys.
* `spurious_sigma`: the largest signal that a fit makes of backgrounds that are not in its family, in its errors.
* `pull_mean`, `pull_width`: of fitted strengths, with and without a signal; the worst of both.
* `pyhf`: largest relative difference to limits of pyhf, where that is installed.

Values come with their statistical error, [value, error].
"""

from __future__ import annotations

if __name__ == "statistics":
    # A library asks for the module of Python, and this file lies first in the path of a script beside it.
    import importlib.util
    import sys
    import sysconfig

    _spec = importlib.util.spec_from_file_location("statistics", f"{sysconfig.get_path('stdlib')}/statistics.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["statistics"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["statistics"])

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.inference.bias import ALTERNATIVES, alternative_background, pulls
from analysis.inference.counting_model import CountingModel
from analysis.inference.limits import BANDS, Model, asymptotic_confidence, asymptotic_limit
from analysis.inference.look_elsewhere import global_p_value
from analysis.inference.signal_shapes import DoubleCrystalBall, Gaussian, in_bins
from analysis.inference.spectrum_model import SpectrumModel
from analysis.statistics.p_values import z_to_p

if TYPE_CHECKING:
    from cathode.injection.experiments import Injection

Array = NDArray[np.float64]

#: True strengths in units of the expected limit.
STRENGTHS = (0.5, 1.0, 2.0)
ALPHA = 0.05
#: What is kept of a search.
_COLUMNS = (
    "injected",
    "repeat",
    "inside",
    "window",
    "spectrum",
    "spectrum_error",
    "observed",
    "expected",
    "error",
    "significance",
    "passing",
)

#: The cheap search: events that a cut at 1 % should leave, and what template and validation regions say of them.
BACKGROUND, TEMPLATE_EVENTS, SYSTEMATIC = 115.0, 160.0, 0.2

EDGES = np.geomspace(2300, 6800, 41)
WINDOWS = tuple(3500.0 * math.exp(0.057 * step) for step in range(-2, 3))


def share(passed: Iterable[bool]) -> list[float]:
    """A share with its binomial error."""
    values = [*passed]
    p = float(np.mean(values))
    return [p, math.sqrt(max(p * (1 - p), 0.25 / len(values)) / len(values))]


def coverage(experiments: Sequence[Model], strength: float) -> dict[str, Any]:
    """How often a limit lies above the truth, which is where its confidence is above 5 %."""
    found = [asymptotic_confidence(each, strength) for each in experiments]
    return {
        "cls": share(each.cls > ALPHA for each in found),
        "clsb": share(each.signal_and_background > ALPHA for each in found),
        "toys": len(found),
    }


def bands(experiments: Sequence[Model], expected: Sequence[float]) -> dict[str, Any]:
    """How often a limit lies between two expected ones."""
    above = {
        deviation: np.array([asymptotic_confidence(each, edge).cls > ALPHA for each in experiments])
        for deviation, edge in zip(BANDS, expected, strict=True)
        if deviation
    }
    return {
        **{f"{n} sigma": share((above[-float(n)] & ~above[float(n)]).tolist()) for n in (1, 2)},
        "toys": len(experiments),
    }


def counting(strength: float, toys: int, seed: int) -> list[CountingModel]:
    """Counts beside a finite template whose normalisation is off by a normal systematic."""
    rng = np.random.default_rng(seed)
    observed = rng.poisson(strength + BACKGROUND, toys)
    off = np.maximum(1 + SYSTEMATIC * rng.standard_normal(toys), 0.1)
    template = np.maximum(rng.poisson(TEMPLATE_EVENTS, toys), 1)
    predicted = off * BACKGROUND * template / TEMPLATE_EVENTS
    errors = predicted * np.sqrt(1 / template + SYSTEMATIC**2)
    return [CountingModel(float(n), float(b), float(e)) for n, b, e in zip(observed, predicted, errors, strict=True)]


def truth(events: float = 86_000.0) -> Array:
    """Contents (B,) of a dijet function."""
    fine = np.linspace(EDGES[:-1], EDGES[1:], 101) / 13_000
    contents = ((1 - fine) ** 9.0 / fine ** (4.5 + 0.1 * np.log(fine))).mean(axis=0) * np.diff(EDGES)
    return np.asarray(events * contents / contents.sum())


def spectra(strength: float, toys: int, seed: int, *, function: str = "f3") -> list[SpectrumModel]:
    """Spectra with a resonance at 3.5 TeV, of which strength 1 are 100 events."""
    signal = 100 * in_bins(DoubleCrystalBall(3500, 120), EDGES)
    nominal = SpectrumModel(EDGES, truth(), signal, function)
    rng = np.random.default_rng(seed)
    return [nominal.seeing(counts) for counts in rng.poisson(truth() + strength * signal, (toys, len(truth())))]


def of_limits(make: Any, nominal: Model, toys: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Coverage by strength, and bands."""
    expected = asymptotic_limit(nominal).expected
    strengths = {f"{each:g}": each * expected[2] for each in STRENGTHS}
    covered = {name: coverage(make(at, toys, 10 + i), at) for i, (name, at) in enumerate(strengths.items())}
    return covered, bands(make(0.0, toys, 20), expected)


def scans(toys: int, seed: int) -> Array:
    """Signed significances (T, 5) of spectra without a signal in overlapping windows."""
    shapes = [100 * in_bins(Gaussian(mass, 0.03 * mass), EDGES) for mass in WINDOWS]
    nominal = [SpectrumModel(EDGES, truth(), shape) for shape in shapes]
    rng = np.random.default_rng(seed)
    drawn = rng.poisson(truth(), (toys, len(truth())))
    return np.array([[each.seeing(counts).discovery() for each in nominal] for counts in drawn])


def of_scans(found: Array) -> dict[str, Any]:
    """Global p-values of one half of the scans by the other, and what crossings of few say beside them."""
    known, tried = found[::2], found[1::2]
    p = [global_p_value(float(each), known).by_toys for each in tried.max(axis=1)]
    table = {}
    for largest in (1.5, 2.0, 2.5, 3.0):
        few, many = global_p_value(largest, known[:30]), global_p_value(largest, found)
        table[f"{largest:g}"] = {
            "local": few.local,
            "crossings of 30 scans": [few.by_crossings, few.crossings_error],
            f"toys, {len(found)} scans": [many.by_toys, many.toys_error],
            "resolution": many.resolution,
        }
    return {"ks_p": float(stats.kstest(p, "uniform").pvalue), "scans": len(found), "crossings": table}


def of_bias(toys: int) -> dict[str, Any]:
    """Pulls with and without a signal, and spurious signals on alternative backgrounds."""
    nominal = spectra(0.0, 1, 1)[0].seeing(truth())
    of_truth = [pulls(nominal, truth(), strength=s, toys=toys, seed=5 + i) for i, s in enumerate((0.0, 2.0))]
    other = {
        f"{function}, {name}": pulls(
            SpectrumModel(EDGES, truth(), nominal.signal, function),
            alternative_background(nominal, name),
            toys=toys,
            seed=30,
        )
        for function in ("f3", "f4")
        for name in ALTERNATIVES
    }
    mean = max(of_truth, key=lambda each: abs(each.mean))
    width = max(of_truth, key=lambda each: abs(each.width - 1))
    worst = max(other.values(), key=lambda each: abs(each.spurious))
    return {
        "spurious_sigma": [worst.spurious, worst.spurious_error],
        "pull_mean": [mean.mean, mean.mean_error],
        "pull_width": [width.width, width.width_error],
        "spurious": {name: [each.spurious, each.spurious_error] for name, each in other.items()},
        "toys_of_fits": toys,
    }


def pyhf_difference() -> float | None:
    """Largest relative difference of observed and expected limits of four counting experiments to those of pyhf."""
    try:
        import pyhf  # type: ignore[import-untyped]
    except ImportError:
        return None
    worst = 0.0
    for n, b, error in ((140, 100, 10), (95, 100, 20), (12, 10, 3), (60, 50, 2)):
        theirs = pyhf.simplemodels.uncorrelated_background([10.0], [float(b)], [float(error)])
        ours = asymptotic_limit(CountingModel(n, b, error, 10.0))
        data = [float(n), *theirs.config.auxdata]
        observed, expected = pyhf.infer.intervals.upper_limits.toms748_scan(data, theirs, 0.01, 9.9, rtol=1e-7)
        for one, other in zip((ours.observed, *ours.expected), (observed, *expected), strict=True):
            worst = max(worst, abs(one / float(other) - 1))
    return worst


def null_experiments(folder: Path) -> tuple[Injection, ...]:
    """What the first cut of the experiments of a calibration found, as searches without an injected signal."""
    from analysis.tasks import TaskFolder
    from cathode.calibration.recording import SEARCH
    from cathode.cut_and_count import signed_significance
    from cathode.injection.experiments import CutFound, Injection
    from cathode.result import SearchResult

    found = []
    for number, done in enumerate(TaskFolder(folder / "experiments").finished()):
        result = SearchResult.read(done.place / SEARCH)
        cut, mass = result.primary, result.mass_model
        # By the rule of today also where an older one was stored.
        z = signed_significance(cut.observed, cut.expected, (cut.uncertainty / cut.expected) ** 2)
        cuts = {cut.background_efficiency: CutFound(cut.observed, cut.expected, cut.uncertainty, z, 0.0)}
        found.append(Injection(0, number, 0, mass.observed, (mass.expected, mass.expected_error), cuts, pseudo=True))
    return tuple(found)


def stored(path: Path) -> tuple[Injection, ...]:
    """Searches with and without a signal that were kept by `--keep`, one row for each."""
    from cathode.injection.experiments import CutFound, Injection

    content = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for row in (dict(zip(content["columns"], values, strict=True)) for values in content["searches"]):
        cut = CutFound(*(row[name] for name in ("observed", "expected", "error", "significance", "passing")))
        where = (row["injected"], row["repeat"], row["inside"], row["window"])
        cuts = {content["background_efficiency"]: cut}
        found.append(Injection(*where, (row["spectrum"], row["spectrum_error"]), cuts, pseudo=True))
    return tuple(found)


def keep(path: Path, found: Sequence[Injection]) -> None:
    """Write what was found of the first cut, so that more searches can be added to it elsewhere."""
    from analysis.atomic import write_text

    efficiency = next(iter(found[0].cuts))
    rows = []
    for each in found:
        cut = each.cuts[efficiency]
        of_cut = (cut.observed, round(cut.expected, 4), round(cut.error, 4), round(cut.significance, 5), cut.passing)
        spectrum = [round(value, 3) for value in each.spectrum]
        rows.append(json.dumps([each.injected, each.repeat, each.inside, each.window, *spectrum, *of_cut]))
    head = {"background_efficiency": efficiency, "columns": _COLUMNS}
    text = json.dumps(head)[:-1] + ', "searches": [\n' + ",\n".join(rows) + "\n]}\n"
    write_text(path, text)


def without_signal(found: Sequence[Injection]) -> tuple[Array, list[CountingModel]]:
    """Significances (T,) and counts of stored background-only experiments."""
    cuts = [next(iter(each.cuts.values())) for each in found if not each.injected]
    models = [CountingModel(cut.observed, cut.expected, cut.error) for cut in cuts]
    return np.array([cut.significance for cut in cuts]), models


def of_null(significances: Array) -> dict[str, Any]:
    """Uniformity of p-values before and after every second corrects the others."""
    from cathode.calibration.null import NullDistribution

    by = NullDistribution(tuple(significances[::2].tolist()))
    after = [by.corrected(float(z)).value for z in significances[1::2]]
    before = np.asarray(z_to_p(significances))
    return {
        "null_ks_p": float(stats.kstest(after, "uniform").pvalue),
        "null_ks_p_uncorrected": float(stats.kstest(before, "uniform").pvalue),
        "null_experiments": len(significances),
    }


def of_retrained(found: Sequence[Injection], null: Sequence[CountingModel]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Coverage of limits on injected events by the yield of all searches, and bands of those without a signal.

    Of limits on passing events, beside what passes of the true strength in the mean.
    """
    from cathode.injection.limit import signal_yield

    efficiency = next(iter(found[0].cuts))
    passing = signal_yield(found, efficiency)
    limits = [asymptotic_limit(each) for each in null]
    inside = {
        f"{n:g} sigma": share(
            each.expected[BANDS.index(-n)] <= each.observed <= each.expected[BANDS.index(n)] for each in limits
        )
        for n in (1.0, 2.0)
    }
    expected = np.median([passing.limits(each)[1][BANDS.index(0.0)] for each in null], axis=0)
    covered: dict[str, Any] = {
        "expected limit": passing.excluded(expected),
        "passing": {f"{n:g}": [p, e] for n, p, e in zip(passing.injected, passing.passing, passing.error, strict=True)},
        "scatter": {f"{n:g}": each for n, each in zip(passing.injected, passing.scatter, strict=True)},
    }
    for place, strength in enumerate(passing.injected):
        here = [each.cuts[efficiency] for each in found if each.injected == strength]
        # What passes scatters over trainings, which is one more uncertainty, as in `cathode limit`.
        errors = [math.hypot(cut.error, passing.scatter[place]) for cut in here]
        models = [CountingModel(cut.observed, cut.expected, error) for cut, error in zip(here, errors, strict=True)]
        tried = [asymptotic_limit(model) for model in models]
        # A limit covers if it allows what passes of the true strength: no yield of another one enters.
        of_truth = float(passing.passing[place])
        covered[f"{strength:g}"] = {
            "cls": share(each.observed >= of_truth for each in tried),
            "clsb": share(each.without_cls >= of_truth for each in tried),
            "toys": len(tried),
        }
    return covered, {**inside, "toys": len(limits)}


def retrain(folder: Path, calibration: Path, numbers: Sequence[int], experiments: int, workers: int) -> None:
    """Search again in pseudo-experiments of a calibration with signal of the embedded dijets in them."""
    import yaml

    from analysis.tasks import executor, resume
    from cathode.config import embedded_text, parse_config
    from cathode.injection.pseudo_experiments import plan_in_pseudo_experiments

    plain = yaml.safe_load(embedded_text("cheap"))
    plain["data"]["selection"] = "nFatJet >= 2 and isSignal == 1"
    signal = parse_config(yaml.safe_dump(plain), name="cheap.yaml").read_events()
    resume(plan_in_pseudo_experiments(folder, calibration, signal, numbers, repeats=experiments), executor(workers))


def retrained_scans(folder: Path) -> Array:
    """Significances (T, M) of background-only experiments of a `cathode scan`, those with all windows."""
    found = json.loads((folder / "scan.json").read_text(encoding="utf-8"))
    by_experiment: dict[int, list[float]] = {}
    for each in found["searches"]:
        if each["asked"]["experiment"]:
            first = next(iter(each["cuts"].values()))
            by_experiment.setdefault(each["asked"]["experiment"], []).append(float(first["significance"]))
    complete = [row for row in by_experiment.values() if len(row) == len(found["windows"])]
    return np.asarray(np.nan_to_num(np.array(complete), nan=-38.0))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toys", type=int, default=400, help="of what needs no training; ten times as many counts")
    parser.add_argument("--null", type=Path, help="folder of `cathode calibrate` or of benchmarks/calibration.py")
    parser.add_argument("--folder", type=Path, help="of searches with a signal; what is done there stays done")
    parser.add_argument("--experiments", type=int, default=0, help="of each strength; 0 takes those in the folder")
    parser.add_argument("--injected", type=int, nargs="+", default=[80, 160, 330], help="signal events on average")
    parser.add_argument("--searches", type=Path, help="searches that were kept, beside those of the folder")
    parser.add_argument("--keep", type=Path, help="write all searches there, for --searches; one row for each")
    parser.add_argument("--scan", type=Path, help="folder of `cathode scan` with background-only experiments")
    parser.add_argument("--workers", type=int, default=1, help="searches at a time, each on one thread")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    summary = summary_of(arguments)
    if arguments.json:
        print(json.dumps(summary))
        return
    for name, value in summary.items():
        print(f"{name:24} {json.dumps(value)}")


def summary_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """All keys."""
    toys = arguments.toys
    covered, inside = {}, {}
    nominal = CountingModel(BACKGROUND, BACKGROUND, BACKGROUND * math.hypot(TEMPLATE_EVENTS**-0.5, SYSTEMATIC))
    covered["counting"], inside["counting"] = of_limits(counting, nominal, 10 * toys)
    covered["spectrum"], inside["spectrum"] = of_limits(spectra, spectra(0.0, 1, 1)[0].seeing(truth()), toys)
    scanned = {"spectrum": of_scans(scans(toys, 40))}
    null: dict[str, Any] = {"null_ks_p": None, "null_ks_p_uncorrected": None, "null_experiments": 0}
    searches = () if arguments.searches is None else stored(arguments.searches)
    if arguments.null is not None:
        searches = (*searches, *null_experiments(arguments.null))
    if arguments.folder is not None:
        if arguments.null is None:
            raise SystemExit("--folder needs --null, the calibration that its pseudo-experiments are drawn from.")
        if arguments.experiments:
            retrain(arguments.folder, arguments.null, arguments.injected, arguments.experiments, arguments.workers)
        from analysis.tasks import TaskFolder
        from cathode.injection.experiments import collected

        done = collected([*TaskFolder(arguments.folder / "searches").finished()])
        if not done:
            raise SystemExit(f"{arguments.folder}: no search is done there; ask for some by --experiments.")
        searches = (*searches, *done)
    # The same search from two places counts once.
    searches = tuple({(each.injected, each.repeat): each for each in searches}.values())
    if arguments.keep is not None:
        keep(arguments.keep, searches)
    significances, models = without_signal(searches)
    if models:
        null = of_null(significances)
    found = [each for each in searches if each.injected]
    if found:
        covered["retrained"], inside["retrained"] = of_retrained(found, models)
    if arguments.scan is not None:
        scanned["retrained"] = of_scans(retrained_scans(arguments.scan))
    return {
        "coverage": covered,
        "bands": inside,
        **null,
        "global_ks_p": {name: each["ks_p"] for name, each in scanned.items()},
        "scans": scanned,
        **of_bias(toys),
        "pyhf": pyhf_difference(),
    }


if __name__ == "__main__":
    main()
