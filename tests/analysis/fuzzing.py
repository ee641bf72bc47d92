"""A script: reads damaged files one after another and says what each gave.

``python fuzzing.py CLEAN FOLDER FIRST`` reads CLEAN, then every file of FOLDER from number FIRST on. It prints a line
before and a JSON line after each: "same", "differs", the name of a named error, or "unnamed" with the traceback. Who
called it sees by the lines at which file it crashed or hangs.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from analysis import DIJET_FEATURES, DIJET_MASS, read_events
from analysis.errors import AnalysisError
from analysis.io.checksums import sha256_of

# So that what a damaged length asks for fails, instead of the machine.
ADDRESS_SPACE = 6 * 2**30


def digest(path: Path, checksums: Any = False) -> str:
    """Hash of all events of a file."""
    events = read_events(
        path,
        mass=DIJET_MASS,
        features={**DIJET_FEATURES, "sum": "sum(FatJet_mass)"},
        selection="num(FatJet) >= 2",
        weight="genWeight",
        truth="isSignal",
        checksums=checksums,
    )
    parts = (events.x, events.mass, events.weights, events.ids, events.entry, events.truth)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def outcome(path: Path, reference: str, checksums: Any = False) -> dict[str, str]:
    """What reading a file gives."""
    try:
        return {"gave": "same" if digest(path, checksums) == reference else "differs"}
    except AnalysisError as error:
        return {"gave": type(error).__name__, "message": str(error)[:300]}
    except BaseException:
        return {"gave": "unnamed", "message": traceback.format_exc()[-2000:]}


def main(clean: Path, folder: Path, first: int) -> None:
    """Read all files, without and with the hash of the undamaged one."""
    warnings.simplefilter("ignore")
    reference = digest(clean)
    expected = sha256_of(clean)
    for number, path in enumerate(sorted(folder.iterdir())):
        if number < first:
            continue
        say(f"start {number}")
        begin = time.process_time()
        found = outcome(path, reference)
        found["manifest"] = outcome(path, reference, {path.name: expected})["gave"]
        say(json.dumps({"number": number, **found, "seconds": time.process_time() - begin}))


def say(line: str) -> None:
    """A line for who called, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
