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
# # Showers of a calorimeter
#
# A shower is energies in voxels. What is there: geometries, files in the layouts of the field, generators of showers,
# the comparisons of the CaloChallenge, and a search whose events are showers.

# %%
import numpy as np

from analysis.datasets import embedded, open_showers
from analysis.metrics.shower_histograms import comparisons
from analysis.metrics.showers import observables
from analysis.plots.showers import average_showers, shower_histogram
from analysis.showers import Showers, geometry
from generators import create

# %matplotlib inline

ds1 = geometry("ds1-photons")
photons = open_showers(embedded("showers"), ds1).read(0, 2500)
print(
    f"{len(photons)} photons of {photons.incident.min():.1f} to {photons.incident.max():.1f} GeV, {ds1.voxels} voxels"
)
print("in layers of", ", ".join(f"{rings} × {angles}" for rings, angles in (layer.shape for layer in ds1.layers)))

# %% [markdown]
# ## A generator, trained for seconds
#
# `hierarchical_sticks` breaks the energy of a shower into layers, a layer into rings and a ring into angles. It has a
# density, and what it draws obeys the threshold and sums up exactly. Forty steps are far too few; minutes make a useful
# one ([showers](../docs/showers.md)).

# %%
layers = [list(layer.shape) for layer in ds1.layers]
quick = {"steps": 40, "batch_size": 128, "ema_decay": 0.9}
sticks = create({"kind": "hierarchical_sticks", "layers": layers, "hidden": 32, "local": 8, "training": quick})
half = len(photons) // 2
sticks.fit(photons.energies[:half], photons.incident[:half, None], seed=1)
drawn = Showers(photons.incident[half:], sticks.sample(photons.incident[half:], seed=2))
held_out = Showers(photons.incident[half:], photons.energies[half:])
log_p = sticks.log_prob(held_out.energies[:200], held_out.incident[:200])
filled = [(each.energies > 0).mean() for each in (drawn, held_out)]
print(f"{filled[0]:.3f} of the voxels have energy, {filled[1]:.3f} in held-out showers")
print(f"log p of held-out showers: {np.median(log_p):.0f} (median)")

# %% [markdown]
# ## Mean showers, reference above and generated below

# %%
average_showers(ds1, drawn.energies.mean(axis=0), held_out.energies.mean(axis=0))

# %% [markdown]
# ## Observables of the CaloChallenge

# %%
generated, reference = (observables([each], ds1) for each in (drawn, held_out))
compared = list(comparisons(generated, reference, ds1))
for group in ("response", "layer energy", "width in η", "sparsity"):
    mean = np.mean([each.separation for each in compared if each.group == group])
    print(f"{group:14} separation power {mean:.3f} (0 is equal, 1 is disjoint)")

# %%
shower_histogram(next(each for each in compared if each.group == "layer energy"), label="Energy of the first layer")

# %% [markdown]
# ## A search in showers
#
# The mass is the energy that the calorimeter sees, the features are shapes of layers: pairs of photons from scalars of
# 5 GeV hide among single photons. `cathode config example showers` prints this analysis; here it is small.

# %%
from cathode.commands import run_analysis
from cathode.config.documents import embedded_text, parse_config

small = {
    "template.generator.generator.training.steps": 100,
    "classifier.members": 2,
    "folds": 2,
    "background_efficiencies": [0.03],
    "validation.closure": False,
}
config = parse_config(embedded_text("showers"), name="showers.yaml", overrides=small)
result = run_analysis(config, "runs/showers", report=False)
print(result)

# %% [markdown]
# Without validation nothing is claimed. The truth is known here:

# %%
print(f"AUC of the truth {result.truth.auc:.3f}")
