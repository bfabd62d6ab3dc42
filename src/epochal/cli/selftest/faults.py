"""Let the n-th operation fail, once or from then on, and look that nothing is harmed."""

import errno
import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from epochal.cli.selftest.disks import FailingDisk, FastDisk, Operation, WatchedDisk
from epochal.cli.selftest.scenario import Scenario
from epochal.storage import StorageError
from epochal.storage.disk import Disk, use_disk

__all__ = ["Fault", "FaultReport", "fault_pairs", "fault_points", "fault_sweep", "operations_of"]


class Fault(NamedTuple):
    """One thing to go wrong.

    Args:
        at: At which operation, counted from 0.
        error: The number of the error.
        lasting: Whether it stays so.
    """

    at: int
    error: int
    lasting: bool


class FaultReport(NamedTuple):
    """What a sweep found.

    Args:
        runs: How many runs with faults were tried.
        raised: How many of them ended with an error.
        failures: A sentence for each that did not end as it had to.
    """

    runs: int
    raised: int
    failures: list[str]


def fault_points(operations: Sequence[Operation]) -> list[list[Fault]]:
    """Return every error that any operation can give, once and (but for a signal's) lasting."""
    return [
        [Fault(at, error, lasting)]
        for at, operation in enumerate(operations)
        for error in FailingDisk.errors_of(operation.kind)
        for lasting in ((False, True) if error != errno.EINTR else (False,))
    ]


def fault_pairs(operations: Sequence[Operation], count: int, seed: int = 0) -> list[list[Fault]]:
    """Return pairs: the second fault comes while the run recovers from the first."""
    draw = random.Random(seed)
    singles = [points[0] for points in fault_points(operations)]
    return [[draw.choice(singles), draw.choice(singles)] for _ in range(count)]


def fault_sweep(
    scenario: Scenario, folder: Path, plans: Sequence[Sequence[Fault]], *, disk: Disk | None = None
) -> Iterator[FaultReport]:
    """Try plans one by one; what is given after each is the report so far.

    Each fault of a plan hits a start of the run; then one start more is left alone. Every error has
    to be a `StorageError` with the number and a path; no acknowledged save may be lost; the last
    start has to end as a run that was left alone.

    Args:
        scenario: What to run.
        folder: Where to.
        plans: The faults, from `fault_points` and `fault_pairs`.
        disk: The disk below; by default the real one, without waiting for it.
    """
    inner = disk or FastDisk()
    failures: list[str] = []
    raised = 0
    expected = _left_alone(scenario, folder, inner)
    for count, plan in enumerate(plans, 1):
        place = Path(tempfile.mkdtemp(prefix="fault-", dir=folder))
        problem = None
        for fault in plan:
            error, problem = _try_fault(scenario, place, fault, inner)
            raised += error
            if problem:
                break
        problem = problem or _recover(scenario, place, expected, inner)
        if problem:
            said = ", then ".join(_describe(fault) for fault in plan)
            failures.append(f"{scenario.name}, {said}: {problem} (kept in {place})")
        else:
            shutil.rmtree(place)
        yield FaultReport(count, raised, failures)


def operations_of(scenario: Scenario, folder: Path) -> list[Operation]:
    """Return what a run does to the disk when it is left alone."""
    watched = WatchedDisk(FastDisk())
    with tempfile.TemporaryDirectory(dir=folder) as place, use_disk(watched):
        scenario.run(Path(place), watched.reach)
    return watched.operations


def _left_alone(scenario: Scenario, folder: Path, inner: Disk) -> dict[str, str]:
    with tempfile.TemporaryDirectory(dir=folder) as name, use_disk(inner):
        scenario.run(Path(name), lambda _: None)
        return scenario.result(Path(name))


def _try_fault(
    scenario: Scenario, place: Path, fault: Fault, inner: Disk
) -> tuple[bool, str | None]:
    """Run with a fault; return whether it raised, and what is wrong with that."""
    failing = FailingDisk(fault.at, fault.error, lasting=fault.lasting, inner=inner)
    saved = 0

    def reach(where: str) -> None:
        nonlocal saved
        failing.reach(where)
        if where.startswith("saved "):
            saved = int(where.removeprefix("saved "))

    raised, problem = False, None
    try:
        with use_disk(failing):
            scenario.run(place, reach)
    except StorageError as error:
        raised = True
        if error.errno != fault.error or str(place) not in str(error):
            problem = f"the error does not say what happened: {error}"
        elif not failing.failed:
            problem = f"an error that nobody made: {error}"
    except Exception as error:  # whatever it is, it is not what the documentation promises
        raised, problem = True, f"{type(error).__name__} instead of a StorageError: {error}"
    with use_disk(inner):
        try:
            found = scenario.saved(place)
        except Exception as error:
            return raised, problem or f"what was there is harmed: {error!r}"
    if found < saved:
        problem = problem or f"{saved} saves were acknowledged, {found} are there"
    return raised, problem


def _recover(scenario: Scenario, place: Path, expected: dict[str, str], inner: Disk) -> str | None:
    try:
        with use_disk(inner):
            scenario.run(place, lambda _: None)
            found = scenario.result(place)
    except Exception as error:
        return f"the next start fails: {error!r}"
    differing = [name for name in expected if found.get(name) != expected[name]]
    return f"{', '.join(differing)} differs" if differing else None


def _describe(fault: Fault) -> str:
    lasting = " and all after it" if fault.lasting else ""
    return f"{os.strerror(fault.error)} at operation {fault.at}{lasting}"
