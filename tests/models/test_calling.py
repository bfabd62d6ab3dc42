"""Calling a model by hand, as Keras users do: NumPy arrays, `training=`, single samples."""

import numpy as np
import pytest
import torch
from torch import nn

import epochal
from epochal.core.errors import UsageError, UsageTypeError
from epochal.layers import Concatenate, Dense, Dropout, Input, Layer

X, Y = np.ones((12, 3)), np.ones((12, 1))


class Net(epochal.Model):
    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.drop = Dropout(0.5)

    def call(self, x):
        return self.drop(x)


class Telling(epochal.Model):
    def __init__(self):
        super().__init__()
        self.drop = Dropout(0.5)

    def call(self, x, training=None):
        self.told = training
        return self.drop(x)


class Summing(epochal.Model):
    def call(self, inputs):
        return inputs["a"] + inputs["b"][0]


MODELS = [
    lambda: epochal.Sequential([Dropout(0.5)]),
    Net,
    Telling,
    lambda: epochal.Model(nn.Dropout(0.5)),
]


@pytest.mark.parametrize("make", MODELS)
def test_training_decides_whether_dropout_acts_and_leaves_the_mode_as_it_was(make):
    model = make()
    for mode in (True, False):
        model.train(mode)
        assert torch.equal(model(torch.ones(50, 4), training=False), torch.ones(50, 4))
        assert (model(torch.ones(50, 4), training=True) == 0).any()
        assert model.training is mode
        assert all(part.training is mode for part in model.modules())


def test_modules_that_the_user_switched_alone_stay_switched():
    model = Net()
    model.drop.eval()
    model(torch.ones(1, 4), training=False)
    assert model.training
    assert not model.drop.training


def test_a_call_that_asks_for_training_is_told_what_was_given():
    model = Telling()
    model(torch.ones(1, 4), training=False)
    assert model.told is False
    model(torch.ones(1, 4), training=True)
    assert model.told is True
    model(torch.ones(1, 4), training=None)
    assert model.told is True


def test_a_wrapped_module_with_an_argument_training_is_given_it():
    class Own(nn.Module):
        def forward(self, x, training="auto"):
            return x, training

    model = epochal.Model(Own())
    assert model(torch.ones(1), training="always")[1] == "always"


def test_a_training_step_in_keras_words_calls_the_model_with_training():
    class Stepping(epochal.Model):
        def __init__(self):
            super().__init__()
            self.dense = Dense(1)

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            x, y = data
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            loss.backward()
            self.optimizer.step()
            return {"loss": loss}

    model = Stepping()
    model.compile("sgd", "mse")
    losses = model.fit(X, Y, epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[0]


@pytest.mark.parametrize("make", MODELS)
def test_models_can_be_called_on_numpy_arrays(make):
    out = make()(np.ones((2, 4)), training=False)
    assert out.dtype == torch.float32
    assert torch.equal(out, torch.ones(2, 4))


def test_arrays_inside_of_nested_inputs_become_tensors():
    a = np.ones(3, dtype="float32")
    assert Summing()({"a": a, "b": [torch.ones(3)]}).tolist() == [2, 2, 2]


def test_nested_tensors_reach_the_model_as_they_were_given():
    class Same(epochal.Model):
        def call(self, x):
            return x

    given = {"a": torch.ones(1)}
    assert Same()(given) is given


def test_training_is_no_input_of_a_sequential():
    model = epochal.Sequential([Concatenate(), Dense(1)])
    assert model.predict([X, X], verbose=0).shape == (12, 1)


def test_one_sample_without_a_batch_axis_is_an_error_that_says_how_to_give_it():
    model = epochal.Sequential([Input((3,)), Dense(1)])
    with pytest.raises(UsageError, match=r"of shape \(3,\); expected \(None, 3\).*x\[None"):
        model.predict(X[0], verbose=0)


def test_a_last_axis_of_one_may_be_left_out_or_be_too_many_as_in_keras():
    model = epochal.Sequential([Input((1,)), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.arange(6.0), np.arange(6.0), verbose=0)
    assert model.predict(np.arange(6.0), verbose=0).shape == (6, 1)
    images = epochal.Sequential([Input((4, 4), batch_size=2), Dense(1)])
    assert images(torch.ones(2, 4, 4, 1)).shape == (2, 4, 1)


def test_axes_too_many_are_an_error():
    model = epochal.Sequential([Input((3,)), Dense(1)])
    with pytest.raises(UsageError, match=r"got input of shape \(2, 5, 3\); expected \(None, 3\)$"):
        model(torch.ones(2, 5, 3))


def test_a_subclass_takes_a_name_and_has_one_without():
    assert Net(name="mine").name == "mine"
    assert Net().name == "net"
    assert epochal.Model(nn.Linear(1, 1), name="line").name == "line"
    assert epochal.Model(nn.Linear(1, 1)).name == "linear"


@pytest.mark.parametrize(
    "make",
    [
        lambda i: epochal.Model(i, i),
        lambda i: epochal.Model(inputs=i, outputs=i),
        lambda i: epochal.Model([i], i),
        lambda i: epochal.Model(i),
        Dense(3),
        lambda i: Concatenate()([i, i]),
    ],
)
def test_the_functional_api_is_refused_with_what_to_do_instead(make):
    with pytest.raises(UsageTypeError, match=r"no functional API.*Sequential.*subclass"):
        make(Input((3,)))


def test_a_misspelt_argument_of_a_model_is_an_error():
    with pytest.raises(UsageTypeError, match="did you mean 'name'"):
        epochal.Model(nn.Linear(1, 1), nmae="x")


def test_a_layer_called_on_an_array_says_how_to_make_a_tensor():
    with pytest.raises(UsageTypeError, match=r"Dense: got a NumPy array.*torch.as_tensor"):
        Dense(2)(X)


def test_a_layer_whose_build_does_not_call_its_base_works_in_a_sequential():
    class Scale(Layer):
        def build(self, input_shape):
            self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

        def call(self, x):
            return x * self.factor

    model = epochal.Sequential([Input((3,)), Scale(), Scale(trainable=False), Dense(1)])
    assert list(model.state_dict())[:2] == ["scale.factor", "scale_1.factor"]
    assert len(model.trainable_weights) == 3
    assert model.layers[0].built
    assert model.predict(X, verbose=0).shape == (12, 1)
