"""Draw the idea of every method, for `docs/methods.md`: what stands for background, by mass and one feature.

python tools/draw_methods.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
#: Figure -> its methods from left to right.
FIGURES = {
    "density": ("cathode", "lacathode", "anode", "r_anode"),
    "sidebands": ("cwola", "sa_cwola", "paws"),
    "moved": ("curtains", "transit", "rad_ot", "drapes", "sigma"),
    "simulation": ("salad", "feta"),
    "truth": ("idealised", "supervised", "interplay"),
}

Array = NDArray[np.float64]
_LOW, _HIGH = 3.3, 3.7
_EDGES = 2.7, 4.3
_SIGNAL = 3.5, 1.5
_DATA, _REFERENCE, _SIMULATION, _FOUND = "0.25", "tab:blue", "tab:green", "tab:orange"
_WORDS = {"ha": "center", "va": "top", "fontsize": 8}


def mean(mass: Array | float) -> Any:
    """The feature of the background follows the mass."""
    return 0.9 * (np.asarray(mass) - 3.5)


def background(number: int, low: float, high: float, seed: int, *, width: float = 0.35) -> tuple[Array, Array]:
    """Masses and features of so many events."""
    rng = np.random.default_rng(seed)
    mass = rng.uniform(low, high, number)
    return mass, mean(mass) + width * rng.standard_normal(number)


def beside(number: int, seed: int, *, reach: float = 1.6) -> tuple[Array, Array]:
    """Events of both sidebands."""
    below = background(number // 2, max(_EDGES[0], _LOW - reach), _LOW, seed)
    above = background(number // 2, _HIGH, min(_EDGES[1], _HIGH + reach), seed + 1)
    return np.concatenate([below[0], above[0]]), np.concatenate([below[1], above[1]])


def data(axes: Any, *, sidebands: bool = True, latent: bool = False) -> None:
    """Data in the window, with a signal, and beside it."""
    rng = np.random.default_rng(1)
    mass, x = background(45, _LOW, _HIGH, 2)
    mass = np.concatenate([mass, _SIGNAL[0] + 0.04 * rng.standard_normal(12)])
    x = np.concatenate([x, _SIGNAL[1] - 0.25 + 0.12 * rng.standard_normal(12)])
    if sidebands:
        more = beside(110, 4)
        mass, x = np.concatenate([mass, more[0]]), np.concatenate([x, more[1]])
    axes.plot(mass, x - mean(mass) if latent else x, ".", color=_DATA, ms=2.5)


def band(
    axes: Any, low: float, high: float, *, color: str = _REFERENCE, shift: float = 0.0, flat: bool = False
) -> None:
    """A density: its mean, with one and two standard deviations."""
    mass = np.linspace(low, high, 30)
    middle = shift + (0 * mass if flat else mean(mass))
    for width in (0.35, 0.7):
        axes.fill_between(mass, middle - width, middle + width, color=color, alpha=0.2, lw=0)
    axes.plot(mass, middle, color=color, lw=1)


def arrows(axes: Any, starts: tuple[Array, Array], ends: tuple[Array, Array], *, bend: float, color: str) -> None:
    """Events that are moved."""
    for x, y, to_x, to_y in zip(*starts, *ends, strict=True):
        style = {"arrowstyle": "->", "color": color, "lw": 0.7, "connectionstyle": f"arc3,rad={bend}"}
        axes.annotate("", (to_x, to_y), (x, y), arrowprops=style)
    axes.plot(*ends, ".", color=color, ms=5)


def moved(axes: Any, *, bend: float, seed: int = 7) -> None:
    """Sideband events along the drift into the window."""
    mass, x = beside(12, seed, reach=0.5)
    to = np.random.default_rng(seed).uniform(_LOW + 0.03, _HIGH - 0.03, len(mass))
    arrows(axes, (mass, x), (to, x + mean(to) - mean(mass)), bend=bend, color=_REFERENCE)


def blob(axes: Any, at: tuple[float, float], *, filled: bool = True) -> None:
    """A density of signal."""
    from matplotlib.patches import Ellipse

    axes.add_patch(Ellipse(at, 0.2, 0.6, fc=_FOUND if filled else "none", ec=_FOUND, alpha=0.5 if filled else 1, lw=1))


def _cathode(axes: Any) -> None:
    data(axes)
    band(axes, *_EDGES)
    axes.plot(*background(40, _LOW, _HIGH, 9), ".", color=_REFERENCE, ms=5)


def _lacathode(axes: Any) -> None:
    data(axes, latent=True)
    band(axes, *_EDGES, flat=True)
    axes.text(3.5, -1.55, "noise of the flow", ha="center", fontsize=8)


def _anode(axes: Any) -> None:
    data(axes)
    band(axes, *_EDGES)
    band(axes, _LOW, _HIGH, color=_FOUND, shift=0.1)


def _r_anode(axes: Any) -> None:
    data(axes)
    band(axes, *_EDGES)
    blob(axes, (_SIGNAL[0], _SIGNAL[1] - 0.25))


def _cwola(axes: Any) -> None:
    data(axes, sidebands=False)
    axes.plot(*beside(60, 12, reach=0.3), ".", color=_REFERENCE, ms=5)


def _sa_cwola(axes: Any) -> None:
    _cwola(axes)
    mass, x = background(70, _LOW - 0.3, _HIGH + 0.3, 14)
    axes.plot(mass, x - 0.15, "x", color=_SIMULATION, ms=3, mew=0.8)
    axes.text(3.5, -1.55, "simulation with the opposite label", ha="center", fontsize=7)


def _paws(axes: Any) -> None:
    _cwola(axes)
    for row in (0.75, 1.25, 1.75):
        blob(axes, (_SIGNAL[0], row), filled=row == 1.25)


def _curtains(axes: Any) -> None:
    data(axes)
    moved(axes, bend=0.25)


def _transit(axes: Any) -> None:
    data(axes)
    moved(axes, bend=-0.25, seed=9)
    axes.text(3.5, 1.72, "moved, or not?", **_WORDS)


def _rad_ot(axes: Any) -> None:
    data(axes)
    rng = np.random.default_rng(5)
    low, high = (np.sort(rng.uniform(*edges, 9)) for edges in ((2.85, _LOW), (_HIGH, 4.15)))
    noise = np.linspace(-0.6, 0.6, 9)
    for start, end, of_noise, at in zip(low, high, noise, np.linspace(_LOW + 0.04, _HIGH - 0.04, 9), strict=True):
        ends = float(mean(start)) + of_noise, float(mean(end)) + of_noise
        axes.plot((start, end), ends, ".-", color=_REFERENCE, lw=0.7, ms=3, alpha=0.6)
        share = (at - start) / (end - start)
        axes.plot(at, (1 - share) * ends[0] + share * ends[1], ".", color=_REFERENCE, ms=6)


def _drapes(axes: Any) -> None:
    data(axes)
    mass, x = beside(6, 21, reach=0.4)
    rng = np.random.default_rng(3)
    for start, of_start in zip(mass, x, strict=True):
        axes.plot(
            start + 0.05 * rng.standard_normal(25), of_start + 0.25 * rng.standard_normal(25), ".", c="0.6", ms=1.5
        )
    to = rng.uniform(_LOW + 0.04, _HIGH - 0.04, len(mass))
    ends = to, x + mean(to) - mean(mass) + 0.15 * rng.standard_normal(len(mass))
    arrows(axes, (mass, x), ends, bend=0.0, color=_REFERENCE)


def _sigma(axes: Any) -> None:
    data(axes)
    low, high = _LOW - 0.1, _HIGH + 0.1
    for anchor in (low, high):
        axes.axvline(anchor, color=_REFERENCE, lw=1, ls="--")
    for noise in (-0.5, 0.0, 0.5):
        axes.plot((low, high), (mean(low) + noise, mean(high) + noise), color=_REFERENCE, lw=1.2)
        for at in (low, 3.5, high):
            style = {"arrowstyle": "->", "color": _REFERENCE, "lw": 1.2}
            axes.annotate(
                "", (at, float(mean(at)) + noise), (at, float(mean(at)) + 1.6 * noise - 0.25), arrowprops=style
            )


def _salad(axes: Any) -> None:
    data(axes)
    mass, x = background(110, *_EDGES, 31, width=0.45)
    x = x - 0.25
    weight = np.exp(-(((x - mean(mass)) / 0.35) ** 2) / 2 + ((x - mean(mass) + 0.25) / 0.45) ** 2 / 2)
    axes.scatter(mass, x, s=8 * weight, color=_SIMULATION, alpha=0.7, lw=0)


def _feta(axes: Any) -> None:
    data(axes)
    mass, x = background(16, *_EDGES, 33, width=0.5)
    axes.plot(mass, x - 0.6, ".", color=_SIMULATION, ms=5)
    arrows(axes, (mass, x - 0.6), (mass, mean(mass) + 0.7 * (x - mean(mass))), bend=0.0, color=_REFERENCE)


def _idealised(axes: Any) -> None:
    data(axes)
    axes.plot(*background(50, _LOW, _HIGH, 41), ".", color=_REFERENCE, ms=5)
    axes.text(3.5, -1.55, "true background", ha="center", fontsize=8)


def _supervised(axes: Any) -> None:
    _idealised(axes)
    rng = np.random.default_rng(8)
    at = _SIGNAL[0] + 0.05 * rng.standard_normal(25), _SIGNAL[1] - 0.25 + 0.15 * rng.standard_normal(25)
    axes.plot(*at, ".", color=_FOUND, ms=5)


def _interplay(axes: Any) -> None:
    data(axes)
    for shift, color in ((-0.15, "tab:cyan"), (0.15, "tab:purple")):
        band(axes, *_EDGES, color=color, shift=shift)
    axes.text(3.5, -1.55, "mean of the scores", ha="center", fontsize=8)


PANELS: dict[str, Callable[[Any], None]] = {
    "cathode": _cathode,
    "lacathode": _lacathode,
    "anode": _anode,
    "r_anode": _r_anode,
    "cwola": _cwola,
    "sa_cwola": _sa_cwola,
    "paws": _paws,
    "curtains": _curtains,
    "transit": _transit,
    "rad_ot": _rad_ot,
    "drapes": _drapes,
    "sigma": _sigma,
    "salad": _salad,
    "feta": _feta,
    "idealised": _idealised,
    "supervised": _supervised,
    "interplay": _interplay,
}


def draw(methods: tuple[str, ...]) -> Any:
    """One panel for each method, side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.4 * len(methods), 2.5), layout="constrained")
    for axes, method in zip(figure.subplots(1, len(methods), squeeze=False)[0], methods, strict=True):
        axes.axvspan(_LOW, _HIGH, color="0.93", lw=0)
        PANELS[method](axes)
        axes.set(xlim=_EDGES, ylim=(-1.7, 2.1), xticks=[], yticks=[], xlabel="mass", title=method)
    figure.axes[0].set_ylabel("feature")
    return figure


def main() -> None:
    """Write all figures."""
    for name, methods in FIGURES.items():
        # Without the version of matplotlib, the same picture is the same file.
        draw(methods).savefig(IMAGES / f"methods-{name}.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
