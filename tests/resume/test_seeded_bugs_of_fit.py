"""The proof of `fit` can fail: what others forgot to bring back is missed at once."""

import dataclasses

import pytest
import torch

from epochal.callbacks import (
    EarlyStopping,
    ModelCheckpoint,
    csv_logger,
    tensorboard,
)
from epochal.cli.selftest.crash import kill_sweep
from epochal.cli.selftest.disks import FastDisk
from epochal.cli.selftest.faults import fault_points, fault_sweep, operations_of
from epochal.cli.selftest.fits import FITS
from epochal.cli.selftest.power_sweep import power_sweep
from epochal.data import ArrayFeed, FixedSteps
from epochal.logs import scoreboard
from epochal.optimizers import Optimizer
from epochal.optimizers.schedules.from_torch import RunningScheduler
from epochal.state import run

BY_NAME = {scenario.name: scenario for scenario in FITS}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def first_failure(folder, name, points=30):
    reports = kill_sweep(BY_NAME[name], folder, disk=FastDisk(), limit=points, seed=1)
    return next((report.failures[0] for report in reports if report.failures), "nothing")


def loads_without(*names):
    load = Optimizer.load_state_dict

    def forgetful(self, saved):
        kept = {name: value for name, value in saved.items() if name.split("/")[0] not in names}
        for name in set(names) & {"iterations"}:
            kept[name] = 0
        load(self, kept)

    return forgetful


def test_a_csv_file_that_is_not_cut_back_is_caught(quick, monkeypatch):
    monkeypatch.setattr(csv_logger, "cut_lines", lambda path, mark: None)
    assert "log.csv" in first_failure(quick, "by epoch")


def test_events_that_are_not_cut_back_are_caught(quick, monkeypatch):
    monkeypatch.setattr(tensorboard, "cut_back", lambda folder, run_id, files: None)
    assert "TensorBoard differs" in first_failure(quick, "by epoch")


def test_generators_put_back_after_they_were_drawn_from_are_caught(quick, monkeypatch):
    monkeypatch.setattr(run, "restore_generators", lambda states, owners: None)
    assert "weights, optimizer, history" in first_failure(quick, "by epoch")


def test_a_scheduler_saved_before_its_step_is_caught(quick, monkeypatch):
    step, state = RunningScheduler.step, RunningScheduler.state_dict

    def noting(self):
        self.before = state(self)
        step(self)

    monkeypatch.setattr(RunningScheduler, "step", noting)
    monkeypatch.setattr(
        RunningScheduler, "state_dict", lambda self: getattr(self, "before", state(self))
    )
    assert "weights, optimizer, history" in first_failure(quick, "scheduler of torch")


@pytest.mark.parametrize(
    ("name", "forgotten"),
    [
        ("float16", ("loss_scale",)),
        ("averages", ("ema_average",)),
        ("averages", ("iterations",)),
        ("accumulating", ("waiting_batches", "accumulated_gradient")),
    ],
)
def test_what_an_optimizer_forgets_is_caught(quick, monkeypatch, name, forgotten):
    monkeypatch.setattr(Optimizer, "load_state_dict", loads_without(*forgotten))
    assert "optimizer" in first_failure(quick, name)


def test_a_best_value_that_is_forgotten_is_caught(quick, monkeypatch):
    # Validated worse and worse from some epoch on: a worse one replaces the best.
    monkeypatch.setattr(ModelCheckpoint, "state", ("batches", "epochs", "saved"))
    assert "best.safetensors differs" in first_failure(quick, "schedule")


def test_patience_that_begins_anew_is_caught(quick, monkeypatch):
    monkeypatch.setattr(EarlyStopping, "state", ())
    assert "differs" in first_failure(quick, "plateau")


def test_a_batch_that_is_counted_twice_is_caught(quick, monkeypatch):
    resume = ArrayFeed.resume

    def once_more(self, position):
        resume(self, position)
        self._skip = max(self._skip - 1, 0)

    monkeypatch.setattr(ArrayFeed, "resume", once_more)
    assert "weights" in first_failure(quick, "accumulating")


def test_an_epoch_of_fixed_steps_that_begins_anew_is_caught(quick, monkeypatch):
    resume = FixedSteps.resume
    monkeypatch.setattr(
        FixedSteps, "resume", lambda self, position: resume(self, {**position, "batches": 0})
    )
    assert "weights" in first_failure(quick, "fixed steps")


def test_sums_of_an_open_epoch_that_are_lost_are_caught(quick, monkeypatch):
    monkeypatch.setattr(scoreboard.Scoreboard, "load_state_dict", lambda self, state: None)
    assert "history" in first_failure(quick, "accumulating")


def without_events(name):
    return dataclasses.replace(BY_NAME[name], events=False)


def test_events_that_cannot_be_made_durable_end_with_an_error_that_names_them(quick):
    operations = operations_of(BY_NAME["by epoch"], quick)
    synced = [
        at
        for at, (kind, what) in enumerate(operations)
        if (kind, "tfevents" in what) == ("sync", True)
    ]
    plans = [plan for plan in fault_points(operations) if plan[0].at in synced]
    *_, report = fault_sweep(BY_NAME["by epoch"], quick, plans[:: max(1, len(plans) // 8)])
    assert report.failures == []
    assert report.raised > 5


def test_operations_of_a_rotation_failing_or_losing_their_power_harm_nothing(quick):
    scenario = without_events("rotating")
    operations = operations_of(scenario, quick)
    rotated = [at for at, (kind, what) in enumerate(operations) if kind == "unlink"]
    assert any("kept-1" in operations[at].what for at in rotated)
    plans = [plan for plan in fault_points(operations) if plan[0].at in rotated]
    *_, report = fault_sweep(scenario, quick, plans[::4])
    assert report.failures == []
    assert report.raised > 0
    *_, lost = power_sweep(scenario, quick, limit=20)
    assert lost.failures == []
