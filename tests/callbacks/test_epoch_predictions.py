"""A validation's predictions, seen once, by whoever wants them, in whatever order they stand."""

import numpy as np
import pandas
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

import epochal
from epochal.callbacks import Callback, CSVLogger, EarlyStopping, EpochPredictions, ModelCheckpoint
from epochal.callbacks.dispatch import by_needs
from epochal.core.errors import UsageError

X, Y = torch.randn(50, 3), torch.randint(3, (50,))


class F1(EpochPredictions):
    provides = ("val_f1",)

    def score(self, epoch, y_true, y_pred):
        self.seen = (epoch, y_true, y_pred)
        return {"val_f1": f1_score(y_true, y_pred.argmax(1), average="macro")}


def model():
    made = epochal.Model(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)))
    made.compile("adam", nn.CrossEntropyLoss(), metrics=["acc"])
    return made


def test_it_sees_what_predict_would_give_and_the_model_is_run_no_more_often():
    made, callback = model(), F1()
    calls = []
    made.network.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    history = made.fit(
        X,
        Y,
        batch_size=32,
        epochs=1,
        verbose=0,
        validation_data=(X[:20], Y[:20]),
        validation_batch_size=8,
        callbacks=callback,
    )
    assert calls == [2, 2, 32, 18, 8, 8, 4]  # two dry runs of two rows, training, validation
    epoch, y_true, y_pred = callback.seen
    assert epoch == 0
    assert (y_true == Y[:20].numpy()).all()
    assert np.allclose(y_pred, made.predict(X[:20], verbose=0), atol=1e-6)
    assert history.history["val_f1"] == [f1_score(y_true, y_pred.argmax(1), average="macro")]


def test_the_order_of_the_list_does_not_matter_to_those_who_need_its_value(tmp_path):
    stopping = EarlyStopping("val_f1", mode="max", patience=9)
    checkpoint = ModelCheckpoint(
        tmp_path / "{epoch}-{val_f1:.3f}.safetensors", "val_f1", save_best_only=True
    )
    log = CSVLogger(tmp_path / "log.csv")
    history = model().fit(
        X,
        Y,
        epochs=3,
        verbose=0,
        validation_data=(X, Y),
        callbacks=[log, stopping, checkpoint, F1()],
    )
    frame = pandas.read_csv(tmp_path / "log.csv")
    assert frame["val_f1"].tolist() == history.history["val_f1"]
    assert stopping.best == max(history.history["val_f1"])
    assert list(tmp_path.glob(f"*-{stopping.best:.3f}.safetensors"))


def test_callbacks_that_wait_for_each_other_are_an_error():
    class One(Callback):
        provides, needs = ("a",), ("b",)

    class Two(Callback):
        provides, needs = ("b",), ("a",)

    with pytest.raises(UsageError, match=r"circle: One .*'a'.*'b'.*, Two"):
        by_needs([One(), Two()])
    with pytest.raises(UsageError, match="circle"):
        model().fit(X, Y, verbose=0, callbacks=[One(), Two()])
    with pytest.raises(UsageError, match="unknown name to monitor 'b'"):
        model().fit(X, Y, verbose=0, callbacks=[One()])


def test_only_so_many_rows_are_kept():
    callback = F1(max_samples=10)
    model().fit(
        X, Y, verbose=0, validation_data=(X, Y), validation_batch_size=8, callbacks=callback
    )
    _, y_true, y_pred = callback.seen
    assert len(y_true) == len(y_pred) == 10
    assert (y_true == Y[:10].numpy()).all()
    with pytest.raises(UsageError, match="max_samples is 0"):
        F1(max_samples=0)


def test_several_outputs_come_by_their_names_and_looking_alone_is_fine():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            out = self.layer(x)
            return {"a": out[:, :1], "b": out[:, 1:].bfloat16()}

    shapes = []

    class Looks(EpochPredictions):
        def score(self, epoch, y_true, y_pred):
            shapes.append({name: array.shape for name, array in y_pred.items()})

    made = epochal.Model(Two())
    made.compile("sgd", {"a": "mse", "b": "mse"})
    y = {"a": X[:, :1], "b": X[:, 1:2]}
    made.fit(X, y, epochs=2, verbose=0, validation_data=(X, y), callbacks=Looks(max_samples=40))
    assert shapes == [{"a": (40, 1), "b": (40, 1)}] * 2


def test_what_cannot_work_is_said():
    with pytest.raises(UsageError, match="there is no validation"):
        model().fit(X, Y, verbose=0, callbacks=F1())

    class Wrong(F1):
        def score(self, epoch, y_true, y_pred):
            return self.answer

    wrong = Wrong()
    for answer, match in ((3.0, "return a dict"), ({"val_f2": 1.0}, "did you mean 'val_f1'")):
        wrong.answer = answer
        with pytest.raises(ValueError, match=match):
            model().fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=wrong)
    with pytest.raises(NotImplementedError, match="has no score"):
        model().fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=EpochPredictions())

    class Own(epochal.Model):
        def test_step(self, data):
            return {"loss": 0.0}

    made = Own(nn.Linear(3, 3))
    made.compile("sgd", nn.CrossEntropyLoss())
    with pytest.raises(UsageError, match="keeps its outputs to itself"):
        made.fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=F1())
