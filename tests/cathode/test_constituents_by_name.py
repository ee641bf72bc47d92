"""Every generator of clouds and classifier of constituents by its name in an analysis file: a tiny search with each."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.events import Events
from cathode.config import parse_config
from tests.generators.jets.test_full_phase_space import dijets

GENERATORS = (
    "mpgan",
    "epic_gan",
    "mdma",
    "igapt",
    "deep_tree_gan",
    "deep_tree_gan2",
    "epic_fm",
    "mdma_fm",
    "autoregressive_cloud",
)
CLASSIFIERS = ("deep_sets", "energy_flow", "transformer")
TEXT = """\
data:
  files: ntuple.root
region:
  signal: [2300, 2700]
  sidebands: [1500, 4000]
template:
  oversampling: 1
  generator:
    kind: full_phase_space
    jets:
      kind: autoregressive_spline
      blocks: 1
      hidden: 8
      bijection: {{kind: chain, bijections: [dequantise, quantile_normal]}}
      training: {{steps: 30, batch_size: 128}}
    constituents:
      kind: {generator}
      training: {{steps: 3, batch_size: 64, ema_decay: null}}
classifier: {{kind: {classifier}, epochs: 1, best_epochs: 1}}
folds: 2
background_efficiencies: [0.1]
validation: {{closure: false}}
threads: 1
seed: 3
"""


@pytest.fixture(scope="module")
def events() -> Events:
    x, c = dijets(1_500, seed=1)
    ids = np.stack([np.ones(1_500), np.ones(1_500), np.arange(1_500)], axis=1).astype(np.uint64)
    return Events(x=x, mass=c[:, 0], columns=("pt", "eta", "phi"), ids=ids)


@pytest.mark.parametrize(
    ("generator", "classifier"),
    [*((kind, "deep_sets") for kind in GENERATORS), *(("epic_gan", kind) for kind in CLASSIFIERS[1:])],
)
def test_a_search_runs_with_each(generator: str, classifier: str, events: Events) -> None:
    result = parse_config(TEXT.format(generator=generator, classifier=classifier)).search().run(events)
    (cut,) = result.cuts
    assert cut.observed >= 0
    assert np.isfinite(cut.expected)
