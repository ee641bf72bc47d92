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
# # A search, from ROOT ntuples to a p-value
#
# The next cell is the whole search. It runs on the dijet ntuples that come with the package: 345,000 QCD dijets and
# 770 events of W′(3.5 TeV) → X(500 GeV) Y(100 GeV).
#
# What stands in `quick` trades precision for time: few training steps, 3 classifiers per fold instead of 50, 3 folds
# instead of 5, twice as much template as data instead of four times. Leave `**quick` out for the defaults.

# %%
from analysis.datasets import embedded
from cathode import DIJET_FEATURES, DIJET_MASS, BoostedTrees, Region, Search, read_events
from generators import create

events = read_events(embedded("dijets"), mass=DIJET_MASS, features=DIJET_FEATURES, truth="isSignal")
training = {"steps": 300, "learning_rate": 1e-2, "ema_decay": 0.97}
flow = create({"kind": "autoregressive_spline", "training": training})
quick = {"generator": flow, "classifier": BoostedTrees(members=3), "folds": 3, "oversampling": 2}
result = Search.of(region=Region(3300, 3700), **quick).run(events, output="runs/quick")
print(result)

# %% [markdown]
# The same call continues an interrupted search in its folder, and does nothing that is already done. Another search
# into the same folder is refused.
#
# ## What the search did
#
# * `Region(3300, 3700)` splits the events into the window and its sidebands.
# * The flow learned p(features | mass) in the sidebands and drew events in the window: the template.
# * Boosted trees learned to tell data from template in the window. Every event was scored by a classifier that was
#   trained without it.
# * A cut at a fixed background efficiency was placed on *template* events; the fraction of the template that passes,
#   times the number of events in the window, is the expected background.
#
# `print(result)` gave observed and expected counts for each cut. The numbers behind it are fields of frozen
# dataclasses:

# %%
for cut in result.cuts:
    print(
        f"background efficiency {cut.background_efficiency:g}: {cut.observed:.0f} observed, {cut.expected:.1f} ± "
        f"{cut.uncertainty:.1f} expected, p = {cut.p_value:.2g} ({cut.p_value_exact:.2g} without the systematic error)"
    )
for interval in result.closures:
    print(f"closure in {interval.low:g}–{interval.high:g} GeV: AUC {interval.auc:.3f} ± {interval.auc_error:.3f}")

# %% [markdown]
# The first cut that was listed is `result.primary`. It is never the best one: that would be a choice after looking.
#
# ## The picture that matters
#
# The mass spectrum before and after the cuts. The line is a fit to the sidebands; a dashed line is that fit times the
# efficiency of a cut. `write_report("runs/quick")`, or `cathode report runs/quick`, makes one page of all figures;
# here we draw two.

# %%
from cathode.diagnostics import Diagnostics
from cathode.report.figures import plates

# %matplotlib inline

figures = plates(result, Diagnostics.load("runs/quick/diagnostics.npz"))
next(figures).figure

# %% [markdown]
# Before believing it, look at template against data in every feature. The first of them:

# %%
next(figures).figure

# %% [markdown]
# ## Scores for another analysis
#
# `scores.root` is a friend tree: one row for every entry of the input files, in their order. `read_scores(...).of`
# returns the rows of given events and refuses files that are not the ones that were scored.

# %%
from analysis.io.scores import read_scores

scores = read_scores("runs/quick/scores.root").of(events)
passes = scores["passes_0p001"] == 1
in_window = Region(3300, 3700).signal(events.mass)
print(f"{passes.sum()} events pass the tight cut, {(passes & in_window).sum()} of them in the window")

# %% [markdown]
# This sample knows its signal, so we can ask what the search could not know: how much of what passes is signal.

# %%
signal = events.truth & in_window
print(f"{(passes & signal).sum()} of {signal.sum()} signal events in the window pass")
print(f"largest significance improvement {result.truth.max_sic:.1f} ± {result.truth.max_sic_error:.1f}")
