"""Events of a pixel detector: IEA-GAN against PE-GAN on synthetic events, and the cost of an event at full size.

    OMP_NUM_THREADS=1 python benchmarks/pixels.py --speed
    OMP_NUM_THREADS=1 python benchmarks/pixels.py --seconds 900 --figures docs/images
    OMP_NUM_THREADS=1 python benchmarks/pixels.py --shape 16 48 --train 300 --events 300 --seconds 50
    OMP_NUM_THREADS=1 python benchmarks/pixels.py --steps 450 --events 800 --seeds 1 2
    OMP_NUM_THREADS=1 python benchmarks/pixels.py --steps 1000 --events 800 --seeds 1 2 --bare
    OMP_NUM_THREADS=1 python benchmarks/pixels.py --systems iea_gan --seconds 3600 --json

`--speed` makes events of 40 sensors of 250 × 768 pixels with the published networks, untrained, on every device there
is: seconds of an event, memory of the process, and megabytes of an event as an array of bytes and as hits.

Else every system learns from `--train` events of 40 sensors of 32 × 96 pixels, or of another `--shape`, for so many CPU
seconds, and draws as many events as there are to compare with, at their conditions. Compared are

* the correlation matrix of the occupancies of the 40 sensors: relative Frobenius distance, and its floor;
* the mean occupancy, the width of the occupancy of an event, and the distance W1 of its distribution in true widths;
* the charge of hit pixels: half of the area between the spectra, and the mean size and charge (ADU) of clusters;
* the Fréchet distance of images in the features of a fixed network, and its floor.

Beside the systems there are events of the simulation: others at the same conditions, "truth"; "single sensors", each
sensor of another event at the same condition, the best that a generator of single images can do; "charge + 20 %"; and
"pixels mixed", every image with its pixels in another order.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from analysis.metrics.pixel_features import image_distance, image_features
from analysis.metrics.pixels import charge_spectrum, clusters, correlation_distance, sensor_correlations
from analysis.pixels import PXD, PXD_SMALL, PixelDetector, PixelEvents, SparseImages
from analysis.simulation.pixels import draw_conditions, pixel_event, sensor_rates
from generators import create
from generators.pixels.networks import PixelMaker

Array = NDArray[Any]

SYSTEMS = ("iea_gan", "pe_gan")
#: Published seconds of an event on a CPU and on a GPU, of both systems: which one is the faster is not known here.
PUBLISHED = ((10.2, 11.8), (0.070, 0.090))
#: Steps of the training that measures how long one takes.
TRIAL = 12


def specification(kind: str, preset: str, detector: PixelDetector) -> dict[str, Any]:
    """A system; PE-GAN knows of every sensor its mean occupancy at the usual condition."""
    prior = {"prior": sensor_rates(detector, np.ones(2)).tolist()} if kind == "pe_gan" else {}
    return {"kind": kind, "preset": preset, **prior}


def simulated(detector: PixelDetector, conditions: Array, seed: int) -> PixelEvents:
    """Small events at conditions (N, 2)."""
    kept = SparseImages(len(conditions), detector)
    for number, condition in enumerate(conditions):
        event = pixel_event(detector, condition, seed=seed, event=number)
        kept[np.array([number])] = event.images()
    return kept.events()


def single_sensors(detector: PixelDetector, conditions: Array, seed: int) -> PixelEvents:
    """The same, every sensor of another event at the condition."""
    images = np.zeros((len(conditions), *detector.shape), np.uint8)
    for sensor in range(detector.sensors):
        for number, condition in enumerate(conditions):
            event = pixel_event(detector, condition, seed=seed + sensor, event=number)
            images[number, sensor] = event.images()[0, sensor]
    return PixelEvents.of_images(images, detector)


def references(detector: PixelDetector, conditions: Array, seed: int) -> dict[str, PixelEvents]:
    """Events that are no product of a generator."""
    truth = simulated(detector, conditions, seed)
    images = truth.images()
    rng = np.random.default_rng(seed)
    larger = np.minimum(images * 1.2, 255).astype(np.uint8)
    mixed = rng.permuted(images.reshape(-1, detector.rows * detector.columns), axis=1).reshape(images.shape)
    return {
        "truth": truth,
        "single sensors": single_sensors(detector, conditions, seed + 1000),
        "charge + 20 %": PixelEvents.of_images(larger, detector),
        "pixels mixed": PixelEvents.of_images(mixed, detector),
    }


def compared(made: PixelEvents, true: PixelEvents, known: Array, seed: int) -> dict[str, Any]:
    """Every number of the table."""
    occupancy, true_occupancy = made.occupancies(), true.occupancies()
    of_event, of_true = occupancy.mean(axis=1), true_occupancy.mean(axis=1)
    correlation = correlation_distance(occupancy, true_occupancy, seed=seed)
    images = image_distance(image_features(made), known, seed=seed)
    spectra = [charge_spectrum(events) / max(1, len(events.adu)) for events in (made, true)]
    found = clusters(made)
    return {
        "correlation": correlation.value,
        "correlation_floor": correlation.floor,
        "occupancy_percent": 100 * float(of_event.mean()),
        "occupancy_width_percent": 100 * float(of_event.std()),
        "occupancy_w1": float(wasserstein_distance(of_event, of_true) / of_true.std()),
        "charge_difference": float(np.abs(spectra[0] - spectra[1]).sum() / 2),
        "cluster_size": float(found.size.mean()) if len(found.size) else 0.0,
        "cluster_charge": float(found.charge.mean()) if len(found.charge) else 0.0,
        "fid": images.value,
        "fid_floor": images.floor,
    }


def steps_within(what: dict[str, Any], images: Array, conditions: Array, seconds: float, seed: int) -> int:
    """How many steps a training makes in so many CPU seconds, by a short one."""
    times = []
    for steps in (2, 2 + TRIAL):
        start = time.process_time()
        create(what, training={"steps": steps, "epochs": None}).fit(images[:60], conditions[:60], seed=seed)
        times.append(time.process_time() - start)
    return max(20, int(seconds * TRIAL / max(times[1] - times[0], 1e-3)))


def trained(what: dict[str, Any], images: Array, conditions: Array, steps: int, seed: int) -> tuple[Any, Any]:
    """A system after so many steps of training, and what that was like."""
    start = time.process_time()
    fitted = create(what, training={"steps": steps, "epochs": None}).fit(images, conditions, seed=seed)
    made = {"steps": steps, "training_s": time.process_time() - start}
    kept = {"kept_epoch": fitted.best_epochs_[0], "epochs": len(fitted.train_losses_)}
    return fitted, {**made, **kept, "losses": {name: each.train for name, each in fitted.losses_.items()}}


def quality(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of all systems and references, and the figures."""
    detector = PixelDetector(PXD_SMALL.layers, *options.shape)
    conditions = draw_conditions(options.train, seed=11)
    images = simulated(detector, conditions, 11).images()
    at = draw_conditions(options.events, seed=12)
    true = simulated(detector, at, 12)
    known = image_features(true)
    rows, shown = [], {"simulation": true}
    beside = {} if options.bare else references(detector, at, 13)
    for name, events in beside.items():
        rows.append({"system": name, **compared(events, true, known, 1)})
        print(json.dumps(rows[-1]), flush=True)
        if name == "single sensors":
            shown[name] = events
    for kind in options.systems:
        for seed in options.seeds:
            what = specification(kind, "small", detector)
            steps = options.steps or steps_within(what, images, conditions, options.seconds, seed)
            fitted, how = trained(what, images, conditions, steps, seed)
            start = time.process_time()
            kept = SparseImages(len(at), detector)
            fitted.sample(at, seed=seed, out=kept)
            drawing = 1e3 * (time.process_time() - start) / len(at)
            made = kept.events()
            rows.append({"system": kind, "seed": seed, **compared(made, true, known, 1), **how, "ms": drawing})
            print(json.dumps(rows[-1]), flush=True)
            shown.setdefault(kind, made)
        if options.figures:
            figures(shown, Path(options.figures))
    return rows


