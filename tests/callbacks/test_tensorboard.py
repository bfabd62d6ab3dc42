"""What TensorBoard's own reader finds in the event files, and when they are written."""

import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util
from torch import nn

import epochal
from epochal.callbacks import Callback, CallbackList, TensorBoard
from epochal.core.errors import UsageError

X = torch.randn(24, 3)
Y = X[:, :1] * 2


def compiled(module=None, **arguments):
    model = epochal.Model(module or nn.Linear(3, 1))
    model.compile("sgd", "mse", **arguments)
    return model


def fitted(*callbacks, model=None, epochs=3, **arguments):
    model = model or compiled()
    arguments = {"batch_size": 4, "verbose": 0} | arguments
    return model, model.fit(X, Y, epochs=epochs, callbacks=list(callbacks), **arguments)


def read(folder):
    """Return a run's values by tag: [(step, array), ...]."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {
        tag: [(e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def series(run, tag):
    return [(step, float(value)) for step, value in run[tag]]


def single(values, first=0, by=1):
    """Return steps and values as a scalar holds them: in float32."""
    return [(first + i * by, float(np.float32(value))) for i, value in enumerate(values)]


def event_files(folder):
    return sorted(folder.glob("events.out.tfevents.*"))


def test_epochs_are_written_under_keras_tags_with_the_values_of_the_history(tmp_path):
    model = compiled(metrics=["mae"])
    _, history = fitted(TensorBoard(tmp_path), model=model, validation_data=(X, Y))
    train, validation = read(tmp_path / "train"), read(tmp_path / "validation")
    found = history.history
    assert set(train) == {"keras", "epoch_loss", "epoch_mae", "epoch_learning_rate"}
    assert series(train, "epoch_loss") == single(found["loss"])
    assert series(train, "epoch_mae") == single(found["mae"])
    assert series(train, "epoch_learning_rate") == single([0.01] * 3)
    assert series(validation, "epoch_loss") == single(found["val_loss"])
    assert series(validation, "epoch_mae") == single(found["val_mae"])
    updates = "evaluation_{}_vs_iterations"
    assert series(validation, updates.format("loss")) == single(found["val_loss"], 6, 6)
    assert series(validation, updates.format("mae")) == single(found["val_mae"], 6, 6)
    assert set(validation) == {
        "epoch_loss",
        "epoch_mae",
        "evaluation_loss_vs_iterations",
        "evaluation_mae_vs_iterations",
    }


def test_scalars_are_those_of_tensorflow_2_in_its_file_format(tmp_path):
    fitted(TensorBoard(tmp_path), epochs=1)
    (file,) = event_files(tmp_path / "train")
    assert file.name.endswith(".v2")
    first, *events = EventFileLoader(str(file)).Load()
    assert first.file_version == "brain.Event:2"
    (loss,) = [v for e in events for v in e.summary.value if v.tag == "epoch_loss"]
    assert loss.metadata.plugin_data.plugin_name == "scalars"
    assert tensor_util.make_ndarray(loss.tensor).dtype == np.float32


def test_every_fit_writes_a_file_of_its_own(tmp_path):
    board = TensorBoard(tmp_path)
    model, first = fitted(board, epochs=2)
    fitted(board, model=model, epochs=2)
    files = event_files(tmp_path / "train")
    assert len(files) == 2
    losses = [
        [value for event in EventFileLoader(str(file)).Load() for value in event.summary.value]
        for file in files
    ]
    assert [sum(value.tag == "epoch_loss" for value in values) for values in losses] == [2, 2]
    assert first.history["loss"] != model.history.history["loss"]


def test_evaluate_alone_writes_at_the_number_of_updates(tmp_path):
    model, _ = fitted(epochs=2)
    loss = model.evaluate(X, Y, verbose=0, callbacks=TensorBoard(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["validation"]
    assert {
        tag: series(read(tmp_path / "validation"), tag) for tag in read(tmp_path / "validation")
    } == {"evaluation_loss_vs_iterations": single([loss], 12)}


def test_validation_in_some_epochs_stands_at_those_epochs(tmp_path):
    _, history = fitted(TensorBoard(tmp_path), epochs=4, validation_data=(X, Y), validation_freq=2)
    validation = read(tmp_path / "validation")
    assert series(validation, "epoch_loss") == single(history.history["val_loss"], 1, 2)


@pytest.mark.parametrize(("update_freq", "steps"), [("batch", range(1, 13)), (5, (5, 10))])
def test_batches_are_written_at_the_global_step_of_training(tmp_path, update_freq, steps):
    seen = {}

    class Watch(Callback):
        step = 0

        def on_train_batch_end(self, batch, logs=None):
            self.step += 1
            seen[self.step] = float(np.float32(logs["loss"]))

    fitted(TensorBoard(tmp_path, update_freq=update_freq), Watch(), epochs=2)
    assert series(read(tmp_path / "train"), "batch_loss") == [(step, seen[step]) for step in steps]


def test_only_every_nth_batch_is_read(tmp_path):
    read_at = []

    class Logs(dict):
        def items(self):
            read_at.append(self["step"])
            return super().items()

    board = TensorBoard(tmp_path, update_freq=3, write_graph=False)
    board.on_train_begin()
    board.on_epoch_begin(0)
    for step in range(1, 8):
        board.on_train_batch_end(step - 1, Logs(step=step))
    board.close()
    assert read_at == [3, 6]


def test_writing_by_epoch_has_no_hook_for_batches(tmp_path):
    hooks = CallbackList([TensorBoard(tmp_path)])
    assert not hooks.hooks("on_train_batch_begin")
    assert not hooks.hooks("on_train_batch_end")
    hooks = CallbackList([TensorBoard(tmp_path, update_freq="batch")])
    assert not hooks.hooks("on_train_batch_begin")
    assert hooks.hooks("on_train_batch_end")


def test_steps_per_second_are_written_for_epochs_and_batches(tmp_path):
    fitted(TensorBoard(tmp_path, write_steps_per_second=True, update_freq=2), epochs=2)
    train = read(tmp_path / "train")
    assert [step for step, _ in train["epoch_steps_per_second"]] == [0, 1]
    assert [step for step, _ in train["batch_steps_per_second"]] == [2, 4, 6, 8, 10, 12]
    rates = train["epoch_steps_per_second"] + train["batch_steps_per_second"]
    assert all(0 < float(rate) < 1e6 for _, rate in rates)


def test_what_other_callbacks_add_is_written_wherever_they_stand(tmp_path):
    class Adds(Callback):
        provides = ("score", "val_f1", "classes", "by_class", "note")

        def on_epoch_end(self, epoch, logs=None):
            logs |= {"score": epoch + 0.5, "val_f1": 0.25, "note": "good"}
            logs |= {"classes": [1, 2], "by_class": {"cat": 0.75}}

    fitted(TensorBoard(tmp_path), Adds(), epochs=2)
    train = read(tmp_path / "train")
    assert series(train, "epoch_score") == [(0, 0.5), (1, 1.5)]
    assert series(train, "epoch_classes/0") == [(0, 1.0), (1, 1.0)]
    assert series(train, "epoch_classes/1") == [(0, 2.0), (1, 2.0)]
    assert series(train, "epoch_by_class/cat") == [(0, 0.75), (1, 0.75)]
    assert not any("note" in tag for tag in train)
    assert series(read(tmp_path / "validation"), "epoch_f1") == [(0, 0.25), (1, 0.25)]


def test_nan_is_written_as_nan(tmp_path):
    model = compiled()
    nn.init.constant_(model.wrapped.bias, float("nan"))
    fitted(TensorBoard(tmp_path, 1, write_images=True), model=model, epochs=1)
    assert np.isnan(series(read(tmp_path / "train"), "epoch_loss")[0][1])


def test_a_fit_without_an_optimizer_has_no_learning_rate(tmp_path):
    class Own(epochal.Model):
        def train_step(self, data):
            return {"loss": data[0].mean()}

    model = Own(nn.Linear(3, 1))
    model.compile(None)
    fitted(TensorBoard(tmp_path, write_steps_per_second=True), model=model, epochs=1)
    train = read(tmp_path / "train")
    assert "epoch_loss" in train
    assert "epoch_learning_rate" not in train
    assert series(train, "epoch_steps_per_second")[0][1] > 0


def test_files_are_up_to_date_after_every_epoch_and_closed_by_an_exception(tmp_path):
    found = []

    class Fails(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            run = read(tmp_path / "train")
            found.append([step for step, _ in run.get("epoch_loss", [])])
            if epoch == 2:
                raise OSError("broken")

    board = TensorBoard(tmp_path, update_freq="batch")
    with pytest.raises(OSError, match="broken"):
        fitted(board, Fails(), epochs=5)
    assert found == [[], [0], [0, 1]]
    assert [step for step, _ in read(tmp_path / "train")["batch_loss"]] == list(range(1, 13))
    assert not board._writers


def test_the_file_of_a_later_run_is_read_last_whatever_the_numbers_in_its_name(tmp_path):
    fitted(TensorBoard(tmp_path), epochs=1)
    (first,) = event_files(tmp_path / "train")
    # Begun in this very second, by a process whose number is read after this one's.
    name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.~.0.v2"
    first = first.rename(first.with_name(name))
    fitted(TensorBoard(tmp_path), epochs=2, initial_epoch=1)
    files = event_files(tmp_path / "train")
    assert len(files) == 2
    assert files[0] == first
    assert [step for step, _ in read(tmp_path / "train")["epoch_loss"]] == [0, 1]


def test_the_state_is_the_global_step(tmp_path):
    board = TensorBoard(tmp_path, update_freq=100)
    fitted(board, epochs=2)
    assert board.state_dict() == {"train_step": 12, "files": {}}  # no files: no run is saved


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"histogram_freq": -1}, "histogram_freq is -1"),
        ({"embeddings_freq": True}, "embeddings_freq is True"),
        ({"update_freq": 0}, "update_freq is 0"),
        ({"update_freq": "epochs"}, "update_freq is 'epochs'"),
        ({"update_freq": True}, "update_freq is True"),
        ({"profile_batch": -1}, "profile_batch is -1"),
        ({"profile_batch": (4, 2)}, r"profile_batch is \(4, 2\)"),
        ({"profile_batch": "a,b"}, "profile_batch is 'a,b'"),
        ({"profile_batch": (1, 2, 3)}, "profile_batch is"),
        ({"profile_batch": 1.5}, "profile_batch is 1.5"),
        ({"profile_batch": True}, "profile_batch is True"),
        ({"write_grads": True}, "write_grads: each update clears the gradients"),
        ({"embeddings_data": X}, "embeddings_data: the projector shows the tables"),
        ({"histogram_frequency": 1}, "did you mean 'histogram_freq'"),
    ],
)
def test_bad_arguments_are_refused_when_it_is_made(tmp_path, arguments, match):
    with pytest.raises(UsageError, match=match):
        TensorBoard(tmp_path, **arguments)


def test_arguments_of_old_code_that_change_nothing_are_taken(tmp_path):
    board = TensorBoard(tmp_path, batch_size=32, write_grads=False, embeddings_data=None)
    fitted(board, epochs=1)
    assert "epoch_loss" in read(tmp_path / "train")


def test_a_file_in_the_place_of_a_folder_is_an_error_before_step_1(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file' is a file; log_dir has to be a folder"):
        fitted(TensorBoard(tmp_path / "file" / "run"))
    (tmp_path / "train").write_text("")
    with pytest.raises(UsageError, match="train' is a file"):
        fitted(TensorBoard(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error_before_step_1(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="nothing can be written"):
        fitted(TensorBoard(tmp_path / "run"))


def test_without_the_package_only_making_one_fails_and_says_what_to_install():
    script = (
        "import sys; sys.modules['tensorboard'] = None\n"  # Python's own way to hide a package
        "from epochal.callbacks import EarlyStopping, TensorBoard\n"
        "TensorBoard('logs')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert 'pip install "epochal[tensorboard]"' in done.stderr.splitlines()[-1]


def test_neither_tensorflow_nor_deprecated_tracing_is_used(tmp_path):
    script = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "import epochal.callbacks\n"
        "assert 'tensorboard' not in sys.modules\n"
        "import epochal, torch\n"
        "model = epochal.Model(torch.nn.Linear(1, 1)); model.compile('sgd', 'mse')\n"
        f"board = epochal.callbacks.TensorBoard({str(tmp_path)!r}, 1, write_images=True)\n"
        "model.fit([[1.0]], [[2.0]], verbose=0, callbacks=board)\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], timeout=120, check=True)
