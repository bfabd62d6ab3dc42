"""Weights and whole models in files."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import epochal
from epochal.core.errors import UsageError
from epochal.layers import Dense, Layer
from epochal.models import load_model

X = np.random.default_rng(1).normal(size=(32, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def network():
    return epochal.Sequential([Dense(4, activation="relu", input_dim=3), Dense(1)], name="net")


def test_weights_go_to_a_file_and_back_and_other_tools_read_it(tmp_path):
    model, twin = network(), network()
    path = tmp_path / "deep" / "folder" / "w.safetensors"
    model.save_weights(path)
    twin.load_weights(path)
    assert (model.predict(X, verbose=0) == twin.predict(X, verbose=0)).all()
    assert set(load_file(path)) == set(model.state_dict())
    other = tmp_path / "foreign.safetensors"
    save_file(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).state_dict(), other)
    plain = epochal.Model(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))
    plain.load_weights(other)
    assert torch.equal(plain.network[0].weight, load_file(other)["0.weight"])


def test_a_whole_model_goes_on_training_as_if_it_had_never_been_saved(tmp_path):
    model = network()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, epochs=3, verbose=0)
    model.optimizer.learning_rate = 0.02
    model.save(tmp_path / "m.safetensors")
    twin = load_model(tmp_path / "m.safetensors")
    assert twin.name == "net"
    assert twin.optimizer.iterations == 3
    assert twin.optimizer.learning_rate == pytest.approx(0.02)
    for each in (model, twin):
        each.fit(X, Y, epochs=3, shuffle=False, verbose=0)
    assert model.history.history == twin.history.history
    assert all((a == b).all() for a, b in zip(model.get_weights(), twin.get_weights(), strict=True))
    bare = load_model(tmp_path / "m.safetensors", compile=False)
    assert not bare.compiled
    network().load_weights(tmp_path / "m.safetensors")


def test_losses_and_metrics_without_a_name_leave_the_loaded_model_uncompiled(tmp_path):
    model = network()
    model.compile("adam", lambda y_true, y_pred: (y_true - y_pred).abs().mean())
    model.save(tmp_path / "m.safetensors")
    assert not load_model(tmp_path / "m.safetensors").compiled
    loss, metric = epochal.losses.Huber(2.0), epochal.metrics.MeanAbsoluteError(name="m")
    model.compile("sgd", [loss], metrics={"": metric} and [metric], loss_weights=[2.0])
    model.save(tmp_path / "m.safetensors")
    twin = load_model(tmp_path / "m.safetensors")
    assert twin.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))
    assert twin.metrics_names == ["loss", "m"]


def test_a_users_own_module_is_saved_and_its_weights_load_into_it(tmp_path):
    model = epochal.Model(nn.Linear(3, 1))
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match="no architecture; make the model in your code"):
        load_model(tmp_path / "m.safetensors")
    twin = epochal.Model(nn.Linear(3, 1))
    twin.load_weights(tmp_path / "m.safetensors")
    assert torch.equal(twin.network.weight, model.network.weight)


def test_layers_of_ones_own_load_by_custom_objects(tmp_path):
    class Scale(Layer):
        def __init__(self, factor=2.0, **keywords):
            super().__init__(**keywords)
            self.factor = factor

        def forward(self, inputs):
            return inputs * self.factor

    model = epochal.Sequential([Dense(1, input_dim=3), Scale(3.0)])
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match="unknown layer 'Scale'"):
        load_model(tmp_path / "m.safetensors")
    twin = load_model(tmp_path / "m.safetensors", custom_objects={"Scale": Scale})
    assert (twin.predict(X, verbose=0) == model.predict(X, verbose=0)).all()


def test_every_difference_is_in_one_error_and_nothing_is_half_loaded(tmp_path):
    path = tmp_path / "w.safetensors"
    network().save_weights(path)
    other = epochal.Sequential([Dense(5, input_dim=3), Dense(1, name="head")])
    before = other.get_weights()
    with pytest.raises(UsageError, match="problems") as caught:
        other.load_weights(path)
    text = str(caught.value)
    for part in (
        "dense.weight has the shape (4, 3) in the file and (5, 3)",
        "head.weight",
        "the model lacks a weight of the file",
        "dense_1.weight",
    ):
        assert part in text
    assert all((a == b).all() for a, b in zip(before, other.get_weights(), strict=True))
    with pytest.raises(UsageError, match="no weights yet"):
        epochal.Sequential([Dense(4)]).load_weights(path)


@pytest.mark.parametrize("name", ["m.pt", "m.onnx", "m"])
def test_other_endings_are_refused(tmp_path, name):
    for save in (network().save, network().save_weights):
        with pytest.raises(UsageError, match="safetensors"):
            save(tmp_path / name)


def test_a_damaged_description_is_an_error_that_names_the_file(tmp_path):
    import json

    path = tmp_path / "m.safetensors"
    notes = {"metadata": {"model": '{"layers": 3}'}, "ties": {}}
    save_file({"a": torch.ones(1)}, path, {"epochal": json.dumps(notes)})
    with pytest.raises(UsageError, match=r"m\.safetensors.*damaged"):
        load_model(path)


def test_state_that_is_no_tensor_cannot_be_saved(tmp_path):
    class Extra(nn.Module):
        def get_extra_state(self):
            return {"anything": 1}

        def set_extra_state(self, state):
            pass

    with pytest.raises(UsageError, match="only tensors can be saved"):
        epochal.Model(Extra()).save_weights(tmp_path / "w.safetensors")


def test_a_model_whose_first_batch_made_its_weights_is_saved_with_their_shapes(tmp_path):
    words = torch.randint(9, (4, 5))
    lazy = epochal.Sequential(
        [epochal.layers.Embedding(9, 3), epochal.layers.LSTM(4), epochal.Sequential([Dense(1)])]
    )
    lazy.compile("adam", "mse")
    lazy.fit(words, torch.zeros(4, 1), verbose=0)
    called = epochal.Sequential([Dense(2), Dense(1)])
    called(torch.ones(2, 3))
    for number, (model, data) in enumerate(((lazy, words), (called, X))):
        model.save(tmp_path / f"{number}.safetensors")
        twin = load_model(tmp_path / f"{number}.safetensors")
        assert twin.input_shape == (None, *data.shape[1:])
        assert (twin.predict(data, verbose=0) == model.predict(data, verbose=0)).all()
