"""`clone_model`: the same layers, other weights."""

import numpy as np
import pytest
import torch
from torch import nn

import epochal
from epochal.core.errors import UsageError, UsageTypeError
from epochal.layers import Dense, Dropout, Layer
from epochal.models import clone_model


class Scale(Layer):
    def __init__(self, factor=2.0, **keywords):
        super().__init__(**keywords)
        self.factor = factor

    def call(self, x):
        return x * self.factor


def test_a_clone_has_the_layers_and_weights_of_its_own():
    inner = epochal.Sequential([Dense(4, trainable=False), Scale(3.0)], name="inner")
    model = epochal.Sequential([Dense(3, input_dim=2, name="first"), inner, Dropout(0.5), Dense(1)])
    model.compile("sgd", "mse")
    clone = clone_model(model)
    assert clone.get_config() == model.get_config()
    assert not clone.compiled
    assert clone.layers[1].layers[1].factor == 3.0
    assert not clone.layers[1].layers[0].trainable
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    before = model.get_weights()[0].copy()
    clone.set_weights(model.get_weights())
    x = torch.rand(5, 2)
    assert np.array_equal(clone.predict(x, verbose=0), model.predict(x, verbose=0))
    clone.layers[0].set_weights([np.zeros((2, 3)), np.zeros(3)])
    assert np.array_equal(model.get_weights()[0], before)


def test_a_subclass_of_sequential_is_cloned_as_one():
    class Mine(epochal.Sequential):
        pass

    assert type(clone_model(Mine([Dense(1)]))) is Mine


@pytest.mark.parametrize(
    ("thing", "kind", "message"),
    [
        (epochal.Model(nn.Linear(1, 1)), UsageTypeError, "call its constructor again.*deepcopy"),
        ("model", UsageTypeError, "got a str.*give a Sequential"),
        (epochal.Sequential([nn.Linear(1, 1)]), UsageError, "'linear' is a Linear"),
    ],
)
def test_what_nothing_describes_cannot_be_cloned(thing, kind, message):
    with pytest.raises(kind, match=message):
        clone_model(thing)
