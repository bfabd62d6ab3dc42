"""A run killed at any file operation goes on as if it had not been."""

import os
import signal
import time

import pytest

from epochal.cli.selftest.children import Outcome, in_child
from epochal.cli.selftest.crash import CrashReport, kill_points, kill_sweep
from epochal.cli.selftest.disks import FastDisk, KillingDisk, Operation
from epochal.cli.selftest.scenario import StoreScenario
from epochal.storage.disk import use_disk

SCENARIOS = [
    StoreScenario("kept-3", keep=3),
    StoreScenario("thread", asynchronous=True),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_store_killed_anywhere_loses_nothing_and_ends_the_same(quick, scenario):
    *_, report = kill_sweep(scenario, quick, limit=40, disk=FastDisk())
    assert report.failures == []
    assert report.points == 40
    assert report.killed >= 38  # operations of two threads are not always equally many
    assert os.listdir(quick) == []


def test_a_real_disk_is_waited_for_and_ends_the_same(tmp_path):
    *_, report = kill_sweep(StoreScenario("real", steps=2), tmp_path, limit=5, seed=1)
    assert report == CrashReport(5, 5, [])


def test_points_lie_before_every_operation_inside_of_writes_and_in_the_next_start():
    operations = [Operation("open", "a"), Operation("write", "a"), Operation("sync", "a")]
    points = kill_points(operations)
    assert [point.at for point in points if not point.half and point.again is None] == [0, 1, 2]
    assert [point.at for point in points if point.half] == [1]
    assert [point.at for point in points if point.again is not None] == [0]
    assert len(kill_points(operations, 2)) == 2
    assert kill_points(operations, 2) == kill_points(operations, 2)


def test_half_a_write_is_done_before_the_kill(quick):
    path = quick / "file"

    def write() -> None:
        with use_disk(disk := KillingDisk(1, half=True)):
            disk.write(disk.open(path, os.O_WRONLY | os.O_CREAT), b"abcdef")

    assert in_child(write) == Outcome(True)
    assert path.read_bytes() == b"abc"


def test_a_place_that_touches_no_file_can_be_killed_at(quick):
    assert in_child(lambda: KillingDisk(0).reach("mid-forward")).killed


def test_how_a_child_ended_is_known():
    def exits():
        os._exit(3)

    def dies():
        os.kill(os.getpid(), signal.SIGTERM)

    def raises():
        raise ValueError("of its own")

    assert in_child(lambda: {"a": [1]}) == Outcome(False, {"a": [1]})
    assert in_child(exits).error == "it ended with status 3"
    assert in_child(dies).error == "it died of signal 15"
    assert "ValueError: of its own" in in_child(raises).error
    assert in_child(lambda: object()).error == "it ended with status 1"
    assert "within 0.2 seconds" in in_child(lambda: time.sleep(60), seconds=0.2).error


def test_processes_that_a_killed_child_leaves_behind_end_with_it(quick):
    def leave():
        if os.fork() == 0:
            time.sleep(0.5)
            (quick / "alive").touch()
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(leave).killed
    time.sleep(0.7)
    assert os.listdir(quick) == []
