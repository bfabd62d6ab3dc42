"""Saving in a thread: a copy first, one at a time, and no error is lost."""

import errno
import subprocess
import sys
import threading

import pytest
import torch

from epochal.core.errors import UsageTypeError
from epochal.storage import AsyncSaver, CheckpointStore, StorageError
from epochal.storage.disk import Disk, use_disk


class Gate(Disk):
    """A disk that makes folders when it is told to, or fails."""

    def __init__(self, fails=False):
        self.open_gate = threading.Event()
        self.waiting = threading.Event()
        self.fails = fails

    def mkdir(self, path):
        self.waiting.set()
        assert self.open_gate.wait(30)
        if self.fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().mkdir(path)


@pytest.fixture
def store(tmp_path):
    with CheckpointStore(tmp_path) as store:
        yield store


def test_the_copy_is_taken_before_training_goes_on(store):
    saver, weight, state = AsyncSaver(store), torch.zeros(3), {"losses": [0.5]}
    gate = Gate()
    with use_disk(gate):
        saver.save({"w": weight, "part": weight[1:]}, state, "epoch 1")
        assert gate.waiting.wait(30)
        assert saver.busy
        weight.fill_(7)
        state["losses"].append(0.1)
        saver.check()  # waits for nothing
        gate.open_gate.set()
        assert saver.finish().position == "epoch 1"
    assert not saver.busy
    found, _ = store.newest()
    assert found.tensors["w"].tolist() == [0, 0, 0]
    assert found.tensors["part"].tolist() == [0, 0]
    assert found.state == {"losses": [0.5]}


def test_memory_is_used_again_and_ties_and_shapes_may_change(store):
    saver, weight = AsyncSaver(store), torch.zeros(3)
    saver.save({"a": weight, "b": weight.detach(), "c": torch.zeros(1)}, 1)
    saver.finish()
    first = saver._copies["a"]
    other = torch.ones(3)
    saver.save({"a": weight, "b": other, "c": torch.ones(2).double()}, 2)
    saver.finish()
    assert saver._copies["a"] is first
    tensors = store.newest()[0].tensors
    assert [tensors[name].tolist() for name in "abc"] == [[0, 0, 0], [1, 1, 1], [1, 1]]
    saver.save({"a": weight, "b": weight}, 3)
    saver.finish()
    tensors = store.newest()[0].tensors
    assert tensors["a"] is tensors["b"]


def test_a_second_save_waits_for_the_first(store):
    saver = AsyncSaver(store)
    for step in range(5):
        saver.save({"w": torch.full((1000,), float(step))}, step)
    assert saver.finish().sequence == 5
    assert store.newest()[0].tensors["w"][0] == 4
    assert saver.finish().sequence == 5


@pytest.mark.parametrize("call", ["check", "finish", "save"])
def test_an_error_comes_at_the_next_call_once(store, call):
    saver, gate = AsyncSaver(store), Gate(fails=True)
    with use_disk(gate):
        saver.save({"w": torch.ones(1)}, 1)
        gate.open_gate.set()
        while saver.busy:
            pass
        with pytest.raises(StorageError, match="No space left on device"):
            saver.save({}, 2) if call == "save" else getattr(saver, call)()
    assert saver.finish() is None
    saver.save({"w": torch.ones(1)}, 3)
    assert saver.finish().sequence == 2
    assert store.newest()[0].state == 3


def test_what_cannot_be_stored_is_refused_by_the_call_itself(store):
    saver = AsyncSaver(store)
    with pytest.raises(UsageTypeError, match="not a tensor"):
        saver.save({"w": 1}, {})
    with pytest.raises(UsageTypeError, match="the state is of type object"):
        saver.save({}, object())
    assert saver.finish() is None


def test_a_program_that_ends_waits_for_its_save(tmp_path):
    code = (
        "import sys, torch\nfrom epochal.storage import AsyncSaver, CheckpointStore\n"
        "saver = AsyncSaver(CheckpointStore(sys.argv[1]))\n"
        "saver.save({'w': torch.ones(3_000_000)}, 'last')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60, check=True)
    with CheckpointStore(tmp_path) as store:
        assert store.newest()[0].state == "last"
