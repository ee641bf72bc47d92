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
# # Gallery
#
# Every figure that the package draws, with the call that draws it. Arrays go in, a figure of matplotlib comes out, and
# nothing is computed on the way: the numbers here are made up. `cathode report RUN` draws those of a search, of the
# arrays that the run has kept; `figure.savefig("name.pdf")` writes one.

# %%
import numpy as np

# %matplotlib inline

rng = np.random.default_rng(1)
WINDOW = (3300.0, 3700.0)

# %% [markdown]
# ## The mass spectrum, before and after a cut

# %%
from analysis.plots.spectrum import Curve, Layer, mass_spectrum

edges = np.geomspace(2600, 8000, 40)
width, centre = np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
density = 400 * np.exp(-(centre - 2600) / 600)
before = rng.poisson(density * width).astype(float)
after = rng.poisson(0.01 * density * width).astype(float)
inside = (centre > WINDOW[0]) & (centre < WINDOW[1])
mass_spectrum(
    edges,
    Layer("Data", before, np.sqrt(before)),
    [Layer("Cut at 1 %", after, np.sqrt(after), np.where(inside, 0.01 * density * width, np.nan), 0.1)],
    window=WINDOW,
    fit=Curve(centre, density, 0.97 * density, 1.03 * density),
    pull_edges=np.stack([edges[:-1], edges[1:]], axis=1)[~inside],
    pulls=rng.normal(size=(~inside).sum()),
)

# %% [markdown]
# ## With the label of an experiment
#
# Any figure takes one; the keys of `label` in an analysis file put it on all of a report.

# %%
from analysis.plots.label import FigureLabel, stamp

labelled = mass_spectrum(edges, Layer("Data", before, np.sqrt(before)), window=WINDOW)
stamp(labelled, FigureLabel("EXPERIMENT", "Simulation", luminosity=139, sqrt_s=13_000, process="QCD dijets"))
labelled

# %% [markdown]
# ## A fit of a spectrum with a resonance

# %%
from analysis.inference.signal_shapes import DoubleCrystalBall, in_bins
from analysis.inference.spectrum_model import SpectrumModel
from analysis.plots.spectrum_fit import spectrum_fit

bins = np.linspace(2600, 6000, 41)
falling = 4e4 * np.diff(-np.exp(-(bins - 2600) / 500))
shape = 300 * in_bins(DoubleCrystalBall(3500, 120), bins)
spectrum_fit(SpectrumModel(bins, rng.poisson(falling + shape), shape, "f3"))

# %% [markdown]
# ## Template against data

# %%
from analysis.plots.distributions import template_against_data

grid = np.linspace(0, 500, 26)
truth = 4000 * np.exp(-grid[:-1] / 60)
data, template = rng.poisson(truth).astype(float), rng.poisson(4 * truth) / 4
template_against_data(
    grid, data, np.sqrt(data), template, np.sqrt(template / 4), label="Mass of the lighter jet", unit="GeV", log=True
)

# %% [markdown]
# ## Closure in validation regions

# %%
from analysis.plots.validation import Shifts, closure, region_shifts, sculpting

regions = [(2800.0, 3100.0), (3100.0, 3300.0), (3700.0, 3900.0), (3900.0, 4300.0)]
errors = np.array([0.004, 0.003, 0.004, 0.006])
closure(regions, np.array([0.503, 0.498, 0.507, 0.521]), errors, tolerance=0.51, window=WINDOW)

# %% [markdown]
# ## Counted over predicted in validation regions

# %%
cuts = [
    Shifts("1 %", np.array(regions), np.array([0.02, -0.03, 0.05, 0.01]), np.full(4, 0.03), (0.012, 0.02)),
    Shifts("0.1 %", np.array(regions), np.array([0.1, -0.05, 0.12, -0.02]), np.full(4, 0.09), (0.04, 0.06)),
]
region_shifts(cuts, window=WINDOW)

# %% [markdown]
# ## Sculpting of the mass spectrum

# %%
sculpting([edges, edges], list(rng.normal(1, 0.05, (2, 39))), [np.full(39, 0.05)] * 2, ["1 %", "0.1 %"], window=WINDOW)

# %% [markdown]
# ## Significance improvement and ROC

# %%
from analysis.plots.performance import Line, roc_curves, significance_improvement

efficiency = np.geomspace(8e-5, 1, 50)
improvement = 1 + 14 * np.exp(-((np.log(efficiency / 1e-3)) ** 2) / 8)
lines = [
    Line("This search", efficiency, improvement, 0.9 * improvement, 1.1 * improvement),
    Line("Idealised detector", efficiency, 1.05 * improvement),
]
significance_improvement(lines, marked=[(1e-2, 8.0), (1e-3, 15.0)], floor=8e-5)

