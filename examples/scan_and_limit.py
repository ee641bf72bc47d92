# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Many windows, and a limit
#
# Nobody knows the mass, so look into several windows and pay for having looked. Then: what signal is excluded? The
# searches here are as small as a search can be; `cathode config example scan` prints the file of a real scan.

# %%
import numpy as np

import cathode
from analysis.inference.counting_model import CountingModel
from analysis.inference.limits import asymptotic_limit
from analysis.plots.scan import Scanned, limits_by_mass, p_values_by_mass
from cathode.scans.limits import window_limits

# %matplotlib inline

plan = cathode.ScanPlan(
    analysis="embedded:cheap",  # dijets of the package, with a signal at 3.5 TeV
    set={
        "data.selection": "nFatJet >= 2 and (event % 4 == 0 or isSignal == 1)",
        "region.sidebands": [2300, None],
        "template.generator.training.steps": 300,
        "validation.closure": False,
    },
    windows=[[3300, 3700], [3700, 4100], [4100, 4600]],
)
found = cathode.scan(plan, "runs/scan")
found

# %% [markdown]
# Every window is a whole search: its own sidebands, its own template, its own classifiers. The same call continues an
# interrupted scan, and `workers=` does several searches at once, or gives them to Dask
# ([scaling out](../docs/scaling-out.md)).

# %%
(series,) = found.series
for window in series.windows:
    print(
        f"{window.low:.0f}–{window.high:.0f} GeV: {window.observed:.0f} observed, {window.expected:.1f} ± "
        f"{window.error:.1f} expected, {window.significance:.1f} σ"
    )

# %%
edges = np.array([(w.low, w.high) for w in series.windows])
p_value = np.array([w.p_value for w in series.windows])
p_values_by_mass([Scanned(series.method, edges, p_value, np.array([w.validation == "passed" for w in series.windows]))])

# %% [markdown]
# Points are hollow: validation was left out to save time, and without it nothing is claimed. What the most significant
# window is worth among several is less than its local p-value:

# %%
peak, worth = series.peak, series.global_p
print(f"{peak.low:.0f}–{peak.high:.0f} GeV: local p = {peak.p_value:.2g}")
print(f"global p at most {worth.by_windows:.2g}, one of {worth.windows} windows")

# %% [markdown]
# ## Limits
#
# How many signal events could pass the cut and not be noticed? In every window, CLs at 95 %:

# %%
limits = list(window_limits(found, series.method))
centre = np.array([0.5 * (each.low + each.high) for each in limits])
observed = np.array([each.observed for each in limits])
expected = np.array([each.expected for each in limits])
limits_by_mass(centre, observed, expected, label="Signal events that pass, limit at 95 % CL")

# %% [markdown]
# Any count beside a prediction can be asked the same. Here a signal of strength 1 would add 20 events to 100 ± 10:

# %%
model = CountingModel(observed=108, background=100, error=10, signal=20)
limit = asymptotic_limit(model)
print(f"strength below {limit.observed:.2f} at 95 % CL; {limit.expected[2]:.2f} expected without a signal")
print(f"discovery: {model.discovery():.2f} σ")

# %% [markdown]
# A limit on a *signal*, before the cut, needs the efficiency of a cut that was learned from data with that signal in
# them: `cathode inject` and `cathode limit`, or `signals` and `injections` of a scan
# ([limits](../docs/statistics.md), [many windows](../docs/scanning.md)).
