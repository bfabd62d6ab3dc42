"""The CSV file: its columns, its rows, and what happens to it when things go wrong."""

import csv
import os
import subprocess
import sys

import pandas
import pytest
import torch
from torch import nn

import epochal
from epochal.callbacks import Callback, CSVLogger
from epochal.core.errors import UsageError
from epochal.storage import StorageError

X = torch.randn(12, 2)
Y = X[:, :1]


def fitted(*callbacks, **arguments):
    model = epochal.Model(nn.Linear(2, 1))
    model.compile("sgd", "mse", metrics=arguments.pop("metrics", ["mae"]))
    model.fit(X, Y, **{"epochs": 2, "verbose": 0, **arguments}, callbacks=list(callbacks))
    return model


def test_columns_are_what_will_be_logged_and_rows_hold_full_precision(tmp_path):
    path = tmp_path / "log.csv"
    model = fitted(CSVLogger(path), validation_data=(X, Y), validation_freq=2)
    frame = pandas.read_csv(path)
    assert list(frame) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert frame["loss"].tolist() == model.history.history["loss"]
    assert frame["epoch"].tolist() == [0, 1]
    assert frame["val_loss"].isna().tolist() == [True, False]
    assert b"\r" not in path.read_bytes()
    fitted(CSVLogger(path))
    assert path.read_text().splitlines()[0] == "epoch,loss,mae"


def test_values_that_other_callbacks_declare_have_their_column(tmp_path):
    class Adds(Callback):
        provides = ("learning_rate", "f1", "parts")

        def on_epoch_end(self, epoch, logs=None):
            logs["f1"] = float("nan")
            logs["parts"] = [1.0, 2.0]
            logs["undeclared"] = 1.0

    with pytest.warns(UserWarning, match="undeclared came after the columns of") as caught:
        fitted(Adds(), CSVLogger(tmp_path / "log.csv", separator=";"), metrics=[])
    assert len(caught) == 1
    header, row, _ = list(
        csv.reader((tmp_path / "log.csv").read_text().splitlines(), delimiter=";")
    )
    assert header == ["epoch", "loss", "learning_rate", "f1", "parts"]
    assert row[2:] == ["0.01", "nan", "[1.0, 2.0]"]


def test_appending_goes_on_under_one_header_and_refuses_other_columns(tmp_path):
    path = tmp_path / "log.csv"
    for _ in range(2):
        fitted(CSVLogger(path, append=True))
    assert len(pandas.read_csv(path)) == 4
    with pytest.raises(
        UsageError, match=r"\['epoch', 'loss', 'mae'\], this run's are \['epoch', 'loss'\]"
    ):
        fitted(CSVLogger(path, append=True), metrics=[])
    assert len(pandas.read_csv(path)) == 4
    direct = CSVLogger(path, append=True)
    direct.on_train_begin()
    with pytest.raises(UsageError, match="cannot append"):
        direct.on_epoch_end(0, {"other": 1.0})
    direct.close()


def test_a_torn_last_line_is_kept_apart_when_appending(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss,mae\n0,0.5,0.")
    fitted(CSVLogger(path, append=True), epochs=1)
    lines = path.read_text().splitlines()
    assert lines[1] == "0,0.5,0."
    assert len(lines) == 3


def test_every_row_is_in_the_file_when_the_process_is_killed(tmp_path):
    code = (
        "import os, signal, epochal\n"
        "from epochal.callbacks import CSVLogger\n"
        f"logger = CSVLogger({str(tmp_path / 'log.csv')!r})\n"
        "logger.on_train_begin()\n"
        "for epoch in range(3): logger.on_epoch_end(epoch, {'loss': epoch / 4})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n0,0.0\n1,0.25\n2,0.5\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_a_clear_error():
    with pytest.raises(StorageError, match=r"cannot write /dev/full: No space left"):
        fitted(CSVLogger("/dev/full"))


def test_a_missing_folder_and_a_folder_in_its_place_are_errors_before_training(tmp_path):
    with pytest.raises(UsageError, match="does not exist; make it"):
        fitted(CSVLogger(tmp_path / "nowhere" / "log.csv"))
    with pytest.raises(UsageError, match="is a folder"):
        fitted(CSVLogger(tmp_path))
    with pytest.raises(UsageError, match="give one character"):
        CSVLogger(tmp_path / "log.csv", separator="ab")
    with pytest.raises(UsageError, match="without on_train_begin"):
        CSVLogger(tmp_path / "log.csv").on_epoch_end(0, {})


def test_steps_of_ones_own_get_the_columns_of_their_first_epoch(tmp_path):
    class Own(epochal.Model):
        def train_step(self, data):
            return {"odd": 1.0}

    model = Own(nn.Linear(2, 1))
    model.compile("sgd")
    model.fit(X, Y, epochs=2, verbose=0, callbacks=CSVLogger(tmp_path / "log.csv"))
    assert (tmp_path / "log.csv").read_text() == "epoch,odd\n0,1.0\n1,1.0\n"