def figures(shown: dict[str, PixelEvents], folder: Path) -> None:
    """Spectra of occupancy and charge with ratios, and correlation matrices."""
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    found = {name: clusters(events) for name, events in shown.items()}
    panels: list[tuple[dict[str, Array], Array, str]] = [
        (
            {name: 100 * events.occupancies().ravel() for name, events in shown.items()},
            np.linspace(0, 4, 33),
            "occupancy of a sensor [%]",
        ),
        ({name: events.adu for name, events in shown.items()}, np.linspace(7, 256, 42), "charge of a pixel [ADU]"),
        ({name: each.size for name, each in found.items()}, np.arange(0.5, 16), "pixels of a cluster"),
        ({name: each.charge for name, each in found.items()}, np.linspace(0, 800, 41), "charge of a cluster [ADU]"),
    ]
    figure, axes = pyplot.subplots(2, 4, figsize=(15, 5), sharex="col", height_ratios=[3, 1], layout="constrained")
    for column, (values, edges, label) in enumerate(panels):
        densities = {name: np.histogram(each, edges)[0] / max(1, len(each)) for name, each in values.items()}
        truth = densities["simulation"]
        for name, density in densities.items():
            style: dict[str, Any] = {"color": "black", "lw": 2} if name == "simulation" else {"lw": 1.2}
            axes[0, column].stairs(density, edges, label=name, **style)
            if name == "simulation":
                continue
            ratio = np.divide(density, truth, out=np.full(len(truth), np.nan), where=truth > 0)
            axes[1, column].stairs(ratio, edges, baseline=None, **style)
        axes[0, column].set(yscale="log")
        axes[1, column].set(ylim=(0, 2), xlabel=label)
        axes[1, column].axhline(1, color="black", lw=1)
    axes[0, 0].set(ylabel="share of entries")
    axes[1, 0].set(ylabel="ratio")
    axes[0, 0].legend(frameon=False, fontsize="small")
    figure.savefig(folder / "pixel-spectra.png", dpi=80)
    pyplot.close(figure)
    figure, axes = pyplot.subplots(1, len(shown), figsize=(3.2 * len(shown) + 0.6, 3.4), layout="constrained")
    for axis, (name, events) in zip(np.atleast_1d(axes), shown.items(), strict=True):
        matrix = sensor_correlations(events.occupancies())
        image = axis.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu_r")
        axis.set(title=name, xlabel="sensor", ylabel="sensor")
    figure.colorbar(image, ax=axes, label="correlation of occupancies")
    figure.savefig(folder / "pixel-correlations.png", dpi=80)
    pyplot.close(figure)


