"""Independent seeds for every purpose of a run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Seeds:
    """Seeds derived from one number and the name of a purpose: adding a purpose changes no other seed.

    >>> Seeds(1)("mass") == Seeds(1)("mass"), Seeds(1)("mass") == Seeds(2)("mass")
    (True, False)
    """

    root: int

    def __call__(self, purpose: str) -> int:
        """A 31-bit seed, which every library takes."""
        digest = hashlib.sha256(f"{self.root}/{purpose}".encode()).digest()
        return int.from_bytes(digest[:4], "little") >> 1

    def many(self, purpose: str, count: int) -> tuple[int, ...]:
        """Several seeds for one purpose."""
        return tuple(self(f"{purpose}/{index}") for index in range(count))


def spawned(seed: int, count: int) -> tuple[int, ...]:
    """Independent 64-bit seeds from one."""
    return tuple(np.random.SeedSequence(seed).generate_state(count, np.uint64).tolist())
