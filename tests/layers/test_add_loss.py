"""`add_loss`: terms that a layer adds to the model's loss."""

import copy

import numpy as np
import pytest
import torch

import epochal
from epochal.core.errors import UsageError
from epochal.layers import Dense, Input, Layer

X, Y = np.ones((12, 3), "float32"), np.zeros((12, 1), "float32")


class Quiet(Layer):
    def __init__(self, rate=1.0, **keywords):
        super().__init__(**keywords)
        self.rate = rate

    def call(self, x):
        self.add_loss(self.rate * x.mean())
        self.add_loss(self.rate)
        return x


class QuietInTraining(Layer):
    def call(self, x, training=None):
        if training:
            self._note(x)
        return x

    def _note(self, x):
        self.add_loss(x.mean())


def compiled(*layers, **keywords):
    model = epochal.Sequential([Input((3,)), *layers, Dense(1, kernel_initializer="zeros")])
    model.compile(epochal.optimizers.SGD(0.0), "mse", **keywords)
    return model


def test_what_a_layer_adds_is_in_the_loss_of_training_validation_and_evaluation():
    model = compiled(Quiet(0.25), Quiet(0.5))
    history = model.fit(X, Y, epochs=2, batch_size=4, verbose=0, validation_data=(X, Y)).history
    assert history == {"loss": [1.5, 1.5], "val_loss": [1.5, 1.5]}
    assert model.evaluate(X, Y, verbose=0) == 1.5
    assert model.train_on_batch(X, Y) == 1.5
    assert model.test_on_batch(X, Y) == 1.5
    model.predict(X, verbose=0)
    assert model.evaluate(X, Y, verbose=0) == 1.5


def test_what_is_added_in_training_only_is_in_no_other_loss():
    model = compiled(QuietInTraining())
    assert model.evaluate(X, Y, verbose=0) == 0.0
    history = model.fit(X, Y, verbose=0, validation_data=(X, Y)).history
    assert history == {"loss": [1.0], "val_loss": [0.0]}


def test_gradients_flow_through_what_was_added():
    model = epochal.Sequential(
        [Input((3,)), Dense(2, kernel_initializer="ones"), Quiet(), Dense(1)]
    )
    model.layers[2].trainable = False
    model.layers[2].set_weights([np.zeros((2, 1)), np.zeros(1)])
    model.compile(epochal.optimizers.SGD(1.0), "mse")
    model.fit(X, Y, verbose=0)
    assert np.allclose(model.layers[0].get_weights()[0], 0.5)


def test_compute_loss_of_a_step_of_ones_own_has_it():
    class Stepping(epochal.Model):
        def __init__(self):
            super().__init__()
            self.quiet, self.head = Quiet(), Dense(1, kernel_initializer="zeros")

        def call(self, x):
            return self.head(self.quiet(x))

        def train_step(self, data):
            loss = self.compute_loss(y=data[1], y_pred=self(data[0]))
            loss.backward()
            return {"loss": loss}

    model = Stepping()
    model.compile("sgd", "mse")
    assert model.fit(X, Y, verbose=0).history == {"loss": [2.0]}


def test_a_layer_that_has_added_something_can_be_copied():
    model = compiled(Quiet())
    model(torch.ones(2, 3, requires_grad=True))
    assert copy.deepcopy(model).evaluate(X, Y, verbose=0) == 2.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Quiet().add_loss(torch.ones(3)), r"shape \(3,\); give one number"),
        (lambda: Dense(1).add_loss(1.0), "in a method of the layer's own class"),
        (lambda: epochal.Sequential([Dense(1)]).add_loss(1.0), "override compute_loss"),
    ],
)
def test_what_cannot_be_added_is_an_error(call, message):
    with pytest.raises(UsageError, match=message):
        call()
