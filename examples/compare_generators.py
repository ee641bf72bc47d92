"""Which generator gives the better template? Closure in the signal window, where the truth is known.

    python examples/compare_generators.py autoregressive_spline flow_matching
    python examples/compare_generators.py '{kind: maf, bijection: logit, training: {epochs: 5}}' --json

A generator is given by its kind, or as in an analysis file, in one line. Each learns from the sidebands of the dijets
that come with the package and draws events at the masses of the true background in 3300–3700 GeV. Boosted trees, held
out by fold, then try to tell the two apart: an AUC of 0.5 means that they can not. CPU seconds are those of this
process.
"""

import argparse
import json
import sys
import time

import numpy as np
import yaml

from analysis.datasets import embedded
from analysis.folds import random_folds
from analysis.metrics.sic_and_auc import auc
from cathode import DIJET_FEATURES, DIJET_MASS, BoostedTrees, Region, read_events
from cathode.classifiers.cross_fitting import Sample, cross_fit
from cathode.template.drawing import draw_at, train_generator
from generators import create

REGION = Region(3300, 3700)


def measure(specification, sideband, background, *, seed, members):
    """Closure AUC of one generator, its error, and the CPU seconds of training and sampling."""
    start = time.process_time()
    generator = train_generator(create(specification), sideband, seed=seed)
    trained = time.process_time()
    template = draw_at(generator, background.mass, seed=seed)
    drawn = time.process_time()
    samples = [
        Sample(x, np.ones(len(x)), random_folds(len(x), 2, seed=seed + side))
        for side, x in enumerate((background.x, template.x))
    ]
    fit = cross_fit(BoostedTrees(members=members), *samples, seeds=(seed, seed + 1))
    found = auc(np.concatenate([fit.data, fit.template]), np.arange(len(fit.data) + len(fit.template)) < len(fit.data))
    return {"auc": found.value, "error": found.error, "training": trained - start, "sampling": drawn - trained}


def main(arguments=None):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generators", nargs="+", metavar="GENERATOR", help="a kind, or '{kind: …, …}'")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each")
    parser.add_argument("--members", type=int, default=10, help="boosted-tree classifiers that judge")
    parser.add_argument("--thin", type=int, default=1, help="use every n-th event")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)

    events = read_events(embedded("dijets"), mass=DIJET_MASS, features=DIJET_FEATURES, truth="isSignal")
    # The signal stays in the sidebands, as it would in data.
    sideband = events[REGION.sideband(events.mass)][:: options.thin]
    background = events[REGION.signal(events.mass) & ~events.truth][:: options.thin]
    results = []
    for text in options.generators:
        given = yaml.safe_load(text)
        specification = {"kind": given} if isinstance(given, str) else given
        for seed in range(1, options.seeds + 1):
            found = measure(specification, sideband, background, seed=seed, members=options.members)
            results.append({"generator": specification, "seed": seed, **found})
            if not options.json:
                cost = f"{found['training']:.0f} + {found['sampling']:.0f} CPU s"
                print(f"{found['auc']:.4f} ± {found['error']:.4f}  {cost:16}  seed {seed}  {text}", flush=True)
    if options.json:
        json.dump({"sideband": len(sideband), "background": len(background), "results": results}, sys.stdout)
        print()


if __name__ == "__main__":
    main()
