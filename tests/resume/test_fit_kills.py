"""A real `fit`, killed at any of its places, goes on as if nothing had happened."""

import os
import signal

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from epochal.cli.selftest.children import in_child
from epochal.cli.selftest.crash import kill_sweep
from epochal.cli.selftest.disks import FastDisk
from epochal.cli.selftest.fit_scenario import FitScenario
from epochal.cli.selftest.fits import FITS

# Together 312. Workers are processes that have to start: more of them would take long.
POINTS = {"workers": 12}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the others would be missing in a fork
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("scenario", FITS, ids=lambda scenario: scenario.name)
def test_a_fit_killed_anywhere_ends_bit_for_bit_the_same(quick, scenario):
    points = POINTS.get(scenario.name, 20)
    *_, report = kill_sweep(scenario, quick, limit=points, disk=FastDisk())
    assert report.failures == []
    assert report.points == points
    assert report.killed >= points - 4  # of two threads, one may be done before


def test_a_fit_whose_temporary_folder_is_on_another_disk_ends_the_same(
    quick, tmp_path, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    *_, report = kill_sweep(FITS[1], quick, limit=8, seed=3, disk=FastDisk())
    assert report.failures == []
    assert not list(tmp_path.glob("*ckpt*"))


class Deadly(TensorDataset):
    """Kills the worker that reads a row of it for the third time."""

    def __init__(self, tensors, counter):
        super().__init__(*tensors)
        self.counter = counter

    def __getitem__(self, index):
        if index == 5 and self.counter.exists():
            with self.counter.open("a") as file:
                file.write("x")
            if self.counter.read_text() == "xxx":
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


class WithDeadlyWorker(FitScenario):
    def make_data(self):
        loader, _ = super().make_data()
        rows = Deadly(loader.dataset.tensors, self.counter)
        order = torch.Generator().manual_seed(5)
        return DataLoader(rows, 8, shuffle=True, num_workers=1, generator=order), None


def test_a_fit_whose_worker_is_killed_ends_the_same(quick):
    scenario = WithDeadlyWorker("worker", data="loader", save_freq=1, epochs=4)
    object.__setattr__(scenario, "counter", quick / "counter")
    whole, cut = quick / "whole", quick / "cut"
    whole.mkdir()
    cut.mkdir()

    def run(folder):
        scenario.run(folder, lambda _: None)
        return scenario.result(folder)

    expected = in_child(lambda: run(whole))
    scenario.counter.touch()
    assert "killed by signal" in in_child(lambda: run(cut)).error
    assert scenario.saved(cut) > 0
    again = in_child(lambda: run(cut))
    assert (again.error, again.value) == (None, expected.value)
    assert expected.value["history"].startswith("({'loss'")
