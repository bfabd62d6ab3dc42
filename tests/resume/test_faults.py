"""Whatever operation fails, with whatever error, nothing that was saved is harmed."""

import errno

import pytest

from epochal.cli.selftest.disks import FailingDisk
from epochal.cli.selftest.faults import fault_pairs, fault_points, fault_sweep, operations_of
from epochal.cli.selftest.scenario import StoreScenario

NAMES = {
    number: errno.errorcode[number]
    for number in (
        errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.EINTR
    )
}  # fmt: skip


def test_every_operation_failing_once_and_from_then_on_harms_nothing(quick):
    scenario = StoreScenario(steps=3)
    plans = fault_points(operations_of(scenario, quick))
    assert {NAMES[plan[0].error] for plan in plans} == set(NAMES.values())
    assert len(plans) > 900
    *_, report = fault_sweep(scenario, quick, plans)
    assert report.failures == []
    assert report.runs == len(plans)
    # The others were weathered: what could not be removed, a signal in the middle of a write.
    assert report.raised > 800


def test_operations_failing_under_a_thread_that_saves_harm_nothing(quick):
    scenario = StoreScenario("thread", steps=3, asynchronous=True)
    *_, report = fault_sweep(scenario, quick, fault_points(operations_of(scenario, quick))[::4])
    assert report.failures == []
    assert report.raised > 150


def test_a_second_fault_while_recovering_from_the_first_harms_nothing(quick):
    scenario = StoreScenario(steps=3, keep=3)
    *_, report = fault_sweep(scenario, quick, fault_pairs(operations_of(scenario, quick), 300))
    assert report.failures == []
    assert report.raised > 300


@pytest.mark.parametrize("lasting", [False, True])
def test_a_failing_disk_fails_where_it_is_told_to(quick, lasting):
    disk = FailingDisk(1, errno.EROFS, lasting=lasting)
    disk.mkdir(quick / "a")
    with pytest.raises(OSError, match="Read-only") as caught:
        disk.mkdir(quick / "b")
    assert caught.value.filename == str(quick / "b")
    if lasting:
        with pytest.raises(OSError, match="Read-only"):
            disk.rmdir(quick / "a")
        assert disk.names(quick) == ["a"]
    else:
        disk.rmdir(quick / "a")
    assert [operation.kind for operation in disk.failed] == ["mkdir", "rmdir"][: 1 + lasting]
