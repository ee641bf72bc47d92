"""Geant4 for one calorimeter: electromagnetic showers in a stack of plates, with their deposits in Python.

Geant4 lives once in a process and keeps its geometry, so `simulation_of` gives the same object again and refuses
another stack; `analysis.simulation.showers` starts processes of its own. Physics: `G4EmStandardPhysics` with production
cuts of 0.7 mm, without hadrons and without fluorescence.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import SimulationError
from analysis.simulation.extras import geant4
from analysis.simulation.primaries import FARTHEST_DECAY, Primary
from analysis.simulation.stacks import MIXTURES, Stack, stack

Array = NDArray[np.float64]

DATA_VARIABLE = "G4LEDATA"
#: Production cut in mm.
CUT = 0.7
PHYSICS = "G4EmStandardPhysics, production cut 0.7 mm, no hadrons, no fluorescence"

#: Rises when the tables that are written for Geant4 change.
_TABLES = "geant4-electromagnetic-1"
#: Data sets that Geant4 asks for and electromagnetic physics does not read.
_UNREAD = (
    "G4NEUTRONHPDATA",
    "G4LEVELGAMMADATA",
    "G4RADIOACTIVEDATA",
    "G4PARTICLEXSDATA",
    "G4PIIDATA",
    "G4REALSURFACEDATA",
    "G4SAIDXSDATA",
    "G4ABLADATA",
    "G4INCLDATA",
    "G4CHANNELINGDATA",
)
_COMMANDS = (
    "/control/verbose 0",
    "/run/verbose 0",
    "/process/verbose 0",
    "/process/em/verbose 0",
    "/process/em/fluo false",
)
_DETECTOR = "calorimeter"


def electromagnetic_data() -> Path:
    """The folder of cross sections: that of G4LEDATA, or else tables that are written once in the data folder.

    Raises
    ------
    SimulationError, OutputError
        If there are none and they can not be written.
    """
    from analysis.datasets.fetch import data_folder
    from analysis.simulation.electromagnetic_data import write_electromagnetic_data

    given = os.environ.get(DATA_VARIABLE)
    if given and Path(given).is_dir():
        return Path(given)
    written = data_folder() / _TABLES
    return written if written.is_dir() else write_electromagnetic_data(written)


def simulation_of(name: str) -> Simulation:
    """The simulation of a geometry in this process.

    Raises
    ------
    SimulationError
        If Geant4 is not installed, the geometry can not be simulated, or another one already is in this process.
    """
    if not _ONLY:
        _ONLY.append(Simulation(stack(name)))
    found = _ONLY[0]
    if found.stack.name != name:
        raise SimulationError(
            f"This process simulates '{found.stack.name}', and Geant4 keeps one geometry in a process; simulate "
            f"'{name}' by `simulate_showers`, which starts another."
        )
    return found


class Simulation:
    """Geant4 with a stack of plates; made by `simulation_of`."""

    def __init__(self, plates: Stack) -> None:
        self.stack = plates
        library = _loaded()
        # What Geant4 is given has to live as long as it does: it keeps no references of Python.
        self._kept: list[Any] = []
        self._deposits: list[tuple[float, float, float, float]] = []
        with _silent():
            self._manager = library.G4RunManagerFactory.CreateRunManager(library.G4RunManagerType.Serial)
            self._commands = library.G4UImanager.GetUIpointer()
            for each in (_detector(library, plates, self._deposits), _physics(library)):
                self._manager.SetUserInitialization(each)
                self._kept.append(each)
            actions = _actions(library)
            self._manager.SetUserInitialization(actions)
            self._kept.append(actions)
            for command in _COMMANDS:
                self._commands.ApplyCommand(command)
            self._manager.Initialize()
            self._gun = actions.gun
            # The first event builds tables, which is no time of a shower.
            self.shoot([Primary("gamma", 10.0, np.array([0.0, 0.0, -1.0]), np.array([0.0, 0.0, 1.0]))])
        self._random = library.G4Random

    def seed(self, seed: int) -> None:
        """Begin a series of random numbers; what follows depends on nothing before."""
        self._random.setTheSeed(seed)

    def deposits_to_python(self, wanted: bool) -> None:
        """Whether deposits are handed over; without, Geant4 runs on its own, which is how its speed is measured."""
        self._commands.ApplyCommand(f"/hits/{'activate' if wanted else 'inactivate'} {_DETECTOR}")

    def shoot(self, primaries: Sequence[Primary]) -> tuple[Array, float]:
        """Deposits (P, 4) of x, y, z in mm and energy in MeV of one shower, and the CPU seconds it took.

        A deposit lies where its step began; steps of neutral particles, 5e-5 of the energy, are left out.
        """
        self._deposits.clear()
        self._gun.primaries = list(primaries)
        start = time.process_time()
        self._manager.BeamOn(1)
        spent = time.process_time() - start
        return np.array(self._deposits, dtype=np.float64).reshape(-1, 4), spent


#: The simulation of this process, once there is one.
_ONLY: list[Simulation] = []


def _loaded() -> ModuleType:
    """Geant4, told where its data are before it is loaded: it would ask on the terminal."""
    data = electromagnetic_data()
    os.environ[DATA_VARIABLE] = str(data)
    for variable in _UNREAD:
        # A place where nothing is: of an existing one it would ask for more.
        os.environ.setdefault(variable, str(data / "not-read"))
    if not Path(os.environ.get("G4ENSDFSTATEDATA", data / "not-read")).is_dir():
        os.environ["G4ENSDFSTATEDATA"] = str(data / "ensdf")
    with _silent():
        return geant4()


@contextmanager
def _silent() -> Iterator[None]:
    """No standard input and output, also not for C++: Geant4 greets, and asks for data that it misses."""
    sys.stdout.flush()
    kept = [os.dup(0), os.dup(1)]
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        for number in (0, 1):
            os.dup2(nothing, number)
        yield
    finally:
        for number, before in enumerate(kept):
            os.dup2(before, number)
            os.close(before)
        os.close(nothing)


def _gun(library: ModuleType) -> Any:
    class Gun(library.G4VUserPrimaryGeneratorAction):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.primaries: list[Primary] = []
            self._guns: dict[str, Any] = {}

        def GeneratePrimaries(self, event: Any) -> None:  # noqa: N802
            for each in self.primaries:
                gun = self._guns.get(each.name) or self._made(each.name)
                gun.SetParticleEnergy(each.energy)
                gun.SetParticlePosition(library.G4ThreeVector(*map(float, each.place)))
                gun.SetParticleMomentumDirection(library.G4ThreeVector(*map(float, each.direction)))
                gun.GeneratePrimaryVertex(event)

        def _made(self, name: str) -> Any:
            gun = library.G4ParticleGun(1)
            gun.SetParticleByName(name)
            self._guns[name] = gun
            return gun

    return Gun()


def _actions(library: ModuleType) -> Any:
    class Actions(library.G4VUserActionInitialization):  # type: ignore[name-defined, misc]
        def Build(self) -> None:  # noqa: N802
            # Not before: Geant4 wants its physics first.
            self.gun = _gun(library)
            self.SetUserAction(self.gun)

    return Actions()


def _physics(library: ModuleType) -> Any:
    class Physics(library.G4VModularPhysicsList):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.SetVerboseLevel(0)
            self.electromagnetic = library.G4EmStandardPhysics()
            self.RegisterPhysics(self.electromagnetic)
            self.SetDefaultCutValue(CUT)

    return Physics()


def _scorer(library: ModuleType, deposits: list[tuple[float, float, float, float]]) -> Any:
    add = deposits.append

    class Scorer(library.G4VPrimitiveScorer):  # type: ignore[name-defined, misc]
        def ProcessHits(self, step: Any, history: Any) -> bool:  # noqa: N802
            energy = step.GetTotalEnergyDeposit()
            if energy > 0:
                place = step.GetPreStepPoint().GetPosition()
                add((place.x, place.y, place.z, energy))
            return True

    return Scorer("deposits", 0)


def _detector(library: ModuleType, plates: Stack, deposits: list[tuple[float, float, float, float]]) -> Any:
    class Detector(library.G4VUserDetectorConstruction):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.kept: list[Any] = []
            self.measuring: list[Any] = []
            self.volumes: dict[tuple[str, float, bool], Any] = {}

        def Construct(self) -> Any:  # noqa: N802
            world, placed = _world(library, plates)
            self.kept += [world, placed]
            for position, plate in enumerate(plates.plates):
                logical = self._plate(plate.material, plate.thickness, plate.layer is not None)
                middle = library.G4ThreeVector(0, 0, float(plates.edges[position]) + plate.thickness / 2)
                self.kept.append(
                    library.G4PVPlacement(None, middle, logical, f"plate {position}", world, False, position, False)
                )
            return placed

        def ConstructSDandField(self) -> None:  # noqa: N802
            # The filter runs in C++, so Python is called for charged steps only: three quarters of the steps in
            # active layers are photons. The filter of a sensitive detector can not be set from Python, that of a
            # scorer can.
            scorer, charged = _scorer(library, deposits), library.G4SDChargedFilter("charged")
            scorer.SetFilter(charged)
            detector = library.G4MultiFunctionalDetector(_DETECTOR)
            library.G4SDManager.GetSDMpointer().AddNewDetector(detector)
            detector.RegisterPrimitive(scorer)
            self.kept += [scorer, charged, detector]
            for logical in self.measuring:
                logical.SetSensitiveDetector(detector)

        def _plate(self, material: str, thickness: float, measures: bool) -> Any:
            """The volume of plates of a kind, the same one for all of them."""
            key = (material, thickness, measures)
            if key not in self.volumes:
                name = f"kind {len(self.volumes)}"
                box = library.G4Box(name, plates.half_width, plates.half_width, thickness / 2)
                logical = library.G4LogicalVolume(box, _material(library, material), name)
                self.volumes[key] = logical
                self.kept += [box, logical]
                if measures:
                    self.measuring.append(logical)
            return self.volumes[key]

    return Detector()


def _world(library: ModuleType, plates: Stack) -> tuple[Any, Any]:
    """An empty box around the plates and all places where something may decay."""
    margin = 10.0
    side, half = plates.half_width + FARTHEST_DECAY, plates.depth + FARTHEST_DECAY + margin
    box = library.G4Box("world", side, side, half)
    logical = library.G4LogicalVolume(box, _material(library, "Galactic"), "world")
    return logical, library.G4PVPlacement(None, library.G4ThreeVector(), logical, "world", None, False, 0, False)


def _material(library: ModuleType, name: str) -> Any:
    nist = library.G4NistManager.Instance()
    if name not in MIXTURES:
        return nist.FindOrBuildMaterial(f"G4_{name}")
    mixture = MIXTURES[name]
    made = library.G4Material(name, mixture.density * library.g / library.cm3, len(mixture.atoms))
    for element, number in mixture.atoms:
        made.AddElement(nist.FindOrBuildElement(element), number)
    return made
