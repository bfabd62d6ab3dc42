"""What bad input gets: one clear error before step 1, and a model that is as it was."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import epochal
from epochal.callbacks import Callback, CSVLogger, EarlyStopping, ModelCheckpoint
from epochal.core.errors import UsageError
from epochal.layers import Dense

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = (np.arange(20) % 3).astype("int64")
ONE_HOT = np.eye(3, dtype="float32")[Y]


class Watch(Callback):
    """Fails the test if training begins."""

    def on_train_begin(self, logs=None):
        raise AssertionError("training began")


def classifier(**compile_arguments):
    model = epochal.Sequential([Dense(8, activation="relu"), Dense(3, activation="softmax")])
    model.compile(
        **{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", **compile_arguments}
    )
    model.predict(X, verbose=0)
    return model


def refused(match, *data, compile_arguments=None, **arguments):
    model = classifier(**(compile_arguments or {}))
    before = model.get_weights()
    callbacks = [Watch(), *arguments.pop("callbacks", [])]
    with pytest.raises(ValueError, match=match) as caught:
        model.fit(*data, verbose=0, callbacks=callbacks, **arguments)
    assert isinstance(caught.value, UsageError)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    return str(caught.value)


@pytest.mark.parametrize(
    ("match", "data", "arguments"),
    [
        (r"x has 20, y has 5", (X, Y[:5]), {}),
        (r"x has 20, y has 20, sample_weight has 3", (X, Y), {"sample_weight": np.ones(3)}),
        (r"x has no rows|no rows", (X[:0], Y[:0]), {}),
        (r"no targets", (X,), {}),
        (r"expected numbers", (np.array([["a", "b", "c", "d"]] * 20), Y), {}),
        (r"expected arrays", (3.0, Y), {}),
        (r"expected arrays|nothing", (None, Y), {}),
        (r"one-hot", (X, ONE_HOT), {}),
        (r"labels.*3|from 0 to 2", (X, Y + 1), {}),
        (r"-1", (X, Y - 1), {}),
        (r"expected .*4|3 .*4|4.*3", (X[:, :3], Y), {}),
        (r"epochs is -1", (X, Y), {"epochs": -1}),
        (r"epochs is 2.5", (X, Y), {"epochs": 2.5}),
        (r"batch_size is 0", (X, Y), {"batch_size": 0}),
        (r"steps_per_epoch is 0", (X, Y), {"steps_per_epoch": 0}),
        (r"verbose is 3", (X, Y), {}),
        (r"shuffle is 'yes'", (X, Y), {"shuffle": "yes"}),
        (r"validation_split is 1.5", (X, Y), {"validation_split": 1.5}),
        (r"validation_split is -0.1", (X, Y), {"validation_split": -0.1}),
        (r"leaves 0 for training and 20", (X, Y), {"validation_split": 0.999}),
        (r"validation_freq is 0", (X, Y), {"validation_freq": 0}),
        (r"validation_freq is 'all'", (X, Y), {"validation_freq": "all"}),
        (r"validation_steps is given without", (X, Y), {"validation_steps": 3}),
        (r"validation_data is a tuple of 1", (X, Y), {"validation_data": (X,)}),
        (r"validation_data: .*one-hot", (X, Y), {"validation_data": (X, ONE_HOT)}),
        (r"validation_x has 20, validation_y has 2", (X, Y), {"validation_data": (X, Y[:2])}),
        (r"class_weight has the keys", (X, Y), {"class_weight": {"cat": 2.0}}),
        (
            r"both class_weight and sample_weight",
            (X, Y),
            {"class_weight": {0: 1.0}, "sample_weight": np.ones(20)},
        ),
        (
            r"did you mean 'val_loss'",
            (X, Y),
            {"validation_split": 0.5, "callbacks": [EarlyStopping("val_los")]},
        ),
        (
            r"cannot tell whether",
            (X, Y),
            {"callbacks": [type("Odd", (EarlyStopping,), {"provides": ("wobble",)})("wobble")]},
        ),
        (r"unknown field 'los'", (X, Y), {"callbacks": [ModelCheckpoint("{los}.safetensors")]}),
        (r"folder of .*nowhere", (X, Y), {"callbacks": [CSVLogger("nowhere/log.csv")]}),
        (
            r"which gives its own batches: leave y out",
            (DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y))), Y),
            {},
        ),
        (
            r"makes its own batches: leave batch_size out",
            (DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y))),),
            {"batch_size": 5},
        ),
        (r"gave no batch", ([],), {}),
        (
            r"validation_split needs arrays",
            (DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y))),),
            {"validation_split": 0.5},
        ),
    ],
)
def test_what_cannot_work_is_refused_before_training(match, data, arguments):
    if "verbose is" in match:
        with pytest.raises(ValueError, match=match):
            classifier().fit(*data, verbose=3)
        return
    refused(match, *data, **arguments)


def test_all_problems_of_one_call_are_reported_together():
    text = refused("2 problems", X, Y[:5], epochs=-1, batch_size=2.5)
    assert "epochs is -1" in text
    assert "batch_size is 2.5" in text
    text = refused("2 problems", X, ONE_HOT, callbacks=[EarlyStopping(monitor="los", patience=1)])
    assert "one-hot" in text
    assert "did you mean 'loss'" in text


def test_type_problems_are_type_errors_too():
    with pytest.raises(TypeError, match="whole number"):
        classifier().fit(X, Y, epochs=1.5, verbose=0)


def test_misspelt_arguments_name_the_nearest_one():
    model = classifier()
    for call, match in (
        (lambda: model.fit(X, Y, epoch=3), "did you mean 'epochs'"),
        (lambda: model.evaluate(X, Y, batchsize=3), "did you mean 'batch_size'"),
        (lambda: model.predict(X, batchsize=3), "did you mean 'batch_size'"),
        (lambda: model.compile("adam", lossfn="mse"), "did you mean 'loss'"),
        (lambda: EarlyStopping(pateince=3), "did you mean 'patience'"),
        (lambda: epochal.Sequential([], nam="x"), "did you mean 'name'"),
        (lambda: model.train_on_batch(X, Y, weights=1), "sample_weight"),
    ):
        with pytest.raises(TypeError, match=match):
            call()


def test_unknown_names_in_compile_name_the_nearest_one():
    model = epochal.Model(nn.Linear(4, 3))
    for arguments, match in (
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"loss": "mean_square_error"}, "did you mean 'mean_squared_error'"),
        ({"metrics": ["accurracy"]}, "accuracy"),
    ):
        with pytest.raises(ValueError, match=match):
            model.compile(**arguments)
    assert not model.compiled


def test_calls_before_compile_say_so_and_predict_needs_none():
    model = epochal.Model(nn.Linear(4, 3))
    for call in (
        lambda: model.fit(X, ONE_HOT),
        lambda: model.evaluate(X, ONE_HOT),
        lambda: model.train_on_batch(X, ONE_HOT),
        lambda: model.test_on_batch(X, ONE_HOT),
        lambda: model.train_step((X, ONE_HOT)),
    ):
        with pytest.raises(UsageError, match=r"not compiled; call model\.compile"):
            call()
    assert model.predict(X, verbose=0).shape == (20, 3)
    assert model.metrics_names == []


def test_fit_without_an_optimizer_or_a_loss_says_which():
    model = epochal.Model(nn.Linear(4, 3))
    model.compile(optimizer=None, loss="mse")
    with pytest.raises(UsageError, match="no optimizer"):
        model.fit(X, ONE_HOT, verbose=0)
    assert model.evaluate(X, ONE_HOT, verbose=0) > 0
    model.compile("adam")
    with pytest.raises(UsageError, match="no loss"):
        model.fit(X, ONE_HOT, verbose=0)


def test_probabilities_where_the_loss_wants_them_and_logits_where_it_does_not():
    model = epochal.Model(nn.Linear(4, 3))
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(UsageError, match="from_logits=True"):
        model.fit(X * 10, Y, verbose=0)


def test_an_error_in_forward_is_the_users_own_with_a_note():
    class Breaks(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError("mine")

    model = epochal.Model(Breaks())
    model.compile(None, "mse")
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        model.evaluate(X, ONE_HOT, verbose=0)
    assert "before training began" in caught.value.__notes__[0]
    assert "(2, 4)" in caught.value.__notes__[0]


def test_a_loss_that_gives_no_single_number_is_refused():
    model = epochal.Model(nn.Linear(4, 3))
    model.compile("adam", epochal.losses.MeanSquaredError(reduction="none"))
    with pytest.raises(UsageError, match="one number"):
        model.fit(X, ONE_HOT, verbose=0)


def test_a_wrong_number_of_inputs_is_explained():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, a, b):
            return self.layer(a + b)

    model = epochal.Model(Two())
    model.compile("adam", "mse")
    with pytest.raises(UsageError, match=r"forward takes 2 inputs \['a', 'b'\]; x is one tensor"):
        model.fit(X, ONE_HOT, verbose=0)
    with pytest.raises(UsageError, match=r"forward takes 2 inputs .* x has 3"):
        model.fit((X, X, X), ONE_HOT, verbose=0)
    with pytest.raises(UsageError, match="name them alike"):
        model.fit({"a": X, "c": X}, ONE_HOT, verbose=0)
    model.fit((X, X), ONE_HOT, verbose=0)
    model.fit({"b": X, "a": X}, ONE_HOT, verbose=0)


def test_wrapping_something_else_is_refused():
    for wrong in (nn.Linear, "net", None):
        if wrong is None:
            with pytest.raises(UsageError, match="no forward"):
                epochal.Model()(torch.ones(1))
        else:
            with pytest.raises(TypeError, match=r"give a torch\.nn\.Module object"):
                epochal.Model(wrong)


def test_evaluate_checks_monitored_names_too():
    model = classifier()
    with pytest.raises(UsageError, match=r"evaluate: EarlyStopping: .*did you mean 'val_loss'"):
        model.evaluate(X, Y, verbose=0, callbacks=EarlyStopping("val_los"))
    model.evaluate(X, Y, verbose=0, callbacks=EarlyStopping("val_loss"))
