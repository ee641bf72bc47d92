"""The layout of CaloGAN (Paganini, de Oliveira, Nachman, 1705.02355; doi:10.17632/pvn3xc3wy5.1).

`energy` (N, 1) in GeV, `layer_0` (N, 3, 96), `layer_1` (N, 12, 12) and `layer_2` (N, 12, 6) in MeV.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from analysis.datasets.shower_files import ShowerFile
from analysis.showers.voxels import Showers


class CaloGanFile(ShowerFile[Showers]):
    """Images of the layers, one behind the other; the energy beside them, in `overflow`, is not read."""

    needs: ClassVar[tuple[str, ...]] = ("energy", "layer_0", "layer_1", "layer_2")
    units: ClassVar[tuple[str, str]] = ("GeV", "MeV")

    def _length(self) -> int:
        return int(self._data["energy"].shape[0])

    def _check(self) -> None:
        shapes = [layer.shape for layer in self.geometry.layers]
        n = self._data["energy"].size
        if [self._data[name].shape for name in self.needs[1:]] != [(n, *shape) for shape in shapes]:
            self._refuse(f"images {shapes}")

    def _read(self, start: int, stop: int) -> Showers:
        sizes = (shape[0] * shape[1] for shape in (layer.shape for layer in self.geometry.layers))
        images = [
            self._data[name][start:stop].reshape(stop - start, size)
            for name, size in zip(self.needs[1:], sizes, strict=True)
        ]
        return Showers(self._incident(start, stop), self._deposits(np.concatenate(images, axis=1)))
