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
# # Your own data: a flat ntuple in MeV
#
# From a file with one number per event and branch, in MeV, to a search. The file is made here, so that you see what it
# has to look like; put yours in its place.

# %%
import numpy as np
import uproot

rng = np.random.default_rng(1)


def toy(n, resonance):
    """Dijets in MeV: a falling spectrum without a resonance, or a resonance of 3.5 TeV with heavier jets."""
    mass = rng.normal(3500, 90, n) if resonance else 2400 + rng.exponential(520, n)
    heavy = rng.normal(500, 40, n) if resonance else 60 + rng.gamma(1.6, 0.045, n) * mass
    light = rng.normal(100, 12, n) if resonance else heavy * rng.uniform(0.2, 1, n)
    tau21 = rng.beta(3, 9, n) if resonance else rng.beta(6, 4, n)
    return {"m_jj": 1000 * mass, "heavy_m": 1000 * heavy, "light_m": 1000 * light, "tau21": tau21}


parts = [toy(60_000, False), toy(240, True)]
columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
n = len(columns["m_jj"])
columns |= {"runNumber": np.full(n, 1), "eventNumber": np.arange(n), "isSignal": np.arange(n) >= 60_000}
with uproot.recreate("ntuple.root") as file:
    file["events"] = columns
print(f"{n:,} events, masses from {columns['m_jj'].min():,.0f} to {columns['m_jj'].max():,.0f}")

# %% [markdown]
# ## The analysis file
#
# One YAML is one analysis. `cathode config example flat` prints a commented one; this is the least that has to be said.
# Branch names are expressions, so `light_m / heavy_m` is a feature like any other.

# %%
from pathlib import Path

text = """
data:
  files: ntuple.root
  mass: m_jj
  features:
    light_m: light_m
    delta_m: heavy_m - light_m
    tau21: tau21
  truth: isSignal                # leave it out where nobody knows
  identifiers: [runNumber, eventNumber]

region:
  signal: [3300, 3700]           # GeV
  sidebands: [2500, 6000]
"""
_ = Path("analysis.yaml").write_text(text)

# %% [markdown]
# The file does not say that the numbers are in MeV. The check shows the median of every branch, and a mass of 2.8
# million GeV is not one:

# %%
# !cathode config check analysis.yaml

# %% [markdown]
# So say it. Branches that are named like energies (`…_m`, `…_pt`), and the mass, are then converted; angles, ratios and
# numbers are not. A run refuses data whose units can not be as declared, and says which line would mend it.

# %%
_ = Path("analysis.yaml").write_text(text.replace("  mass: m_jj", "  units: MeV\n  mass: m_jj"))

# %%
# !cathode config check analysis.yaml

# %% [markdown]
# ## A cheap trial
#
# `--quick` makes everything small: few training steps, few trees. The result is called quick, which is no result, but
# it shows whether all of the chain works before you wait for the real one. For that, leave it out.

# %%
# !cathode run analysis.yaml --quick --output runs/trial

# %% [markdown]
# ## What came out, in Python
#
# `open_run` reads a finished run piece by piece, as arrays of numpy, awkward or pandas.

# %%
import cathode

run = cathode.open_run("runs/trial")
run

# %%
events = run.events("pandas")
window = events[events["mass"].between(3300, 3700)]
passing = window[window["passes_0p01"]]
print(passing[["mass", "light_m", "delta_m", "tau21", "score", "truth"]].head(5).round(3).to_string())

# %% [markdown]
# How many of the events that pass are signal: this toy knows.

# %%
print(f"{len(passing)} of {len(window)} events in the window pass, {passing['truth'].sum()} of them signal")

# %% [markdown]
# The mass model and the classifiers are objects again, and more of the template can be drawn:

# %%
template = run.draw(5000, seed=2)
print(template.x.shape, f"masses {template.mass.min():.0f} to {template.mass.max():.0f} GeV")

# %%
from cathode.diagnostics import Diagnostics
from cathode.report.figures import plates

# %matplotlib inline

figures = plates(run.result, Diagnostics.load("runs/trial/diagnostics.npz"))
next(figures).figure

# %% [markdown]
# `runs/trial/report.html` has all figures, and what every number means. Next: validate the template before the window
# is opened ([validating](../docs/validating.md)), or put a generator of your own in the place of the default
# ([extending](../docs/extending.md)).
