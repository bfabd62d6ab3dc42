"""The proofs can fail: each bug that others had, put into our code, is caught by one of them."""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from epochal.cli.selftest.crash import kill_sweep
from epochal.cli.selftest.disks import FailingDisk, FastDisk
from epochal.cli.selftest.faults import fault_points, fault_sweep, operations_of
from epochal.cli.selftest.power import PowerDisk
from epochal.cli.selftest.power_sweep import power_sweep
from epochal.cli.selftest.scenario import StoreScenario
from epochal.storage import (
    CheckpointStore,
    Manifest,
    StorageError,
    checkpoint_files,
    checkpoints,
    save_tensors,
)
from epochal.storage.checkpoint_files import MANIFEST, STATE, TENSORS, name_of
from epochal.storage.disk import DiskFile, disk, write_all

SMALL = StoreScenario(steps=3, size=10)


def lost_with_the_power(folder, scenario=SMALL, **options):
    """What the first state says in which something is lost; nothing if there is none."""
    return first_failures(power_sweep(scenario, folder, **options))


def lost_in_a_kill(folder, scenario=SMALL, **options):
    return first_failures(kill_sweep(scenario, folder, disk=FastDisk(), **options))


def first_failures(reports):
    return next((report.failures for report in reports if report.failures), [])


def test_the_proofs_find_nothing_in_code_without_a_seeded_bug(quick):
    assert lost_with_the_power(quick, limit=100) == []
    assert lost_in_a_kill(quick, limit=25) == []


@pytest.mark.parametrize("name", [TENSORS, STATE, MANIFEST, "best", "log"])
def test_a_file_that_is_not_synced_is_caught(quick, monkeypatch, name):
    sync, paths, open_file = PowerDisk.sync, {}, PowerDisk.open

    def noting_open(self, path, flags, mode=0o666):
        handle = open_file(self, path, flags, mode)
        paths[handle] = path.name
        return handle

    monkeypatch.setattr(PowerDisk, "open", noting_open)
    monkeypatch.setattr(
        PowerDisk, "sync", lambda self, h: None if name in paths[h] else sync(self, h)
    )
    assert lost_with_the_power(quick)


@pytest.mark.parametrize(
    ("what", "which"),
    [
        ("the run's", lambda folder, root: folder == root),
        ("the checkpoints'", lambda folder, root: folder.name == "checkpoints"),
        ("the new one's", lambda folder, root: folder.name.endswith(".partial")),
    ],
)
def test_a_folder_that_is_not_synced_is_caught(quick, monkeypatch, what, which):
    sync = PowerDisk.sync_folder

    def sometimes(self, folder):
        if not which(folder, Path(self._root)):
            sync(self, folder)

    monkeypatch.setattr(PowerDisk, "sync_folder", sometimes)
    assert lost_with_the_power(quick)


def test_writing_in_place_is_caught(quick, monkeypatch):
    monkeypatch.setattr(checkpoints, "aside_name", lambda sequence, run_id, kind: name_of(sequence))
    assert lost_in_a_kill(quick)
    assert lost_with_the_power(quick)


def test_removing_the_old_one_before_the_new_one_is_durable_is_caught(quick, monkeypatch):
    write = CheckpointStore._write

    def rotate_first(self, aside, sequence, *content):
        self._take_away([old for old in self._known if old < sequence - 1])
        return write(self, aside, sequence, *content)

    monkeypatch.setattr(CheckpointStore, "_write", rotate_first)
    assert lost_with_the_power(quick)


def test_a_manifest_that_is_there_before_what_it_names_is_caught(quick, monkeypatch):
    def manifest_first(self, aside, sequence, content, text, position):
        folder = self.folder / name_of(sequence)
        disk().mkdir(folder)
        parts = {TENSORS: b"".join(content.pieces()), STATE: text}
        files = tuple(
            checkpoint_files.FileRecord(name, len(part), hashlib.sha256(part).hexdigest())
            for name, part in parts.items()
        )
        manifest = Manifest(sequence, self.run_id, "now", position, files)
        checkpoint_files.write_recorded(folder / MANIFEST, [manifest.encode()])
        for name, part in parts.items():
            checkpoint_files.write_recorded(folder / name, [part])
        disk().sync_folder(folder)
        return manifest

    monkeypatch.setattr(CheckpointStore, "_write", manifest_first)
    monkeypatch.setattr(CheckpointStore, "_publish", lambda self, aside, manifest: None)
    assert lost_with_the_power(quick)


