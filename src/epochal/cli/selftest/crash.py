"""Kill a run at chosen points, start it again, and compare what it leaves with a run left alone."""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from epochal.cli.selftest.children import in_child
from epochal.cli.selftest.disks import KillingDisk, Operation, WatchedDisk
from epochal.cli.selftest.scenario import Scenario
from epochal.storage.disk import Disk, use_disk

__all__ = ["CrashReport", "KillPoint", "kill_points", "kill_sweep"]


EARLY = 40
"""Up to which operation a run that resumes is killed: it opens the folder and cleans up."""


class KillPoint(NamedTuple):
    """Where to kill.

    Args:
        at: Which operation, counted from 0.
        half: Whether half of it is done first.
        again: Where to kill the run that resumes, too; `None` to let it end.
    """

    at: int
    half: bool = False
    again: int | None = None


class CrashReport(NamedTuple):
    """What a sweep found.

    Args:
        points: How many points were tried.
        killed: In how many of them the process was killed; a thread may be done before.
        failures: A sentence for each point that did not end as it had to.
    """

    points: int
    killed: int
    failures: list[str]


def kill_points(
    operations: Sequence[Operation], limit: int | None = None, seed: int = 0
) -> list[KillPoint]:
    """Return points before every operation, half-way through every write, and some pairs.

    Args:
        operations: What a run that is left alone does.
        limit: How many points: a sample of them, or more pairs.
        seed: What both are drawn with.
    """
    points = [KillPoint(at) for at in range(len(operations))]
    points += [KillPoint(at, half=True) for at, op in enumerate(operations) if op.kind == "write"]
    draw = random.Random(seed)
    # The resuming run is killed as well.
    points += [KillPoint(at, again=draw.randrange(EARLY)) for at in range(0, len(operations), 4)]
    if limit is None:
        return points
    if limit < len(points):
        points = draw.sample(points, limit)
    else:
        pairs = [KillPoint(at, again=n) for at in range(len(operations)) for n in range(EARLY)]
        left = sorted(set(pairs) - set(points))
        points += draw.sample(left, min(limit - len(points), len(left)))
    return sorted(points, key=lambda point: (point.at, point.half, point.again or 0))


def kill_sweep(
    scenario: Scenario,
    folder: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    disk: Disk | None = None,
) -> Iterator[CrashReport]:
    """Try points one by one; what is given after each is the report so far.

    Args:
        scenario: What to run.
        folder: Where to; each point gets a folder of its own in it, removed if all went well.
        limit: How many points at most.
        seed: What they are drawn with.
        disk: The disk below.
    """
    inner = disk or Disk()
    expected, operations = _whole_run(scenario, folder, inner)
    failures: list[str] = []
    killed = 0
    points = kill_points(operations, limit, seed)
    for count, point in enumerate(points, 1):
        place = Path(tempfile.mkdtemp(prefix=f"{scenario.name}-", dir=folder))
        was_killed, problem = _try_point(scenario, place, point, expected, inner)
        killed += was_killed
        if problem:
            at = operations[point.at]
            half = "half-way through" if point.half else "before"
            twice = "" if point.again is None else f", then at operation {point.again}"
            failures.append(
                f"{scenario.name}, killed {half} operation {point.at} ({' '.join(at)}){twice}: "
                f"{problem} (kept in {place})"
            )
        else:
            shutil.rmtree(place)
        yield CrashReport(count, killed, failures)


def _whole_run(
    scenario: Scenario, folder: Path, inner: Disk
) -> tuple[dict[str, str], list[Operation]]:
    """Run without a crash, in this process: what is imported late comes once, before forks."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        watched = WatchedDisk(inner)
        with use_disk(watched):
            scenario.run(place, watched.reach)
        return scenario.result(place), watched.operations


def _try_point(
    scenario: Scenario, place: Path, point: KillPoint, expected: dict[str, str], inner: Disk
) -> tuple[bool, str | None]:
    """Kill a run, and the one that resumes if asked, and let the next one end."""
    disks = [KillingDisk(point.at, half=point.half, inner=inner)]
    if point.again is not None:
        disks.append(KillingDisk(point.again, inner=inner))
    killed, acknowledged = False, 0
    notes = place.with_suffix(".saved")
    for killing in disks:
        outcome = in_child(lambda killing=killing: _run(scenario, place, killing, notes))  # type: ignore[misc]
        if outcome.error:
            return killed, outcome.error.strip().splitlines()[-1]
        killed |= outcome.killed
        acknowledged = max(acknowledged, _noted(notes))
    outcome = in_child(lambda: _resume(scenario, place, inner))
    if outcome.error or outcome.killed:
        return killed, (outcome.error or "killed by somebody else").strip().splitlines()[-1]
    found, result = outcome.value
    if found < acknowledged:
        return killed, f"{acknowledged} saves were acknowledged, {found} are left"
    differing = [name for name in expected if result.get(name) != expected[name]]
    return killed, f"{', '.join(differing)} differs" if differing else None


def _run(scenario: Scenario, place: Path, watched: WatchedDisk, notes: Path) -> None:
    handle = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def reach(where: str) -> None:
        if where.startswith("saved "):
            os.write(handle, where.removeprefix("saved ").encode() + b"\n")
        watched.reach(where)

    with use_disk(watched):
        scenario.run(place, reach)


def _noted(notes: Path) -> int:
    """Return how many saves the child said were acknowledged, before it was killed."""
    try:
        return max((int(line) for line in notes.read_text().split()), default=0)
    finally:
        notes.unlink()


def _resume(scenario: Scenario, place: Path, inner: Disk) -> tuple[int, dict[str, str]]:
    with use_disk(inner):
        found = scenario.saved(place)
        scenario.run(place, lambda _: None)
        return found, scenario.result(place)