def speed(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds and memory of an event at full size."""
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    true = pixel_event(PXD, np.ones(2), seed=1, event=0)
    rows = []
    for kind in options.systems:
        system = create(kind, preset="published")
        system.bijection_ = system.unfitted_bijection().fit(torch.tensor([[0.0], [255.0]]))
        maker = system.build(PXD.shape, 2).eval().requires_grad_(False)
        row: dict[str, Any] = {
            "system": kind,
            "published_cpu_s": PUBLISHED[0],
            "published_gpu_s": PUBLISHED[1],
        }
        row["parameters"] = sum(parameter.numel() for parameter in maker.parameters())
        for device in devices:
            row[f"{device}_s"] = min(
                _event_seconds(system, maker.to(device), device, turn) for turn in range(options.turns)
            )
        row |= {"device": torch.cuda.get_device_name() if len(devices) > 1 else None}
        row["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        row |= {"stored_mb": PXD.pixels / 1e6, "sparse_mb": true.nbytes / 1e6}
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def _event_seconds(system: Any, maker: PixelMaker, device: str, turn: int) -> float:
    """Seconds from the noise to the hits of one event: of the CPU, or of the clock on another device."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    z = maker.draw(torch.zeros(1, 2, device=device), torch.Generator().manual_seed(turn))
    kept = SparseImages(1, PXD)
    kept[np.array([0])] = system.adu_of(z.cpu()).numpy()
    return clock() - start


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as text."""
    names = [name for name, value in rows[-1].items() if isinstance(value, int | float | str)]
    lines = ["  ".join(names)]
    for row in rows:
        lines.append(
            "  ".join(
                f"{row.get(name, '–'):.4g}" if isinstance(row.get(name), float) else str(row.get(name, "–"))
                for name in names
            )
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--train", type=int, default=300, help="events to learn from")
    parser.add_argument("--events", type=int, default=400, help="events to draw and to compare with")
    parser.add_argument("--seconds", type=float, default=900, help="CPU seconds of a training")
    parser.add_argument("--steps", type=int, help="steps of a training, whatever they take, instead of --seconds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    small = [PXD_SMALL.rows, PXD_SMALL.columns]
    parser.add_argument("--shape", type=int, nargs=2, default=small, help="rows and columns of a sensor")
    parser.add_argument("--speed", action="store_true", help="full size, nothing is trained")
    parser.add_argument("--turns", type=int, default=2, help="events whose quickest is taken by --speed")
    parser.add_argument("--bare", action="store_true", help="without events of the simulation beside the systems")
    parser.add_argument("--figures", help="folder for figures")
    parser.add_argument("--json", action="store_true", help="everything as one line of JSON at the end")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = speed(options) if options.speed else quality(options)
    print(json.dumps({"results": rows}) if options.json else table(rows))


if __name__ == "__main__":
    main()
