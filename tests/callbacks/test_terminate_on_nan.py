"""How training ends when the loss is no longer a number."""

import math

import pytest
import torch
from torch import nn

import epochal
from epochal.callbacks import (
    BackupAndRestore,
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    NonFiniteLossError,
    TerminateOnNaN,
)

X, Y = torch.ones(40, 2), torch.zeros(40, 1)


class Poison(Callback):
    """Makes a weight NaN before a given batch."""

    def __init__(self, epoch, batch, value=math.nan):
        self.at, self.value, self.epoch = (epoch, batch), value, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            with torch.no_grad():
                self.model.network[1].bias.fill_(self.value)


def model():
    made = epochal.Model(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)))
    made.compile("sgd", "mse")
    return made


@pytest.mark.parametrize("every", [1, 2, 3, 7, 100, "auto"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_it_names_the_batch_and_the_first_bad_weight_however_often_it_looks(capsys, every, value):
    made = model()
    history = made.fit(
        X,
        Y,
        batch_size=8,
        epochs=4,
        verbose=0,
        callbacks=[Poison(1, 2, value), TerminateOnNaN(check_every=every)],
    )
    assert "epoch 2, batch 3: the loss is" in capsys.readouterr().out
    assert history.epoch == [0, 1]
    assert not math.isfinite(history.history["loss"][1])
    assert made.diverged


def test_a_bad_model_is_neither_validated_nor_saved(tmp_path, capsys):
    made = model()
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}.safetensors", verbose=1)
    backup = BackupAndRestore(tmp_path / "backup")
    stopping = EarlyStopping("loss", patience=9, restore_best_weights=True)
    history = made.fit(
        X,
        Y,
        epochs=4,
        verbose=0,
        validation_data=(X, Y),
        callbacks=[Poison(2, 0), checkpoint, backup, stopping, TerminateOnNaN()],
    )
    assert history.epochs_of["val_loss"] == [0, 1]
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "1.safetensors",
        "2.safetensors",
    ]
    saved = sorted(path.name for path in (tmp_path / "backup").glob("ckpt-*"))
    assert saved == ["ckpt-00000001", "ckpt-00000002"]
    assert all(torch.isfinite(weight).all() for weight in made.parameters())
    assert "not saved" in capsys.readouterr().out


def test_it_raises_if_asked_to_and_a_later_fit_is_free_again():
    made = model()
    with pytest.raises(NonFiniteLossError, match="epoch 1, batch 1"):
        made.fit(X, Y, verbose=0, callbacks=[Poison(0, 0), TerminateOnNaN(raise_error=True)])
    made = model()
    made.fit(X, Y, verbose=0, callbacks=[Poison(0, 0), TerminateOnNaN()])
    made.network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    made.compile("sgd", "mse")
    assert made.fit(X, Y, epochs=2, verbose=0).epoch == [0, 1]
    assert not made.diverged


def test_data_of_unknown_length_and_steps_of_ones_own_are_watched_too(capsys):
    made = model()
    made.fit(
        ((X, Y) for _ in range(5)),
        verbose=0,
        callbacks=[Poison(0, 3), TerminateOnNaN(check_every=100)],
    )
    assert "batch 4" in capsys.readouterr().out

    class Own(epochal.Model):
        def train_step(self, data):
            return {"loss": math.nan}

    made = Own(nn.Linear(2, 1))
    made.compile("sgd")
    made.fit(X, Y, verbose=0, callbacks=TerminateOnNaN())
    assert "every weight is still finite" in capsys.readouterr().out


def test_a_healthy_run_is_left_alone_and_wrong_numbers_are_refused(capsys):
    assert model().fit(X, Y, epochs=3, verbose=0, callbacks=TerminateOnNaN()).epoch == [0, 1, 2]
    assert capsys.readouterr().out == ""
    for wrong in (0, True, -3):
        with pytest.raises(ValueError, match="check_every"):
            TerminateOnNaN(check_every=wrong)
