"""`python -m epochal inspect FOLDER`: what a run has saved, while it may be running."""

import re

import pytest
import torch

import epochal
from epochal.callbacks import BackupAndRestore, Callback
from epochal.cli import main
from epochal.cli.runs import SavedRun, read_run
from epochal.core.errors import UsageError
from epochal.layers import Dense
from epochal.storage import CheckpointStore

X = torch.rand(40, 2)


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def train(folder, *callbacks, epochs=12):
    epochal.utils.set_random_seed(3)
    model = epochal.Sequential([Dense(3, input_dim=2), Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    backup = BackupAndRestore(folder, delete_checkpoint=False, asynchronous=False)
    return model.fit(
        X, X[:, :1], validation_data=(X, X[:, :1]), validation_freq=2, epochs=epochs,
        callbacks=[backup, *callbacks], verbose=0,
    )  # fmt: skip


def test_every_checkpoint_and_the_run_so_far_are_shown(tmp_path, capsys):
    history = train(tmp_path / "run").history
    assert main(["inspect", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    rows = re.findall(
        r"(ckpt-\d+) .* 20\d\d-.*Z .* (epoch \d+, batch \d+) .* KiB .* (\w+)", printed
    )
    assert rows == [("ckpt-00000011", "epoch 12, batch 0", "verified"),
                    ("ckpt-00000012", "epoch 13, batch 0", "verified")]  # fmt: skip
    for part in ("Finished epochs 12", "Optimizer", "Adam", "Seed", "The last 10 of 12 epochs"):
        assert part in re.sub(r" +", " ", printed)
    assert f"{history['loss'][-1]:.6g}" in printed
    assert f"{history['val_mae'][-1]:.6g}" in printed


def test_a_running_job_is_looked_at_without_taking_its_folder(tmp_path):
    class Look(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                self.seen = read_run(tmp_path / "run")
                assert main(["inspect", str(tmp_path / "run")]) == 0

    look = Look()
    history = train(tmp_path / "run", look, epochs=5).history
    assert look.seen.epochs == [1, 2, 3]
    assert look.seen.curves["loss"] == history["loss"][:3]
    assert look.seen.curves["val_loss"] == [None, history["val_loss"][0], None]
    with pytest.raises(UsageError, match="in use"), CheckpointStore(tmp_path / "run") as store:
        CheckpointStore(store.folder)  # the lock still works


def test_a_damaged_checkpoint_is_named_with_the_reason_and_the_run_told_by_an_older_one(
    tmp_path, capsys
):
    train(tmp_path / "run", epochs=4)
    newest = tmp_path / "run" / "ckpt-00000004"
    data = bytearray((newest / "tensors.safetensors").read_bytes())
    data[-1] ^= 1
    (newest / "tensors.safetensors").write_bytes(data)
    run = read_run(tmp_path / "run")
    assert [seen.problem is None for seen in run.checkpoints] == [True, False]
    assert run.facts["Finished epochs"] == "3"
    (newest / "manifest.json").write_text("{}")
    assert main(["inspect", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"ckpt-00000004 .*damaged: manifest\.json is damaged", printed)


def test_a_folder_without_checkpoints_and_a_strange_state_are_no_crash(tmp_path, capsys):
    assert main(["inspect", str(tmp_path)]) == 2
    assert "is a folder without checkpoints" in capsys.readouterr().err
    for state in ([1], {"position": "x", "identity": 3, "callbacks": [1, {"class": "History"}]},
                  {"callbacks": [{"class": "History", "state": {"epoch": 3}}]}):  # fmt: skip
        with CheckpointStore(tmp_path / "odd") as store:
            store.save({}, state, "somewhere")
        assert main(["inspect", str(tmp_path / "odd")]) == 0
        assert isinstance(read_run(tmp_path / "odd"), SavedRun)
