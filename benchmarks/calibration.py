"""Is a significance what it says? Searches without a signal, corrected by other searches without a signal.

    python benchmarks/calibration.py --folder runs/cheap-calibration --experiments 300 --audit runs/cheap-audit
    python benchmarks/calibration.py --folder runs/cheap-calibration --experiments 0 --json      # as many as are there

Background-only pseudo-experiments of one analysis (by default the cheap configuration that comes with the package,
cathode/configs/cheap.yaml), everything trained again in each. Every second one calibrates, the others test:

* `null_z_mean`, `null_z_width`, `null_ks_p`: mean and standard deviation of the significances of the tested half with
  their errors, and the Kolmogorov-Smirnov p-value against N(0, 1); `before` as the search gives them, `exact` without
  its systematic error, `after` corrected by the calibrating half. The errors of `after` include those of that half.
* `conformal_ks_p`: the same test for uniformity of split conformal p-values of whole experiments, the calibrating half
  being the calibration set (ties broken at random). `conformal_event_ks_p` is that of events: one of every experiment,
  chosen at random, against the held-out template of its fold (Mondrian). `conformal_count_ks_p` is that of the number
  of events with a conformal p of at most the background efficiency, by the beta-binomial; it takes the template for
  data.
* `audit`: window -> what naive statistics claim where there is no signal, and what the search claims.

The Kolmogorov-Smirnov tests of the corrected half take the calibrating half for exact, so they are too strict.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.conformal import count_p_value, mondrian_p_values
from analysis.statistics.p_values import z_to_p
from analysis.tasks import Done, TaskFolder
from cathode.calibration.audit import AUDIT, Audit
from cathode.calibration.null import NullDistribution
from cathode.calibration.recording import SCORES, SEARCH, WindowScores
from cathode.cut_and_count import signed_significance
from cathode.result import CutResult, SearchResult

if TYPE_CHECKING:
    from cathode.config import AnalysisConfig

Array = NDArray[np.float64]


def experiment(done: Done, number: int) -> dict[str, float]:
    """Significances of one experiment at its first cut, and conformal p-values of its window."""
    result = SearchResult.read(done.place / SEARCH)
    cut = result.primary
    scores = WindowScores.load(done.place / SCORES)
    groups = {"groups": scores.fold, "calibration_groups": scores.reference_fold}
    p = mondrian_p_values(scores.scores, scores.reference_scores, **groups)
    passing = int((p <= cut.background_efficiency).sum())
    return {
        "significance": _significance(cut, cut.uncertainty),
        "exact": _significance(cut, cut.statistical),
        "event": float(np.random.default_rng([7, number]).choice(p)),
        "count": count_p_value(passing, cut.background_efficiency, len(p), len(scores.reference_scores)),
        "shift": cut.shift,
    }


def _significance(cut: CutResult, error: float) -> float:
    """By the rule of today also where an older one was stored; there are no weights in a pseudo-experiment."""
    return signed_significance(cut.observed, cut.expected, (error / cut.expected) ** 2)


def summary_of(found: Sequence[dict[str, float]]) -> tuple[dict[str, Any], dict[str, Array]]:
    """The keys that goals are set for, and what they are made of."""
    every = {name: np.array([each[name] for each in found]) for name in found[0]}
    by, of = (NullDistribution(tuple(every["significance"][start::2].tolist())) for start in (0, 1))
    after = np.array([by.corrected(z).significance for z in of.significances])
    nulls = {"before": of, "exact": NullDistribution(tuple(every["exact"][1::2].tolist())), "after": _null(after)}
    # Two halves, two errors.
    errors = {"before": 1.0, "exact": 1.0, "after": (1 + len(of) / len(by)) ** 0.5}
    summary: dict[str, Any] = {
        "experiments": len(found),
        "null_z_mean": {name: _with_error(null.mean, errors[name]) for name, null in nulls.items()},
        "null_z_width": {name: _with_error(null.width, errors[name]) for name, null in nulls.items()},
        "null_ks_p": {name: null.ks_p_value for name, null in nulls.items()},
        "above_3_sigma": {name: int((every[name] > 3).sum()) for name in ("significance", "exact")},
    }
    conformal = _conformal(np.array(of.significances), np.array(by.significances))
    p_values = {"conformal": conformal, "conformal_event": every["event"], "conformal_count": every["count"]}
    for name, values in p_values.items():
        summary[f"{name}_ks_p"] = float(stats.kstest(values, "uniform").pvalue)
    arrays = {
        "before": np.array(of.significances),
        "exact": np.array(nulls["exact"].significances),
        "after": after,
        **p_values,
    }
    return summary, arrays


def _null(values: Array) -> NullDistribution:
    return NullDistribution(tuple(values.tolist()))


def _with_error(measured: tuple[float, float], factor: float) -> list[float]:
    return [measured[0], measured[1] * factor]


def _conformal(values: Array, calibration: Array) -> Array:
    """Split conformal p-values with ties, and the value itself, broken at random: uniform, not only valid."""
    above = (calibration[None, :] > values[:, None]).sum(axis=1)
    tied = 1 + (calibration[None, :] == values[:, None]).sum(axis=1)
    at = np.random.default_rng(11).uniform(size=len(values))
    return np.asarray((above + at * tied) / (len(calibration) + 1), np.float64)


def audited(audit: Audit) -> dict[str, Any]:
    """Window -> claims at the first cut."""
    return {
        f"{window.low:g}-{window.high:g}": {
            "naive": window.cuts[0].naive,
            "ours": window.cuts[0].ours,
            "validation": window.validation,
            "observed": window.cuts[0].observed,
            "predicted": window.cuts[0].predicted,
            "expected": [window.cuts[0].expected, window.cuts[0].uncertainty],
        }
        for window in audit.windows
    }


def draw(arrays: dict[str, Array], path: Path) -> None:
    """Significances before and after, and p-values of all kinds, in one figure."""
    from analysis.plots.calibration import before_and_after

    significances = {"As the search gives it": arrays["before"], "Calibrated": arrays["after"]}
    p_values = {
        "Exact, without systematic": np.asarray(z_to_p(arrays["exact"])),
        "As the search gives it": np.asarray(z_to_p(arrays["before"])),
        "Conformal, count of events": arrays["conformal_count"],
        "Calibrated": np.asarray(z_to_p(arrays["after"])),
        "Conformal, whole experiments": arrays["conformal"],
    }
    before_and_after(significances, p_values).savefig(path, dpi=120)


def _config(path: Path | None) -> AnalysisConfig:
    from cathode.config import embedded_text, load_config, parse_config

    return parse_config(embedded_text("cheap"), name="cheap.yaml") if path is None else load_config(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--analysis", type=Path, help="analysis file; by default the cheap configuration")
    parser.add_argument("--folder", type=Path, required=True, help="of the calibration; what is done there stays done")
    parser.add_argument("--experiments", type=int, default=300, help="0 takes those that are in the folder")
    parser.add_argument("--audit", type=Path, help="folder of the audit; what is done there stays done")
    parser.add_argument("--windows", type=int, default=6, help="of the audit; 0 takes the finished one of the folder")
    parser.add_argument("--workers", type=int, default=1, help="searches at a time, each on one thread")
    parser.add_argument("--figure", type=Path, help="draw before and after here")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    from cathode.commands import audit_analysis, calibrate_analysis

    config = _config(arguments.analysis)
    if arguments.experiments:
        calibrate_analysis(config, arguments.folder, experiments=arguments.experiments, workers=arguments.workers)
    done = [*TaskFolder(arguments.folder / "experiments").finished()]
    summary, arrays = summary_of([experiment(each, number) for number, each in enumerate(done)])
    if arguments.audit is not None:
        if arguments.windows:
            audit_analysis(config, arguments.audit, windows=arguments.windows, workers=arguments.workers)
        summary["audit"] = audited(Audit.read(arguments.audit / AUDIT))
    if arguments.figure is not None:
        draw(arrays, arguments.figure)
    if arguments.json:
        print(json.dumps(summary))
        return
    for name, value in summary.items():
        print(f"{name:24} {value}")


if __name__ == "__main__":
    main()
