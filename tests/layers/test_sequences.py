"""Layers for sequences: what they compute step by step."""

import pytest
import torch

import epochal
from epochal.core.errors import UsageError
from epochal.layers import GRU, LSTM, BatchNormalization, Conv2D, Dense, Input, RepeatVector
from epochal.layers import TimeDistributed as Distributed


def test_each_step_goes_through_the_layer_by_itself():
    layer, x = Distributed(Conv2D(3, 2)), torch.rand(2, 4, 6, 5, 2)
    together = layer(x)
    for step in range(4):
        assert torch.allclose(together[:, step], layer.layer(x[:, step]), atol=1e-6)


def test_a_repeated_vector_is_the_same_at_every_step():
    x = torch.rand(2, 3)
    assert all(torch.equal(step, x) for step in RepeatVector(4)(x).unbind(1))


def test_an_autoencoder_of_sequences_knows_its_shapes_and_learns():
    model = epochal.Sequential(
        [
            Input((5, 2)),
            LSTM(8),
            RepeatVector(5),
            LSTM(8, return_sequences=True),
            Distributed(Dense(2)),
        ]
    )
    assert model.output_shape == (None, 5, 2)
    x = torch.linspace(-1, 1, 40).reshape(4, 5, 2)
    model.compile(epochal.optimizers.Adam(0.02), "mse")
    losses = model.fit(x, x, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4


def test_a_distributed_layer_comes_back_from_its_config():
    layer = Distributed(Dense(3, activation="relu", name="inside"), name="outside")
    again = Distributed.from_config(layer.get_config())
    assert (again.name, again.layer.name, again.layer.units) == ("outside", "inside", 3)
    assert again.get_config() == layer.get_config()


def test_freezing_reaches_the_layer_inside():
    layer = Distributed(BatchNormalization(), trainable=False)
    layer(torch.rand(2, 3, 4))
    assert layer.trainable_weights == []
    layer.trainable = True
    assert len(layer.trainable_weights) == 2


def test_a_layer_of_several_outputs_is_refused():
    layer = Distributed(GRU(2, return_state=True))
    with pytest.raises(UsageError, match="returns one tensor"):
        layer(torch.rand(2, 3, 4, 5))


def test_what_the_layer_inside_cannot_take_is_named():
    with pytest.raises(UsageError, match=r"^Conv2D: got input of shape \(4, 6, 7\)"):
        Distributed(Conv2D(3, 2))(torch.rand(4, 5, 6, 7))
