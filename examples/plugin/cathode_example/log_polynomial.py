"""A mass spectrum whose logarithm is a polynomial in the logarithm of the mass."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from cathode.errors import MassModelError
from cathode.region import Region
from cathode.registry import MASS_MODELS
from cathode.template.mass_models import Expected


@MASS_MODELS.register
@dataclass(kw_only=True)
class LogPolynomial:
    """Poisson likelihood of `bins` on either side of the window; there are `degree` + 1 parameters."""

    kind: ClassVar[str] = "log_polynomial"

    degree: int = 3
    bins: int = 40

    def fit(self, mass, region, *, weights=None):
        mass = np.asarray(mass, np.float64)
        w = np.ones(len(mass)) if weights is None else np.asarray(weights, np.float64)
        inside = int(np.count_nonzero(region.signal(mass)))
        if inside:
            raise MassModelError(
                f"{inside} of {len(mass)} masses lie inside the window {region.low:g}–{region.high:g} GeV. Hand over "
                "mass[region.sideband(mass)]."
            )
        if w.shape != mass.shape or not (np.isfinite(mass).all() and np.isfinite(w).all()):
            raise MassModelError("Masses and weights must be finite and of equal length.")
        chosen = region.sideband(mass)
        mass, w = mass[chosen], w[chosen]
        for side in (mass < region.low, mass >= region.high):
            if np.count_nonzero(side) < 10 * (self.degree + 1) or w[side].sum() <= 0:
                raise MassModelError(f"{np.count_nonzero(side)} events on a side of the window are too few.")
        self.region_ = region
        self.range_ = (float(mass.min()), float(np.nextafter(mass.max(), np.inf)))
        self._fit_bins(mass, w)
        return self

    def _fit_bins(self, mass, w):
        low, high = self.range_
        sides = [np.geomspace(a, b, self.bins + 1) for a, b in ((low, self.region_.low), (self.region_.high, high))]
        content = np.concatenate([np.histogram(mass, edges, weights=w)[0] for edges in sides])
        centres = np.concatenate([np.sqrt(edges[1:] * edges[:-1]) for edges in sides])
        widths = np.concatenate([np.diff(edges) for edges in sides])
        design = self._basis(centres)
        found = np.linalg.lstsq(design, np.log(np.clip(content, 0.5, None) / widths), rcond=None)[0]
        for _ in range(50):
            mean = widths * np.exp(np.clip(design @ found, -700, 700))
            found = found + np.linalg.solve((design.T * mean) @ design, design.T @ (content - mean))
        mean = widths * np.exp(design @ found)
        # Of weighted events the variance is larger than the content.
        excess = (w**2).sum() / w.sum()
        self.coefficients_, self.covariance_ = found, excess * np.linalg.inv((design.T * mean) @ design)

    def sample(self, n, *, seed, within=None):
        low, high = self._edges(within)
        grid = np.linspace(low, high, 2049)
        density = self.density(grid)
        cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
        drawn = np.interp(np.random.default_rng(seed).random(n) * cumulative[-1], cumulative, grid)
        return np.minimum(drawn, np.nextafter(high, low))

    def expected(self, within=None):
        grid = np.linspace(*self._edges(within), 2049)
        density = self.density(grid)
        slope = np.trapezoid(density[:, None] * self._basis(grid), grid, axis=0)
        return Expected(float(np.trapezoid(density, grid)), float(np.sqrt(slope @ self.covariance_ @ slope)))

    def density(self, mass):
        self._require_fit()
        return np.exp(self._basis(np.asarray(mass, np.float64)) @ self.coefficients_)

    def band(self, mass):
        basis = self._basis(np.asarray(mass, np.float64))
        error = np.sqrt(np.einsum("ni,ij,nj->n", basis, self.covariance_, basis))
        return self.density(mass) * np.exp(-error), self.density(mass) * np.exp(error)

    @property
    def fit_range_(self):
        return self.range_

    @property
    def parameters_(self):
        return {f"c{power}": float(value) for power, value in enumerate(self.coefficients_)}

    def to_dict(self):
        self._require_fit()
        learned = {name: np.asarray(getattr(self, f"{name}_")).tolist() for name in LEARNED}
        return {"kind": self.kind, "settings": asdict(self), "region": self.region_.to_dict(), **learned}

    @classmethod
    def from_dict(cls, content):
        made = cls(**content["settings"])
        made.region_ = Region(**content["region"])
        for name in LEARNED:
            setattr(made, f"{name}_", np.asarray(content[name], np.float64))
        made.range_ = tuple(content["range"])
        return made

    def _basis(self, mass):
        u = np.log(mass / self.region_.low) / np.log(self.region_.high / self.region_.low)
        return np.stack([u**power for power in range(self.degree + 1)], axis=-1)

    def _edges(self, within):
        self._require_fit()
        chosen = self.region_ if within is None else within
        return chosen.low, chosen.high

    def _require_fit(self):
        if not hasattr(self, "coefficients_"):
            raise MassModelError("The mass model 'log_polynomial' must be fitted first.")


LEARNED = ("coefficients", "covariance", "range")
