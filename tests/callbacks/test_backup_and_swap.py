"""Going on after an interruption, and evaluating averages."""

import re

import pytest
import torch
from torch import nn

import epochal
from epochal.callbacks import BackupAndRestore, Callback, ModelCheckpoint, SwapEMAWeights
from epochal.core.errors import UsageError
from epochal.models import load_model

X = torch.randn(16, 3)
Y = X.sum(1, keepdim=True)


class DiesIn(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def model():
    torch.manual_seed(1)
    made = epochal.Model(nn.Linear(3, 1))
    made.compile("adam", "mse")
    return made


def fit(made, *callbacks, epochs=6, **arguments):
    return made.fit(
        X, Y, epochs=epochs, verbose=0, shuffle=False, callbacks=list(callbacks), **arguments
    )


def test_a_run_that_died_goes_on_with_weights_optimizer_and_epoch(tmp_path, capsys):
    whole = model()
    losses = fit(whole).history["loss"]
    with pytest.raises(KeyboardInterrupt):
        fit(model(), BackupAndRestore(tmp_path / "run"), DiesIn(4))
    saved = sorted(path.name for path in (tmp_path / "run").glob("ckpt-*"))
    assert saved == ["ckpt-00000003", "ckpt-00000004"]
    second = model()
    history = fit(second, BackupAndRestore(tmp_path / "run"))
    said = capsys.readouterr().out
    assert re.fullmatch(
        r"BackupAndRestore: resuming at epoch 5, batch 0 \(saved \d\d:\d\d:\d\d\)\n", said
    )
    assert history.epoch == [0, 1, 2, 3, 4, 5]
    assert history.history["loss"] == losses
    assert torch.equal(whole.network.weight, second.network.weight)
    assert not (tmp_path / "run").exists()
    assert fit(second).epoch == [0, 1, 2, 3, 4, 5]  # nothing sticks to the model


@pytest.mark.parametrize(("arguments", "kept"), [({}, 2), ({"keep": 3}, 3)])
def test_several_are_kept_and_foreign_files_are_left_alone(tmp_path, arguments, kept):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        fit(model(), BackupAndRestore(tmp_path, **arguments), DiesIn(4))
    assert len(list(tmp_path.glob("ckpt-*"))) == kept
    fit(model(), BackupAndRestore(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_asked_to_begin_later_than_what_is_saved_does_so(tmp_path):
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
    fit(model(), backup, epochs=2)
    assert fit(model(), backup, epochs=5, initial_epoch=4).epoch == [4]


def test_wrong_arguments_and_places_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for make, match in (
        (lambda: BackupAndRestore(""), "backup_dir is empty"),
        (lambda: BackupAndRestore(tmp_path, save_freq=0), "save_freq is 0"),
        (lambda: BackupAndRestore(tmp_path, save_freq="batch"), "save_freq is 'batch'"),
        (lambda: BackupAndRestore(tmp_path, keep=1), "keep is 1; give 2 or more"),
        (lambda: BackupAndRestore(tmp_path, every_seconds=0), "every_seconds is 0"),
        (lambda: BackupAndRestore(tmp_path, on_save_error="no"), "on_save_error is 'no'"),
        (lambda: fit(model(), BackupAndRestore(tmp_path / "file")), "is a file"),
    ):
        with pytest.raises(UsageError, match=match):
            make()


def test_restore_takes_weights_and_optimizer_of_a_saved_model(tmp_path):
    first, second = model(), model()
    fit(first, epochs=2)
    first.save(tmp_path / "m.safetensors")
    second.restore(tmp_path / "m.safetensors")
    assert fit(first).history == fit(second).history
    first.save_weights(tmp_path / "w.safetensors")
    third = epochal.Model(nn.Linear(3, 1))
    third.restore(tmp_path / "w.safetensors")
    assert torch.equal(third.network.weight, first.network.weight)


def averaged():
    torch.manual_seed(1)
    made = epochal.Sequential([epochal.layers.Dense(1, input_dim=3)])
    made.compile(epochal.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
    return made


def test_averages_are_evaluated_and_training_goes_on_with_the_weights():
    plain, swapping = averaged(), averaged()
    first = fit(plain, epochs=3, validation_data=(X, Y)).history
    second = fit(swapping, SwapEMAWeights(), epochs=3, validation_data=(X, Y)).history
    assert first["loss"] == second["loss"]
    assert first["val_loss"] != second["val_loss"]
    assert second["val_loss"][-1] == swapping.evaluate(X, Y, verbose=0)
    before = swapping.get_weights()
    swapping.predict(X, verbose=0, callbacks=SwapEMAWeights())
    assert all((a == b).all() for a, b in zip(before, swapping.get_weights(), strict=True))


def test_with_swap_on_epoch_a_checkpoint_saves_the_averages_and_a_stop_keeps_them(tmp_path):
    class Stops(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    made, plain = averaged(), averaged()
    path = tmp_path / "m.safetensors"
    fit(made, SwapEMAWeights(swap_on_epoch=True), ModelCheckpoint(path), Stops())
    fit(plain, epochs=2)
    assert (made.get_weights()[0] == plain.get_weights()[0]).all()
    assert (load_model(path).get_weights()[0] == plain.get_weights()[0]).all()
    assert fit(made, SwapEMAWeights(swap_on_epoch=True)).history == fit(plain).history


def test_an_exception_in_between_leaves_the_weights_in_place():
    class Breaks(Callback):
        def on_test_batch_end(self, batch, logs=None):
            raise ZeroDivisionError

    made, plain = averaged(), averaged()
    with pytest.raises(ZeroDivisionError):
        fit(made, SwapEMAWeights(), Breaks(), validation_data=(X, Y))
    with pytest.raises(ZeroDivisionError):
        fit(plain, Breaks(), validation_data=(X, Y))
    assert (made.get_weights()[0] == plain.get_weights()[0]).all()


def test_an_optimizer_without_averages_is_refused():
    with pytest.raises(UsageError, match="use_ema=True"):
        fit(model(), SwapEMAWeights())
    with pytest.raises(UsageError, match="use_ema=True"):
        model().evaluate(X, Y, verbose=0, callbacks=SwapEMAWeights())
