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
# # Methods compared
#
# Where does the background in the window come from, and what does the answer cost? The same events are searched by a
# density of the sidebands (`cathode`), by sideband events as they are (`cwola`), and by two bounds that no search can
# have: true background in the place of the template (`idealised`), and labels (`supervised`).
#
# Everything is small here, so that four searches take a minute: a quarter of the embedded dijets, few trees, no
# validation. `cathode benchmark` makes such a comparison as it should be, with repetitions and injections
# ([studies](../docs/studies.md)); the numbers below are of one seed.

# %%
from analysis.datasets import embedded
from analysis.metrics.sic_and_auc import sic
from analysis.plots.performance import Line, significance_improvement
from cathode import DIJET_FEATURES, DIJET_MASS, BoostedTrees, Region, Search, open_run, read_events
from generators import create

# %matplotlib inline

dijets = read_events(embedded("dijets"), mass=DIJET_MASS, features=DIJET_FEATURES, truth="isSignal")
number = dijets.ids[:, 2]
data = dijets[(number % 4 == 0) & ~dijets.truth | (number % 2 == 0) & dijets.truth]
beside = dijets[(number % 4 == 1) & ~dijets.truth]
labelled = dijets[(number % 4 == 1) & ~dijets.truth | (number % 2 == 1) & dijets.truth]
region = Region(3300, 3700)
data

# %% [markdown]
# `beside` is background that is not among the data, for the idealised detector; the supervised one gets signal as well,
# the half that is not among the data.
#
# ## Four searches
#
# A method is one word. What a method does not need is left out: `cwola` and the bounds train no generator.

# %%
training = {"steps": 300, "batch_size": 1024, "learning_rate": 1e-2, "ema_decay": 0.97}
flow = create({"kind": "autoregressive_spline", "hidden": 32, "layers": 2, "training": training})
trees = BoostedTrees(members=4, max_iter=60)
common = {"region": region, "classifier": trees, "folds": 3, "closure": False}
searches = {
    "cathode": Search.of("cathode", generator=flow, oversampling=2, **common),
    "cwola": Search.of("cwola", **common),
    "idealised": Search.of("idealised", **common),
    "supervised": Search.of("supervised", **common),
}
samples = {"idealised": {"background": beside}, "supervised": {"labelled": labelled}}

curves = {}
for name, search in searches.items():
    search.run(data, output=f"runs/{name}", auxiliary=samples.get(name))
    found = open_run(f"runs/{name}").events()
    inside = (found["mass"] >= region.low) & (found["mass"] < region.high)
    curves[name] = sic(found["score"][inside], found["truth"][inside])

# %% [markdown]
# ## What they find
#
# Significance improvement at a background efficiency of 1 %: by how much the cut multiplies S/√B.

# %%
for name, curve in curves.items():
    at = curve.sic_at(1e-2)
    print(f"{name:11} {at.value:5.1f} ± {at.error:.1f}")

# %%
significance_improvement([Line(name, curve.background_efficiency, curve.value) for name, curve in curves.items()])

# %% [markdown]
# Labels help; without them the three agree within their errors here, with true background or without: these features
# hardly follow the mass, so sideband events as they are (`cwola`) serve as well as a density that is interpolated.
# Where a feature does follow it, the classifier of `cwola` finds that difference too. What each method assumes, and how
# that breaks: [methods](../docs/methods.md).
