"""Any order of training, dying, failing, damage and resuming ends as a run left alone."""

import contextlib
import errno
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from dying import Dies
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

import epochal
from epochal import layers
from epochal.callbacks import BackupAndRestore, CSVLogger, ModelCheckpoint
from epochal.cli.selftest.disks import FailingDisk, FastDisk
from epochal.storage import Manifest, StorageError, list_checkpoints
from epochal.storage.disk import use_disk
from epochal.utils import set_random_seed

X = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True)
EPOCHS = 4


def train(folder, after=None, freq=1, keep=2):
    set_random_seed(5)
    made = epochal.Sequential(
        [layers.Dense(3, activation="relu", input_dim=2), layers.Dropout(0.3), layers.Dense(1)]
    )
    made.compile(epochal.optimizers.Adam(0.1), "mse")
    backup = BackupAndRestore(
        folder / "run", save_freq=freq, keep=keep, delete_checkpoint=False, asynchronous=False
    )
    rotating = ModelCheckpoint(folder / "kept-{epoch}.safetensors", max_to_keep=2)
    used = [CSVLogger(folder / "log.csv"), rotating, backup]
    used += [] if after is None else [Dies(after)]
    history = made.fit(X, Y, batch_size=8, epochs=EPOCHS, verbose=0, callbacks=used)
    kept = {path.name: path.read_bytes() for path in folder.glob("kept-*")}
    return history.history, [w.tobytes() for w in made.get_weights()], kept


class Runs(RuleBasedStateMachine):
    expected = None

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.ledger = 0

    def teardown(self):
        with use_disk(FastDisk()):
            found = train(self.folder)
        assert found == self.expected[0]
        assert (self.folder / "log.csv").read_text() == self.expected[1]
        shutil.rmtree(self.folder)

    def verified(self):
        if not (self.folder / "run").is_dir():
            return []
        listed = list_checkpoints(self.folder / "run", verify=True)
        return [one.sequence for one in listed if isinstance(one, Manifest)]

    @rule(
        after=st.integers(0, 9),
        freq=st.sampled_from([1, 2, 5, "epoch"]),
        keep=st.sampled_from([2, 3, 9]),
    )
    def train_and_die(self, after, freq, keep):
        with use_disk(FastDisk()), contextlib.suppress(ZeroDivisionError):
            train(self.folder, after, freq, keep)
        self.ledger = max([self.ledger, *self.verified()])

    @rule()
    def resume_to_the_end(self):
        with use_disk(FastDisk()):
            assert train(self.folder) == self.expected[0]
        self.ledger = max(self.verified())

    @rule(
        at=st.integers(0, 120),
        error=st.sampled_from([errno.EIO, errno.ENOSPC, errno.EROFS]),
        lasting=st.booleans(),
    )
    def fail(self, at, error, lasting):
        disk = FailingDisk(at, error, lasting=lasting, inner=FastDisk())
        # Any other error is a bug, an OSError that is no StorageError too.
        with use_disk(disk), contextlib.suppress(StorageError, ZeroDivisionError):
            train(self.folder, after=5)
        assert max([0, *self.verified()]) >= self.ledger

    @rule(where=st.floats(0, 1))
    def damage_the_newest(self, where):
        numbers = self.verified()
        if len(numbers) < 2:
            return
        path = self.folder / "run" / f"ckpt-{numbers[-1]:08d}" / "tensors.safetensors"
        data = bytearray(path.read_bytes())
        data[int(where * (len(data) - 1))] ^= 1
        path.write_bytes(data)
        self.ledger = numbers[-2]

    @invariant()
    def what_was_saved_is_there(self):
        assert max([0, *self.verified()]) >= self.ledger


@pytest.mark.filterwarnings("ignore:BackupAndRestore")
def test_any_order_of_events_ends_as_a_run_left_alone(tmp_path):
    with use_disk(FastDisk()):
        found = train(tmp_path)
    assert all(np.isfinite(found[0]["loss"]))
    Runs.expected = found, (tmp_path / "log.csv").read_text()
    run_state_machine_as_test(
        Runs,
        settings=settings(
            max_examples=25,
            stateful_step_count=6,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
