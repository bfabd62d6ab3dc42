"""`python -m epochal selftest crash --points 200`: prove on this disk that a run cannot be lost."""

import argparse
import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from epochal.cli.selftest.crash import kill_sweep
from epochal.cli.selftest.faults import fault_pairs, fault_points, fault_sweep, operations_of
from epochal.cli.selftest.power_sweep import power_sweep
from epochal.cli.selftest.scenario import Scenario, StoreScenario
from epochal.core.errors import EpochalError, UsageError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_to", "run"]

SCENARIOS: tuple[Scenario, ...] = (
    StoreScenario("checkpoints", steps=5),
    StoreScenario("checkpoints, kept 3", steps=5, keep=3),
    StoreScenario("checkpoints in a thread", steps=5, asynchronous=True),
    StoreScenario("large checkpoints", steps=3, size=100_000),
)

# By name; None: all. The states of a long run after a power failure are many, and all are worked
# out first; what fails in a thread that saves or in a rotation differs, not what was trained.
TRAININGS: dict[str, tuple[str, ...] | None] = {
    "crash": None,
    "faults": ("by epoch", "every batch", "in a thread", "rotating"),
    "power": ("by epoch", "rotating"),
}


class SelftestFailedError(EpochalError):
    """A proof failed on this machine: what was saved may be lost here."""


def add_to(commands: "Commands") -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "selftest",
        help="prove on this disk that a run cannot be lost",
        description="Run something that saves, and kill it, let its file operations fail, or pull "
        "the plug (in a model of the disk); then start it again and compare what it leaves with a "
        "run that was left alone.",
    )
    parser.add_argument("kind", choices=("crash", "faults", "power"), help="what is to happen")
    parser.add_argument("--points", type=int, default=200, help="how many times (default: 200)")
    parser.add_argument("--folder", default=".", help="on which disk (default: this folder's)")
    parser.add_argument("--seed", type=int, default=0, help="which points are drawn")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Run the proof, and say what it found.

    Raises:
        UsageError: If the number or the folder cannot be.
        SelftestFailedError: If something was lost or differs.
    """
    if given.points < 1:
        raise UsageError(f"selftest: --points is {given.points}; give 1 or more")
    if not Path(given.folder).is_dir():
        raise UsageError(f"selftest: {given.folder} is no folder; give one on the disk to test")
    # A fork has one thread; those of torch would be missing.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    began = time.monotonic()
    done, failures = 0, list[str]()
    # Models are imported by none of the other commands, and take a second.
    from epochal.cli.selftest.fits import FITS

    chosen = TRAININGS[given.kind]
    fits = [fit for fit in FITS if chosen is None or fit.name in chosen]
    if given.kind == "power":  # TensorBoard's own writer asks no disk of ours
        fits = [dataclasses.replace(fit, events=False) for fit in fits]
    scenarios = (*SCENARIOS, *fits)
    try:
        with _folder(given.folder) as folder:
            for number, scenario in enumerate(scenarios):
                share = (given.points + number) // len(scenarios)
                if share:
                    count, failed = _prove(given.kind, scenario, folder, share, given.seed)
                    done += count
                    failures += failed
                    print(f"{scenario.name}: {count} points, {len(failed)} failures")
    finally:
        torch.set_num_threads(threads)
    seconds = time.monotonic() - began
    print(f"{given.kind}: {done} points in {seconds:.0f} s, {len(failures)} failures")
    if failures:
        raise SelftestFailedError("selftest: " + "\n".join(failures[:20]))


def _prove(
    kind: str, scenario: Scenario, folder: Path, points: int, seed: int
) -> tuple[int, list[str]]:
    if kind == "crash":
        *_, kills = kill_sweep(scenario, folder, limit=points, seed=seed)
        return kills.points, kills.failures
    if kind == "power":
        *_, power = power_sweep(scenario, folder, limit=points, seed=seed)
        return power.states, power.failures
    operations = operations_of(scenario, folder)
    pairs = min(points // 4, 500)
    plans = fault_pairs(operations, pairs, seed)
    singles = fault_points(operations)
    plans += singles[:: max(1, len(singles) // max(1, points - pairs))][: points - pairs]
    *_, faults = fault_sweep(scenario, folder, plans)
    return faults.runs, faults.failures


@contextlib.contextmanager
def _folder(parent: str) -> Iterator[Path]:
    """A folder that goes away, but for what is kept of failures."""
    folder = Path(tempfile.mkdtemp(prefix="epochal-selftest-", dir=parent))
    try:
        yield folder
    finally:
        # What is left is evidence.
        with contextlib.suppress(OSError):
            folder.rmdir()
