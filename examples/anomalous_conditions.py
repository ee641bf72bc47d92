"""Does the pixel detector see what the machine reports? A search for anomalous conditions in the 40 occupancies.

    python examples/anomalous_conditions.py
    python examples/anomalous_conditions.py '{kind: iea_gan, training: {steps: 3000}}' --json

A generator learns p(occupancies of 40 sensors | machine condition) from synthetic events of normal running. In a later
period some events have a loss that the machine does not report: it adds hits in the sensors of one side. The template
of that period are events drawn at the conditions that were reported. Boosted trees, held out by fold, tell the period
from its template; the same with a normal period is the closure test, which has to come first.

By default the generator is a density of the occupancies, which learns in seconds. A generator of pixel events, such as
"iea_gan" or "pe_gan", learns the images of all sensors, and the occupancies are those of what it draws.
"""

import argparse
import json

import numpy as np
import yaml

from analysis.folds import random_folds
from analysis.metrics.sic_and_auc import auc
from analysis.pixels import PXD_SMALL, SparseImages
from analysis.simulation.pixels import draw_conditions, pixel_event
from cathode import BoostedTrees
from cathode.classifiers.cross_fitting import Sample, cross_fit
from generators import create
from generators.pixels.base import PixelGenerator

TRAINING = {"steps": 800, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": 0.98}
DENSITY = {"kind": "coupling_spline", "blocks": 6, "hidden": 32, "bins": 4, "training": TRAINING}
#: Sensors on the side of the loss, and by which factor their rates grow.
SIDE, LOSS = [6, 7, 8, 9, 10, 11, 26, 27, 28, 29, 30, 31], 2.5


def period(conditions, *, seed, anomalous=0):
    """Events at conditions (N, 2), of which so many at the end have a loss."""
    events = SparseImages(len(conditions), PXD_SMALL)
    for number, condition in enumerate(conditions):
        images = pixel_event(PXD_SMALL, condition, seed=seed, event=number).images()
        if number >= len(conditions) - anomalous:
            more = pixel_event(PXD_SMALL, condition * (LOSS - 1), seed=seed + 1, event=number).images()
            images[:, SIDE] = np.maximum(images[:, SIDE], more[:, SIDE])
        events[np.array([number])] = images
    return events.events()


def hits(events):
    """Numbers of hits (N, 40)."""
    return np.rint(events.occupancies() * PXD_SMALL.rows * PXD_SMALL.columns)


class Template:
    """Occupancies that a generator draws at machine conditions."""

    def __init__(self, generator, events, conditions, *, seed):
        self.of_images = isinstance(generator, PixelGenerator)
        # Roots of counts, spread out below the next one, fluctuate about the same at all rates.
        noise = np.random.default_rng(seed).uniform(0, 1, (len(conditions), PXD_SMALL.sensors))
        learned = events.images() if self.of_images else np.sqrt(hits(events) + noise)
        self.generator = generator.fit(learned, conditions, seed=seed)

    def draw(self, conditions, *, seed):
        """Numbers of hits (N, 40) at conditions (N, 2)."""
        if not self.of_images:
            return np.floor(np.maximum(self.generator.sample(conditions, seed=seed), 0) ** 2)
        events = SparseImages(len(conditions), PXD_SMALL)
        self.generator.sample(conditions, seed=seed, out=events)
        return hits(events.events())


def compared(data, template, *, seed):
    """AUC of held-out trees of data against template with its error, and which events of data are the oddest 2 %."""
    x = [np.concatenate([each, each.mean(axis=1, keepdims=True)], axis=1) for each in (data, template)]
    samples = [Sample(each, np.ones(len(each)), random_folds(len(each), 2, seed=seed + i)) for i, each in enumerate(x)]
    fit = cross_fit(BoostedTrees(members=3), *samples, seeds=(seed, seed + 1))
    scores = np.concatenate([fit.data, fit.template])
    found = auc(scores, np.arange(len(scores)) < len(fit.data))
    return found, fit.data > np.quantile(fit.template, 0.98)


def main(arguments=None):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", nargs="?", help="a kind, or '{kind: …, …}'")
    parser.add_argument(
        "--events", type=int, default=2000, help="events of each period; twice as many are learned from"
    )
    parser.add_argument("--share", type=float, default=0.1, help="share of events with a loss in the last period")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)

    normal = draw_conditions(2 * options.events, seed=options.seed)
    generator = create(DENSITY if options.generator is None else yaml.safe_load(options.generator))
    template = Template(generator, period(normal, seed=options.seed), normal, seed=options.seed)
    results = {}
    for number, (name, anomalous) in enumerate({"normal": 0, "loss": round(options.share * options.events)}.items()):
        seed = options.seed + 100 * (number + 1)
        reported = draw_conditions(options.events, seed=seed)
        data = hits(period(reported, seed=seed, anomalous=anomalous))
        found, odd = compared(data, template.draw(reported, seed=seed), seed=seed)
        with_loss = np.arange(options.events) >= options.events - anomalous
        counts = {"odd": int(odd.sum()), "expected": 0.02 * options.events, "with_loss": int((odd & with_loss).sum())}
        results[name] = {"auc": found.value, "error": found.error, **counts}
        if not options.json:
            print(
                f"{name:8} AUC {found.value:.3f} ± {found.error:.3f}; {counts['odd']} events beyond a cut that "
                f"{counts['expected']:.0f} of the template pass, {counts['with_loss']} of them with a loss"
            )
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
