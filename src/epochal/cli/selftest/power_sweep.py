"""Start a run again from every state that a power failure may leave."""

import contextlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from epochal.cli.selftest.disks import FastDisk
from epochal.cli.selftest.power import PowerDisk, Tree, tree_key
from epochal.cli.selftest.scenario import Scenario
from epochal.storage import StorageError
from epochal.storage.disk import use_disk

__all__ = ["PowerReport", "power_states", "power_sweep"]


class PowerReport(NamedTuple):
    """What a sweep found.

    Args:
        states: How many distinct states were tried.
        failures: A sentence for each that lost something.
    """

    states: int
    failures: list[str]


class _State(NamedTuple):
    tree: Tree
    saved: int  # acknowledged before the power failed
    operation: int


def power_states(
    scenario: Scenario, folder: Path, *, fail_sync: int | None = None
) -> tuple[dict[str, str], list[_State]]:
    """Return what a run leaves in the end, and the distinct states that it may be cut off in.

    Args:
        scenario: What to run.
        folder: Where to.
        fail_sync: Which `sync` fails; the run is then started again, as long as it has to be.
    """
    found: dict[bytes, _State] = {}
    saved = 0

    def reach(where: str) -> None:
        nonlocal saved
        if where.startswith("saved "):
            saved = int(where.removeprefix("saved "))

    def keep(tree: Tree) -> None:
        # The last time that a state can be is the hardest: most is acknowledged by then.
        found[tree_key(tree)] = _State(tree, saved, disk.operations)

    with _place(folder) as place:
        disk = PowerDisk(place, keep, fail_sync=fail_sync)
        with use_disk(disk):
            for _ in range(2):
                try:
                    scenario.run(place, reach)
                except StorageError:
                    continue
                break
            result = scenario.result(place)
    return result, list(found.values())


def power_sweep(
    scenario: Scenario,
    folder: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    fail_sync: int | None = None,
) -> Iterator[PowerReport]:
    """Try the states one by one; what is given after each is the report so far.

    In each, the newest checkpoint has to be the last acknowledged one or a later one, nothing that
    bears a checkpoint's name may be damaged, and the run started again has to end as one that was
    never cut off.

    Args:
        scenario: What to run.
        folder: Where to; a folder in memory makes this fast.
        limit: How many states at most; then a sample of them.
        seed: What it is drawn with.
        fail_sync: Which `sync` fails; `None` for none.
    """
    expected, states = power_states(scenario, folder, fail_sync=fail_sync)
    if limit is not None and limit < len(states):
        states = random.Random(seed).sample(states, limit)
    failures: list[str] = []
    for count, state in enumerate(states, 1):
        with _place(folder) as place:
            problem = _try_state(scenario, place, state, expected)
        if problem:
            failures.append(
                f"{scenario.name}, power lost after operation {state.operation}: {problem}"
            )
        yield PowerReport(count, failures)


@contextlib.contextmanager
def _place(folder: Path) -> Iterator[Path]:
    """Give a folder that is called the same each time: a run may know its files by their paths."""
    place = folder / f"power-{os.getpid()}"
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _try_state(
    scenario: Scenario, place: Path, state: _State, expected: dict[str, str]
) -> str | None:
    for name, content in state.tree.items():
        if content is None:
            (place / name).mkdir()
        else:
            (place / name).write_bytes(content)
    try:
        with use_disk(FastDisk()):
            saved = scenario.saved(place)
            if saved < state.saved:
                return f"{state.saved} saves were acknowledged, {saved} are left"
            scenario.run(place, lambda _: None)
            found = scenario.result(place)
    except Exception as error:  # whatever it is, the user's run does not go on
        return f"{type(error).__name__}: {error}"
    differing = [name for name in expected if found.get(name) != expected[name]]
    return f"{', '.join(differing)} differs" if differing else None
