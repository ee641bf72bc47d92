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
# # The full phase space: all constituents of two jets
#
# Features are a choice, and a signal may not care for it. Here an event is everything that its two jets are made of: a
# chain of two generators draws jets given the mass, and then constituents given the jets
# ([2310.06897](https://arxiv.org/abs/2310.06897)).
#
# What is trained here for seconds takes minutes to be useful, and at the size of the publication a GPU
# ([the full phase space](../docs/full-phase-space.md)).

# %%
import numpy as np

from analysis.datasets import embedded
from analysis.features.constituents import jet_momenta
from analysis.folds import random_folds
from analysis.metrics.sic_and_auc import auc
from analysis.plots.distributions import template_against_data
from cathode import Constituents, DijetSubstructure, Region, read_events
from cathode.classifiers import BoostedTrees
from cathode.classifiers.cross_fitting import Sample, cross_fit
from generators import create

# %matplotlib inline

events = read_events(
    embedded("dijet_constituents"), mass="mjj(FatJet)", constituents=Constituents(leading=20), truth="isSignal"
)
region = Region(3300, 3700, sideband_low=2300, sideband_high=5000)
sideband = events[region.sideband(events.mass)]
background = events[region.signal(events.mass) & ~events.truth]
print("events, jets, constituents, (pT, η, φ):", events.x.shape)
print(f"{len(sideband):,} events in the sidebands, {len(background):,} of background in the window")

# %% [markdown]
# ## The chain
#
# `jets` is any generator of feature vectors, `constituents` any generator of clouds. Both are small here.

# %%
quick = {"steps": 150, "batch_size": 128, "learning_rate": 6e-3, "ema_decay": 0.95}
continuous = {"kind": "chain", "bijections": ["dequantise", "quantile_normal"]}  # numbers of constituents are whole
jets = {"kind": "autoregressive_spline", "bijection": continuous, "training": quick}
constituents = {"kind": "autoregressive_cloud", "width": 24, "anchors": 4, "training": quick}
chain = create({"kind": "full_phase_space", "jets": jets, "constituents": constituents})
chain.fit(sideband.x, sideband.context, seed=1)
template = chain.sample(background.mass, seed=2)
print("template:", template.shape)

# %% [markdown]
# Constituents are moved onto the jets that were drawn, whatever the training, so the mass that is computed from them is
# what it has to be: nearly all of m_jj, since only the twenty leading constituents of each jet were read.

# %%
for said, x in (("data", background.x), ("template", template)):
    share = jet_momenta(x.reshape(len(x), -1, 3)).mass / background.mass
    low, middle, high = np.quantile(share, [0.16, 0.5, 0.84])
    print(f"{said:9} {middle:.3f} of m_jj in the median, {low:.3f} to {high:.3f} in 68 %")

# %% [markdown]
# ## What a classifier would see
#
# `dijet_substructure` computes masses, N-subjettiness, multiplicities and splitting scales of both jets, of data and
# template alike.

# %%
substructure = DijetSubstructure()
names = substructure.names(events.columns)
real, drawn = substructure.compute(background.x), substructure.compute(template)
column = names.index("tau21_light")
edges = np.linspace(0, 1, 21)
counts = [np.histogram(x[:, column], edges)[0].astype(float) for x in (real, drawn)]
errors = [np.sqrt(each) for each in counts]
template_against_data(edges, counts[0], errors[0], counts[1], errors[1], label="τ21 of the lighter jet", unit="")

# %% [markdown]
# How well trees tell template from true background by the masses alone, and by everything; 0.5 is not at all. What lies
# inside of jets takes longest to learn:

# %%
one, fold = np.ones(len(real)), random_folds(len(real), 2, seed=3)
masses = [names.index("mj_light"), names.index("delta_mj")]
for said, columns in (("masses", masses), ("everything", list(range(len(names))))):
    samples = (Sample(x[:, columns], one, fold) for x in (real, drawn))
    scores = cross_fit(BoostedTrees(members=2), *samples, seeds=(1, 2))
    found = auc(np.concatenate([scores.data, scores.template]), np.repeat([True, False], len(real)))
    print(f"{said:11} AUC {found.value:.3f} ± {found.error:.3f}")

# %% [markdown]
# From here on a search is the same as with features: `cathode config example full-phase-space` prints the analysis,
# with a transformer that looks at the constituents themselves.
