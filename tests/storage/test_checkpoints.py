"""A folder of checkpoints: order, rotation, owners, leftovers, and what cannot be stored."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from epochal.core.errors import UsageError, UsageTypeError
from epochal.storage import CheckpointStore, Manifest, StorageError, list_checkpoints
from epochal.storage.checkpoint_files import MANIFEST, aside_name, name_of, sequence_of
from epochal.storage.disk import Disk, use_disk
from epochal.storage.sealed import seal

ONE = {"w": torch.ones(1)}


def numbers(folder: Path) -> list[int]:
    return [one.sequence for one in list_checkpoints(folder, verify=True)]


def test_what_was_saved_comes_back(tmp_path):
    tensors = {"a.weight": torch.randn(3, 2), "rng": torch.arange(9).byte(), "n": torch.tensor(3)}
    state = {"epoch": 17, "best": float("inf"), "history": {"loss": [0.1, float("nan")]}, "t": (1,)}
    with CheckpointStore(tmp_path / "runs" / "moons") as store:
        manifest = store.save(tensors, state, "epoch 17, batch 340")
        found, skipped = store.newest()
    assert skipped == []
    assert found.manifest == manifest
    assert manifest.position == "epoch 17, batch 340"
    assert manifest.run_id == store.run_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", manifest.saved_at)
    assert manifest.size == sum(file.size for file in manifest.files) > 0
    assert list(found.tensors) != []
    for name, tensor in tensors.items():
        assert torch.equal(found.tensors[name], tensor)
    assert repr(found.state) == repr(state)
    assert os.listdir(tmp_path / "runs" / "moons" / "ckpt-00000001")
    assert store.problems == []


def test_a_fresh_folder_has_nothing(tmp_path):
    with CheckpointStore(tmp_path) as store:
        assert store.newest() == (None, [])


@pytest.mark.parametrize("start", [8, 9, 98, 998, 99_998, 99_999_998])
def test_the_newest_is_the_one_with_the_greatest_number(tmp_path, start):
    with CheckpointStore(tmp_path, keep=9) as store:
        store._next = start
        for step in range(4):
            store.save(ONE, step)
        # Dates say nothing: the oldest was touched last.
        os.utime(tmp_path / name_of(start), (4e9, 4e9))
        os.utime(tmp_path / name_of(start + 3), (0, 0))
    with CheckpointStore(tmp_path, keep=2) as store:
        assert store.newest()[0].state == 3
        store.save(ONE, 4)
        assert store.newest()[0].state == 4
    assert numbers(tmp_path) == [start + 3, start + 4]


def test_names_are_read_strictly():
    assert sequence_of("ckpt-00000012") == 12
    assert sequence_of("ckpt-123456789") == 123456789
    for name in ("ckpt-12", "ckpt-000000012", "ckpt-0000001x", ".ckpt-00000012", "ckpt-٠٠٠٠٠٠١٢"):
        assert sequence_of(name) is None


@pytest.mark.parametrize("keep", [2, 3])
def test_so_many_verified_ones_stay(tmp_path, keep):
    with CheckpointStore(tmp_path, keep=keep) as store:
        for count in range(1, 7):
            store.save(ONE, count)
            assert numbers(tmp_path) == list(range(max(1, count - keep + 1), count + 1))
    with CheckpointStore(tmp_path, keep=keep) as store:
        # Nobody has looked at the old ones yet: they go when enough others are known to be whole.
        store.save(ONE, 7)
        assert numbers(tmp_path) == list(range(7 - keep, 8))
        for count in range(8, 10):
            store.save(ONE, count)
        assert numbers(tmp_path) == list(range(10 - keep, 10))


@pytest.mark.parametrize("keep", [1, 0, True, 2.0, None])
def test_fewer_than_two_are_refused(tmp_path, keep):
    with pytest.raises(UsageError, match="give 2 or more"):
        CheckpointStore(tmp_path, keep=keep)


def test_misspelt_arguments_and_odd_ids_are_refused(tmp_path):
    with pytest.raises(UsageTypeError, match="run_id"):
        CheckpointStore(tmp_path, runid="a")
    with pytest.raises(UsageError, match="give 32 hexadecimal digits"):
        CheckpointStore(tmp_path, run_id="moons")
    assert os.listdir(tmp_path) == []


def test_a_run_keeps_its_id_over_starts_even_if_the_note_of_it_is_gone(tmp_path):
    with CheckpointStore(tmp_path) as store:
        first = store.run_id
    with CheckpointStore(tmp_path) as store:
        assert store.run_id == first
        store.save(ONE, 1)
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(b"{}")):
        damage(tmp_path / "run.json")
        with CheckpointStore(tmp_path) as store:
            assert store.run_id == first
    with CheckpointStore(tmp_path, run_id=first) as store:
        assert store.newest()[0].state == 1


def test_a_folder_of_another_run_is_refused_and_left_as_it_is(tmp_path):
    with CheckpointStore(tmp_path) as store:
        store.save(ONE, 1)
    with pytest.raises(UsageError, match=r"holds checkpoints of another run \(ckpt-00000001 is of"):
        CheckpointStore(tmp_path, run_id="0" * 32)
    with CheckpointStore(tmp_path / "other") as other:
        other.save(ONE, 1)
        other.save(ONE, 2)
    os.rename(tmp_path / "other" / "ckpt-00000002", tmp_path / "ckpt-00000002")
    with pytest.raises(UsageError, match=r"ckpt-00000001 is of run .*, ckpt-00000002 is of run"):
        CheckpointStore(tmp_path)
    assert numbers(tmp_path) == [1, 2]


def test_leftovers_of_this_run_go_and_all_else_stays(tmp_path):
    with CheckpointStore(tmp_path) as store:
        store.save(ONE, 1)
        run_id = store.run_id
    ours = [aside_name(5, run_id, "partial"), aside_name(6, run_id, "removed")]
    theirs = [aside_name(7, "f" * 32, "partial"), ".ckpt-x.partial", "notes", "ckpt-5"]
    for name in (*ours, *theirs):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tensors.safetensors").touch()
    (tmp_path / ".run.json.0123456789ab.partial").touch()
    with CheckpointStore(tmp_path) as store:
        assert store.save(ONE, 2).sequence == 8  # no number is used twice, not even a stranger's
    assert sorted(os.listdir(tmp_path)) == sorted(
        [".lock", "run.json", "ckpt-00000001", "ckpt-00000008", *theirs]
    )


def test_what_the_user_put_into_a_checkpoint_is_never_removed(tmp_path):
    with CheckpointStore(tmp_path) as store:
        store.save(ONE, 1)
        (tmp_path / "ckpt-00000001" / "notes.txt").write_text("mine")
        for step in (2, 3):
            store.save(ONE, step)
        assert store.problems == [f"{tmp_path}/ckpt-00000001 stays: notes.txt is not ours"]
    assert (tmp_path / "ckpt-00000001" / "notes.txt").read_text() == "mine"
    assert numbers(tmp_path) == [1, 2, 3]


def test_a_checkpoint_that_somebody_removed_is_no_obstacle(tmp_path):
    with CheckpointStore(tmp_path) as store:
        for step in (1, 2):
            store.save(ONE, step)
        os.rename(tmp_path / "ckpt-00000001", tmp_path / "kept by hand")
        store.save(ONE, 3)
        assert store.problems == []
    assert numbers(tmp_path) == [2, 3]


def test_what_cannot_be_removed_is_told_and_saving_goes_on(tmp_path):
    class Sticky(Disk):
        def rename(self, old, new):
            if new.name.endswith(".removed"):
                raise OSError(errno.EBUSY, "Device or resource busy")
            super().rename(old, new)

    with CheckpointStore(tmp_path) as store, use_disk(Sticky()):
        for step in (1, 2, 3):
            store.save(ONE, step)
        assert store.newest()[0].state == 3
    assert store.problems == [f"cannot remove {tmp_path}/ckpt-00000001: Device or resource busy"]


def test_what_cannot_be_stored_is_refused_before_anything_is_written(tmp_path):
    with CheckpointStore(tmp_path) as store:
        with pytest.raises(UsageTypeError, match="'w' is of type int, not a tensor"):
            store.save({"w": 3}, {})
        with pytest.raises(UsageTypeError, match=r"the state\['f'\] is of type builtin_function"):
            store.save(ONE, {"f": print})
        for position in ("two\nlines", "\x1b[2J", "x" * 201):
            with pytest.raises(UsageError, match="is not one line of 200 characters"):
                store.save(ONE, {}, position)
    assert sorted(os.listdir(tmp_path)) == [".lock", "run.json"]


def test_a_disk_without_room_is_seen_before_anything_is_written(tmp_path):
    class Small(Disk):
        def free(self, folder):
            return 1000

    with CheckpointStore(tmp_path) as store, use_disk(Small()):
        store.save({"w": torch.ones(10)}, {})
        with pytest.raises(StorageError, match=r"needs 4,\d+ bytes and 1,000 are") as caught:
            store.save({"w": torch.ones(1000)}, {})
        assert caught.value.errno == errno.ENOSPC
    assert numbers(tmp_path) == [1]


def test_a_disk_that_writes_something_else_is_seen_before_the_checkpoint_gets_its_name(tmp_path):
    class Lying(Disk):
        def write(self, handle, data):
            return super().write(handle, bytes(len(memoryview(data).cast("B"))))

    with CheckpointStore(tmp_path) as store:
        store.save(ONE, 1)
        with use_disk(Lying()), pytest.raises(StorageError, match="reads back differently"):
            store.save(ONE, 2)
        assert store.newest()[0].state == 1
    assert sorted(os.listdir(tmp_path)) == [".lock", "ckpt-00000001", "run.json"]


def test_an_error_that_says_nothing_about_the_file_does_not_make_a_run_go_back(tmp_path):
    class Exhausted(Disk):
        def open(self, path, flags, mode=0o666):
            raise OSError(errno.EMFILE, "Too many open files")

    with CheckpointStore(tmp_path) as store:
        store.save(ONE, 1)
        store.save(ONE, 2)
        with use_disk(Exhausted()), pytest.raises(StorageError, match="Too many open files"):
            store.newest()
        assert store.newest()[0].state == 2


def test_a_format_of_the_future_is_refused_and_not_passed_over(tmp_path):
    with CheckpointStore(tmp_path) as store:
        store.save(ONE, 1)
        store.save(ONE, 2)
        path = tmp_path / "ckpt-00000002" / MANIFEST
        path.write_bytes(seal({"format": 2}, "it"))
        with pytest.raises(UsageError, match="has format 2, and this version of epochal knows 1"):
            store.newest()


@pytest.mark.parametrize("content", [[], {"format": 1}, {"format": 1, "sequence": "x"}])
def test_a_manifest_that_somebody_made_is_no_manifest(tmp_path, content):
    with CheckpointStore(tmp_path) as store:
        store.save(ONE, 1)
        (tmp_path / "ckpt-00000001" / MANIFEST).write_bytes(seal(content, "it"))
        found, [skipped] = store.newest()
    assert found is None
    assert "not one of ours" in skipped.reason


def test_files_that_a_manifest_names_are_never_paths(tmp_path):
    with CheckpointStore(tmp_path) as store:
        manifest = store.save(ONE, 1)
        bad = Manifest(
            1, store.run_id, "", "", tuple(f._replace(name="../run.json") for f in manifest.files)
        )
        (tmp_path / "ckpt-00000001" / MANIFEST).write_bytes(bad.encode())
        found, [skipped] = store.newest()
    assert found is None
    assert "names the files" in skipped.reason


def test_a_run_that_is_done_leaves_nothing_behind(tmp_path):
    folder = tmp_path / "run"
    store = CheckpointStore(folder)
    for step in (1, 2, 3):
        store.save(ONE, step)
    store.delete()
    assert not folder.exists()
    with pytest.raises(UsageError, match="is closed"):
        store.save(ONE, 4)


def test_a_run_that_is_done_leaves_what_is_not_its_own(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(ONE, 1)
    (tmp_path / "mine").touch()
    (tmp_path / "ckpt-00000001" / "mine").touch()
    store.delete()
    assert sorted(os.listdir(tmp_path)) == ["ckpt-00000001", "mine", "run.json"]


def test_a_folder_that_is_none_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is no folder; give the one that a run saves"):
        list_checkpoints(tmp_path / "file")
    with pytest.raises(StorageError, match=r"cannot lock the folder .*file: Not a directory"):
        CheckpointStore(tmp_path / "file")


def test_two_processes_are_not_let_in_and_a_death_lets_the_next_one_in(tmp_path):
    code = (
        "import sys\nfrom epochal.storage import CheckpointStore\n"
        "store = CheckpointStore(sys.argv[1])\nprint('in', flush=True)\nsys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout.read(3) == b"in\n"
        with pytest.raises(UsageError, match=rf"in use by another process \(number {other.pid}\)"):
            CheckpointStore(tmp_path)
        assert list_checkpoints(tmp_path) == []  # looking is always allowed
        other.kill()
        other.wait()
        with CheckpointStore(tmp_path) as store:
            with pytest.raises(UsageError, match=r"in use by this process"):
                CheckpointStore(tmp_path / ".." / tmp_path.name)
            store.save(ONE, 1)
