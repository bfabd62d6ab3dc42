"""A real `fit` killed anywhere, in hooks, in the model, in files, ends bit for bit the same."""

from dataclasses import replace

import pytest

from epochal.callbacks import csv_logger
from epochal.cli.selftest.crash import kill_sweep
from epochal.cli.selftest.disks import FastDisk
from epochal.cli.selftest.faults import fault_points, fault_sweep, operations_of
from epochal.cli.selftest.fit_scenario import FIT_SCENARIOS, FitScenario
from epochal.cli.selftest.power_sweep import power_sweep


@pytest.mark.parametrize("scenario", FIT_SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_fit_killed_anywhere_ends_the_same(quick, scenario):
    points = 4 if scenario.workers else 8
    *_, report = kill_sweep(scenario, quick, limit=points, seed=2, disk=FastDisk())
    assert report.failures == []
    assert report.points == points


@pytest.mark.parametrize("scenario", [FIT_SCENARIOS[0], FIT_SCENARIOS[2]], ids=lambda one: one.name)
def test_a_fit_whose_power_fails_anywhere_ends_the_same(quick, scenario):
    *_, report = power_sweep(replace(scenario, epochs=2), quick, limit=40)
    assert report.failures == []
    assert report.states == 40


@pytest.mark.parametrize("scenario", [FIT_SCENARIOS[0], FIT_SCENARIOS[2]], ids=lambda one: one.name)
def test_a_fit_whose_disk_fails_anywhere_says_so_and_is_not_harmed(quick, scenario):
    scenario = replace(scenario, epochs=2)
    plans = fault_points(operations_of(scenario, quick))
    *_, report = fault_sweep(scenario, quick, plans[:: len(plans) // 40])
    assert report.failures == []
    assert report.raised >= 30


def test_all_places_of_a_fit_can_be_killed_at(quick):
    operations = operations_of(FitScenario("places", epochs=1), quick)
    places = {operation.what for operation in operations if operation.kind == "reach"}
    for hook in ("a batch's begin", "a batch's end", "an epoch's begin", "an epoch's end"):
        assert {f"before the callbacks at {hook}", f"after the callbacks at {hook}"} <= places
    assert {"mid-forward", "mid-backward", "after the callbacks in validation"} <= places
    assert {"write", "sync", "rename", "sync_folder"} <= {one.kind for one in operations}


def test_rows_that_are_not_cut_back_are_caught(quick, monkeypatch):
    monkeypatch.setattr(csv_logger, "cut_lines", lambda path, mark: None)
    # The row of an epoch stands there before its checkpoint does: a kill between them repeats it.
    scenario = FitScenario("uncut", epochs=2)
    sweep = kill_sweep(scenario, quick, limit=40, seed=1, disk=FastDisk())
    failures = next((report.failures for report in sweep if report.failures), [])
    assert "log.csv" in failures[0]