def test_a_temporary_folder_on_another_disk_is_caught(quick, monkeypatch):
    elsewhere = quick / "TMPDIR"
    elsewhere.mkdir()

    def moved_as_a_copy(self, aside, manifest):
        folder = self.folder / manifest.name
        disk().mkdir(folder)
        for name in (TENSORS, STATE, MANIFEST):
            with DiskFile(folder / name, os.O_CREAT) as file:
                write_all(file.fileno(), (aside / name).read_bytes())
        checkpoints.Remover(aside.parent, self.run_id, []).leftover(aside)

    def write(self, content, text, position=""):
        here, self.folder = self.folder, elsewhere
        sequence, self._next = self._next, self._next + 1
        aside = elsewhere / f"{sequence}"
        try:
            checkpoints.Remover(elsewhere, self.run_id, []).leftover(aside)
            manifest = self._write(aside, sequence, content, text, position)
        finally:
            self.folder = here
        moved_as_a_copy(self, aside, manifest)
        disk().sync_folder(self.folder)
        return manifest

    monkeypatch.setattr(CheckpointStore, "write", write)
    assert lost_in_a_kill(quick)
    assert lost_with_the_power(quick)


def test_a_sync_that_is_tried_again_after_it_failed_is_caught(quick, monkeypatch):
    def twice(self):
        try:
            disk().sync(self.fileno())
        except OSError:
            disk().sync(self.fileno())

    monkeypatch.setattr(DiskFile, "sync", twice)
    assert any(lost_with_the_power(quick, fail_sync=number) for number in range(3, 8))


@dataclass(frozen=True)
class BestAfterTheCheckpoint(StoreScenario):
    def write_best(self, folder, weights, step):
        object.__setattr__(self, "later", (folder, weights, step))

    def save(self, store, weights, state):
        super().save(store, weights, state)
        if later := self.__dict__.pop("later", None):
            super().write_best(*later)


def test_a_best_file_written_after_the_checkpoint_that_speaks_of_it_is_caught(quick):
    scenario = BestAfterTheCheckpoint(steps=3, size=10)
    assert lost_with_the_power(quick, scenario)


@dataclass(frozen=True)
class BestRemovedAndMade(StoreScenario):
    def write_best(self, folder, weights, step):
        best = folder / "best.safetensors"
        if best.exists():
            disk().unlink(best)
        save_tensors(best, {"w": weights}, {"step": str(step)})


def test_a_file_that_is_removed_and_made_anew_is_caught(quick):
    scenario = BestRemovedAndMade(steps=3, size=10)
    assert lost_with_the_power(quick, scenario)


def test_a_hash_that_is_not_compared_is_caught(quick, monkeypatch):
    read = checkpoint_files.read_checked
    monkeypatch.setattr(
        checkpoint_files,
        "read_checked",
        lambda path, *, keep, size=None, sha256=None: read(path, keep=keep, size=size),
    )
    with CheckpointStore(quick) as store:
        store.save({"w": torch.ones(4)}, {})
        path = quick / "ckpt-00000001" / TENSORS
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        found, _ = store.newest()
        assert found is not None  # what test_corruption demands never to happen
        assert found.tensors["w"].tolist() != [1, 1, 1, 1]


class Swallows(StoreScenario):
    def save(self, store, weights, state):
        with contextlib.suppress(StorageError):
            super().save(store, weights, state)


class Bare(StoreScenario):
    def save(self, store, weights, state):
        try:
            super().save(store, weights, state)
        except StorageError as error:
            raise RuntimeError("failed") from error


class Vague(StoreScenario):
    def save(self, store, weights, state):
        try:
            super().save(store, weights, state)
        except StorageError as error:
            raise StorageError(error.errno, "the disk is broken") from error


class Nervous(StoreScenario):
    def save(self, store, weights, state):
        super().save(store, weights, state)
        if isinstance(failing := disk(), FailingDisk):
            raise StorageError(failing._error, f"{store.folder} looks odd")


class Forgetful(StoreScenario):
    def write_best(self, folder, weights, step):
        with contextlib.suppress(StorageError):
            super().write_best(folder, weights, step)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Swallows, "1 saves were acknowledged, 0 are there"),
        (Bare, "RuntimeError instead of a StorageError"),
        (Vague, "the error does not say what happened"),
        (Nervous, "an error that nobody made"),
        (Forgetful, "what was there is harmed"),
    ],
)
def test_errors_that_are_hidden_or_changed_are_caught(quick, kind, said):
    scenario = kind(steps=2, size=10)
    plans = fault_points(operations_of(StoreScenario(steps=2, size=10), quick))
    reports = fault_sweep(scenario, quick, plans)
    assert any(said in failure for report in reports for failure in report.failures[-1:])


class Unsteady(StoreScenario):
    def write_best(self, folder, weights, step):
        super().write_best(folder, weights + torch.rand(()), step)


def test_a_run_that_does_not_end_the_same_is_caught(quick):
    scenario = Unsteady(steps=2, size=10)
    [said] = lost_in_a_kill(quick, scenario, limit=3)
    assert "best.safetensors differs" in said
    [said] = lost_with_the_power(quick, scenario)
    assert "best.safetensors differs" in said
    plan = fault_points(operations_of(scenario, quick))[:1]
    *_, report = fault_sweep(scenario, quick, plan)
    assert "best.safetensors differs" in report.failures[0]