# %%
signal_efficiency = np.linspace(0.01, 1, 60)
roc_curves([Line("This search", signal_efficiency, signal_efficiency**-3.0)], floor=1e-4)

# %% [markdown]
# ## Losses of a training

# %%
from analysis.plots.training import losses

epochs = np.arange(1, 31)
losses(5 + np.exp(-epochs / 5), 5.1 + np.exp(-epochs / 5), best=[20, 25, 29], label="−log p")

# %% [markdown]
# ## What significances are worth
#
# Significances of background-only experiments, before and after a correction, and claims in windows without a signal.

# %%
from analysis.plots.calibration import before_and_after, claims_without_signal, null_distribution

null = rng.normal(0.2, 1.3, 200)
null_distribution(null, observed=4.1)

# %%
uniform = rng.uniform(size=200)
before_and_after({"Before": null, "After": (null - 0.2) / 1.3}, {"Before": uniform**1.5, "After": uniform})

# %%
claims_without_signal(
    [(2700, 3000), (3000, 3300), (3900, 4300)],
    {"Fit of the spectrum": rng.normal(size=3), "This search": rng.normal(size=3)},
    claimed=[True, False, True],
    chosen=WINDOW,
)

# %% [markdown]
# ## A scan over masses

# %%
from analysis.plots.scan import Scanned, limits_by_mass, p_values_by_mass

windows = np.array([(low, low + 400.0) for low in range(2700, 4300, 200)])
p_value = np.where(np.arange(8) == 3, 1e-5, rng.uniform(size=8))
p_values_by_mass([Scanned("cathode", windows, p_value, np.arange(8) != 5)])

# %%
expected = 30 * np.exp(-np.arange(8) / 4)[:, None] * np.array([0.5, 0.7, 1.0, 1.4, 1.9])
limits_by_mass(
    windows.mean(axis=1), expected[:, 2] * rng.normal(1.1, 0.2, 8), expected, label="Events that pass, 95 % CL"
)

# %% [markdown]
# ## Methods beside each other

# %%
from analysis.plots.methods import Points, against_cut, against_strength, one_number_each

strength = np.array([0.5, 1, 2, 4])
points = [
    Points(name, strength, scale * strength**1.2, 0.3 + 0.1 * strength)
    for name, scale in {"cathode": 2.0, "cwola": 1.2, "idealised": 2.2}.items()
]
against_strength(points, label="Significance", reference=[(5, "5 σ")])

# %%
cuts = np.array([5e-4, 1e-3, 1e-2, 1e-1])
curves = [
    Points(name, cuts, scale * np.array([9.0, 10.0, 6.0, 2.5]), np.array([1.0, 0.6, 0.3, 0.1]))
    for name, scale in {"cathode": 1.0, "cwola": 0.7}.items()
]
against_cut(curves, label="Significance improvement", reference=[(1, "no cut")], floor=4e-4)

# %%
one_number_each({"cathode": (0.504, 0.002), "cwola": (0.531, 0.003)}, label="AUC, template against data", reference=0.5)

# %% [markdown]
# ## A study of settings

# %%
from analysis.plots.study import study

settings = [{"blocks": blocks, "learning rate": rate} for blocks in (2, 4, 8) for rate in (1e-3, 3e-3)]
study(settings, [0.53, 0.52, 0.515, 0.508, 0.51, 0.504], [0.003] * 6, metric="closure AUC")

# %% [markdown]
# ## Showers
#
# An observable of generated and reference showers, the profile of a quantity over layers, and mean showers as they lie
# in space.

# %%
from analysis.datasets import embedded, open_showers
from analysis.metrics.shower_histograms import comparisons
from analysis.metrics.showers import observables
from analysis.plots.showers import average_showers, layer_profile, shower_histogram
from analysis.showers import Showers, geometry

ds1 = geometry("ds1-photons")
photons = open_showers(embedded("showers"), ds1).read(0, 2000)
first, second = (Showers(photons.incident[i::2], photons.energies[i::2]) for i in (0, 1))
generated, reference = (observables([each], ds1) for each in (first, second))
compared = next(each for each in comparisons(generated, reference, ds1) if each.group == "layer energy")
shower_histogram(compared, label="Energy of the layer")

# %%
layer_profile(np.arange(5), generated.layers, reference.layers, label="Energy [GeV]", names=["0", "1", "2", "3", "12"])

# %%
average_showers(ds1, first.energies.mean(axis=0), second.energies.mean(axis=0))
