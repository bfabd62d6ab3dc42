"""Freezing a whole model, as transfer learning does, and the lists of weights."""

import numpy as np
import pytest
import torch
from torch import nn

import epochal
from epochal.core.errors import UsageError
from epochal.layers import LSTM, BatchNormalization, Bidirectional, Dense, Dropout, Layer

X, Y = np.random.default_rng(1).normal(size=(12, 3)).astype("float32"), np.ones((12, 1), "float32")


class Net(epochal.Model):
    def __init__(self):
        super().__init__()
        self.base = nn.Sequential(nn.Linear(3, 4), Dense(4), BatchNormalization())
        self.head = Dense(1)

    def call(self, x):
        return self.head(self.base(x))


def fitted(model):
    """Return which weights a fit has changed."""
    model.compile("sgd", "mse")
    model.predict(X, verbose=0)  # builds it
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    return [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]


def base():
    return epochal.Sequential([Dense(4, input_dim=3), BatchNormalization()], name="base")


def test_a_frozen_model_inside_of_another_is_not_trained():
    inner = base()
    inner.trainable = False
    model = epochal.Sequential([inner, Dense(1)])
    assert fitted(model) == [False] * 6 + [True] * 2
    assert not inner.trainable
    assert not inner.layers[0].trainable


def test_a_model_that_was_frozen_before_it_had_weights_stays_so():
    inner = epochal.Sequential([Dense(4), Dense(4)])
    inner.trainable = False
    assert fitted(epochal.Sequential([inner, Dense(1)])) == [False] * 4 + [True] * 2


def test_a_thawed_model_is_trained_again_without_compiling():
    inner = base()
    inner.trainable = False
    model = epochal.Sequential([inner, Dense(1)])
    fitted(model)
    inner.trainable = True
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_freezing_reaches_layers_inside_of_torch_modules():
    model = Net()
    model.predict(X, verbose=0)
    model.base[1].trainable = False
    model.trainable = False
    assert not model.base[2].trainable
    assert model.trainable_weights == []
    model.trainable = True
    assert model.base[1].trainable


def test_freezing_a_wrapped_module_freezes_its_weights():
    model = epochal.Model(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)))
    model.trainable = False
    assert [p.requires_grad for p in model.network.parameters()] == [False] * 4


def test_thawing_leaves_what_is_never_trained_as_it_is():
    class Counts(Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(name="scale")
            self.seen = self.add_weight(name="seen", dtype="int64", trainable=False)
            super().build(input_shape)

        def call(self, x):
            return x + self.scale

    model = epochal.Model(nn.Sequential(Counts(), Dense(1)))
    model.predict(X, verbose=0)
    for value in (False, True):
        model.trainable = value
    assert len(model.trainable_weights) == 3
    assert [w.dtype for w in model.non_trainable_weights] == [torch.int64]


def test_the_lists_hold_each_weight_once():
    model = epochal.Sequential(
        [Dense(4, input_dim=3), BatchNormalization(), Dropout(0.5), Dense(1, trainable=False)]
    )
    assert len(model.trainable_weights) == 4
    assert len(model.non_trainable_weights) == 4
    assert model.trainable_variables == model.trainable_weights
    assert len(model.non_trainable_variables) == 4
    layer = model.layers[1]
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (2, 2)


def test_a_bias_that_only_torch_needs_is_no_weight():
    layer = Bidirectional(LSTM(2))
    layer(torch.zeros(1, 3, 4))
    assert layer.non_trainable_weights == []


def test_a_summary_counts_what_count_params_counts(capsys):
    model = epochal.Sequential([Bidirectional(LSTM(2), input_shape=(3, 4)), Dense(1)])
    model.layers[1].trainable = False
    model.summary()
    shown = capsys.readouterr().out
    assert f"Parameters: {model.count_params()} " in shown
    assert "Trained: 112" in shown
    assert "Not trained: 5" in shown


def test_freezing_lazy_modules_of_torch_that_have_no_weights_is_an_error_that_says_when():
    model = epochal.Model(nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 1)))
    with pytest.raises(UsageError, match=r"LazyLinear of torch has no weights.*call the model on"):
        model.trainable = False
