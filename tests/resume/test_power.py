"""Pull the plug after any operation: what was acknowledged is there."""

import os

import pytest

from epochal.cli.selftest.power import PowerDisk, tree_key
from epochal.cli.selftest.power_sweep import power_states, power_sweep
from epochal.cli.selftest.scenario import StoreScenario
from epochal.storage.atomic import remove_file
from epochal.storage.disk import use_disk

SCENARIOS = [
    StoreScenario("short", steps=1, size=10),
    StoreScenario("plain", steps=3, lines=False, best=False, size=10),
    StoreScenario("lines", steps=3, best=False, size=10),
    StoreScenario("best", steps=3, lines=False, size=10),
    StoreScenario("all", steps=4, size=10),
    StoreScenario("keep 3", steps=5, keep=3, size=10),
    StoreScenario("keep 9", steps=3, keep=9, size=10),
    StoreScenario("large", steps=2, size=50_000),
    StoreScenario("thread", steps=3, asynchronous=True, size=10),
    StoreScenario("thread, no lines", steps=3, asynchronous=True, lines=False, size=10),
    StoreScenario("thread, plain", steps=3, asynchronous=True, lines=False, best=False, size=10),
    StoreScenario("thread, keep 3", steps=4, asynchronous=True, keep=3, size=10),
]


def test_in_1400_states_after_a_power_failure_no_acknowledged_save_is_lost(quick):
    states, failures = 0, []
    for scenario in SCENARIOS:
        *_, report = power_sweep(scenario, quick, limit=128)
        states += report.states
        failures += report.failures
    assert failures == []
    assert states >= 1400


@pytest.mark.parametrize("number", [0, 4, 7, 8, 9, 11, 13])
def test_a_sync_that_failed_once_is_never_believed_again(quick, number):
    scenario = StoreScenario(steps=3, size=10)
    *_, report = power_sweep(scenario, quick, limit=40, fail_sync=number)
    assert report.failures == []
    assert report.states == 40


def states_of(root, *acts):
    """The states after the last of some operations."""
    found = []
    disk = PowerDisk(root, found.append)
    for act in acts:
        found.clear()
        act(disk)
    return {tree_key(tree): tree for tree in found}.values()


def test_the_model_knows_what_is_sure_and_what_is_not(quick):
    file = quick / "a"
    handle = []
    write = [
        lambda disk: handle.append(disk.open(file, os.O_WRONLY | os.O_CREAT)),
        lambda disk: disk.write(handle[-1], b"wxyz"),
    ]
    names = [lambda disk: disk.sync_folder(quick)]
    sync = [lambda disk: disk.sync(handle[-1])]

    def contents(*acts):
        found = [tree.get("a") for tree in states_of(quick, *acts)]
        file.unlink()
        return sorted(found, key=repr)

    anything = sorted([None, b"", b"wx", b"wxyz", bytes(4)], key=repr)
    assert contents(*write) == anything
    assert contents(*write, *sync) == sorted([None, b"wxyz"], key=repr)
    assert contents(*write, *sync, *names) == [b"wxyz"]
    assert contents(*write, *names) == [one for one in anything if one is not None]


def test_the_model_loses_renames_and_removals_that_were_not_synced(quick):
    def make(name):
        return lambda disk: disk.mkdir(quick / name)

    def seen(*acts):
        found = {tuple(sorted(tree)) for tree in states_of(quick, *acts)}
        for name in os.listdir(quick):
            (quick / name).rmdir()
        return found

    sure = lambda disk: disk.sync_folder(quick)  # noqa: E731
    rename = lambda disk: disk.rename(quick / "a", quick / "b")  # noqa: E731
    remove = lambda disk: disk.rmdir(quick / "b")  # noqa: E731
    assert seen(make("a"), sure, rename) == {("a",), ("b",)}
    assert seen(make("a"), sure, rename, sure) == {("b",)}
    assert seen(make("a"), sure, rename, remove) == {("a",), ("b",), ()}
    assert seen(make("a"), make("b")) == {(), ("a",), ("b",), ("a", "b")}


def test_a_file_that_was_removed_does_not_come_back(quick):
    found = []
    disk = PowerDisk(quick, lambda tree: found.append((disk.operations, sorted(tree))))
    disk.close(disk.open(quick / "a", os.O_WRONLY | os.O_CREAT))
    disk.sync_folder(quick)
    with use_disk(disk):
        remove_file(quick / "a")
    last = disk.operations
    assert {tuple(names) for at, names in found if at == last} == {()}
    assert ["a"] in [names for at, names in found if at == last - 1]


def test_states_are_distinct_and_end_with_the_whole_run(quick):
    scenario = StoreScenario(steps=2, size=10)
    result, states = power_states(scenario, quick)
    assert len({tree_key(state.tree) for state in states}) == len(states) > 100
    assert max(state.saved for state in states) == 2
    assert result.keys() == {"weights", "state", "log.csv", "best.safetensors"}
