"""Models in Keras' formats: what is kept."""

import json
import zipfile

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import epochal
from epochal import losses, metrics, optimizers
from epochal.core.errors import UsageError
from epochal.layers import (
    LSTM,
    BatchNormalization,
    Bidirectional,
    Dense,
    Input,
    Lambda,
    Layer,
)
from epochal.models import load_model

X = np.random.default_rng(1).normal(size=(16, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
WHOLE = (".keras", ".h5", ".hdf5")


def network(name="net"):
    layers = [Dense(4, activation="relu", input_dim=3), BatchNormalization(), Dense(1)]
    return epochal.Sequential(layers, name=name)


def trained(optimizer="adam", loss="mse", **settings):
    model = network()
    model.compile(optimizer, loss, **settings)
    model.fit(X, Y, epochs=2, verbose=0)
    return model


def same(first, second):
    assert len(first) == len(second)
    return all((a == b).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("ending", WHOLE)
def test_a_whole_model_goes_on_as_if_it_had_never_been_saved(tmp_path, ending):
    model = trained(metrics=["mae", metrics.MeanSquaredError(name="m")])
    model.save(tmp_path / f"m{ending}")
    twin = load_model(tmp_path / f"m{ending}")
    assert same(model.get_weights(), twin.get_weights())
    assert (twin.name, list(twin.state_dict())) == ("net", list(model.state_dict()))
    for each in (model, twin):
        each.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    assert model.history.history == twin.history.history
    assert same(model.get_weights(), twin.get_weights())
    assert not load_model(tmp_path / f"m{ending}", compile=False).compiled


def make_rprop():
    return optimizers.Rprop(0.001)


def make_adafactor():
    return optimizers.Adafactor(0.01)


def make_scheduled():
    decay = optimizers.schedules.ExponentialDecay(0.05, decay_steps=3, decay_rate=0.9)
    return optimizers.Adam(decay, clipnorm=1.0, weight_decay=0.01)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.SGD(0.01),
        lambda: optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        lambda: optimizers.SGD(0.01, momentum=0.5, use_ema=True),
        lambda: optimizers.SGD(0.01, gradient_accumulation_steps=3),
        lambda: optimizers.Adam(amsgrad=True),
        optimizers.AdamW,
        lambda: optimizers.RMSprop(momentum=0.5, centered=True),
        optimizers.Adagrad,
        optimizers.Adadelta,
        optimizers.Adamax,
        optimizers.Nadam,
        make_adafactor,
        make_rprop,
        make_scheduled,
    ],
)
def test_every_optimizer_goes_on_from_the_state_in_a_file(tmp_path, make):
    model = network()
    model.layers[0].trainable = False
    model.compile(make(), "mse")
    for _ in range(4):  # in the middle of a round, where gradients are accumulated
        model.train_on_batch(X, Y)
    model.save(tmp_path / "m.keras")
    twin, fresh = load_model(tmp_path / "m.keras"), network()
    fresh.layers[0].trainable = False
    fresh.compile(make(), "mse")
    fresh.restore(tmp_path / "m.keras")
    count = model.optimizer.iterations
    assert (twin.optimizer.iterations, fresh.optimizer.iterations) == (count, count)
    for each in (model, twin, fresh):
        for _ in range(4):
            each.train_on_batch(X, Y)
    for each in (twin, fresh):
        for one, other in zip(model.get_weights(), each.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
def test_weights_and_optimizer_state_go_into_a_model_made_in_code(tmp_path, ending):
    model = trained()
    path = tmp_path / f"m{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    twin = network()
    twin.load_weights(path)
    assert same(model.get_weights(), twin.get_weights())
    twin.compile("adam", "mse")
    twin.restore(path)
    assert twin.optimizer.iterations == model.optimizer.iterations == 2
    for each in (model, twin):
        each.train_on_batch(X, Y)
    assert same(model.get_weights(), twin.get_weights())


def test_a_model_that_was_never_trained_is_compiled_when_it_is_loaded(tmp_path):
    model = network()
    model.compile(optimizers.SGD(0.3, momentum=0.9), losses.Huber(2.0), loss_weights=[2.0])
    for ending in WHOLE:
        model.save(tmp_path / f"m{ending}")
        twin = load_model(tmp_path / f"m{ending}")
        assert (twin.optimizer.iterations, twin.optimizer.learning_rate) == (0, 0.3)
        assert twin.loss["config"]["delta"] == 2.0
        assert twin.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_the_same_model_gives_the_same_bytes_and_says_so_in_a_zip_of_three_members(tmp_path):
    model = trained()
    for name in ("a", "b"):
        for ending in (".keras", ".h5", ".weights.h5"):
            save = model.save_weights if ending == ".weights.h5" else model.save
            save(tmp_path / f"{name}{ending}")
    for ending in (".keras", ".h5", ".weights.h5"):
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]


def test_groups_are_named_by_class_as_keras_names_them(tmp_path):
    inner = epochal.Sequential([Dense(2, name="head")], name="inside")
    model = epochal.Sequential(
        [Input((4, 3)), Bidirectional(LSTM(2)), inner, Dense(2, name="first"), Dense(2)]
    )
    model.save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5") as file:
        found = []
        file.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    assert "layers/bidirectional/backward_layer/cell/vars/2" in found
    assert {"layers/sequential/layers/dense/vars/0", "layers/dense/vars/0"} <= set(found)
    assert "layers/dense_1/vars/1" in found


def test_bfloat16_weights_keep_every_bit(tmp_path):
    model = epochal.Sequential([Input((3,)), Dense(2, dtype="bfloat16")])
    for ending in WHOLE:
        model.save(tmp_path / f"m{ending}")
        twin = load_model(tmp_path / f"m{ending}")
        assert twin.layers[0].weight.dtype == torch.bfloat16
        assert torch.equal(twin.layers[0].weight, model.layers[0].weight)


def test_mixed_precision_is_a_policy_of_the_layers_in_the_file(tmp_path):
    model = trained(mixed_precision="bfloat16", steps_per_execution=2)
    for ending in WHOLE:
        model.save(tmp_path / f"m{ending}")
        twin = load_model(tmp_path / f"m{ending}")
        assert twin._compiled.execution == model._compiled.execution
        assert twin.layers[0].weight.dtype == torch.float32
    config = json.loads(zipfile.ZipFile(tmp_path / "m.keras").read("config.json"))
    assert config["config"]["layers"][1]["config"]["dtype"]["config"]["name"] == "mixed_bfloat16"


def test_a_users_module_has_its_weights_in_keras_file_under_its_own_names(tmp_path):
    def make():
        return epochal.Model(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)))

    model, twin = make(), make()
    model.save_weights(tmp_path / "w.weights.h5")
    twin.load_weights(tmp_path / "w.weights.h5")
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True)
    )
    for ending in WHOLE:
        with pytest.raises(UsageError, match=r"made by your code alone.*save_weights"):
            model.save(tmp_path / f"m{ending}")
    with pytest.raises(UsageError, match="is a Linear, which no file can describe"):
        epochal.Sequential([nn.Linear(3, 1)]).save(tmp_path / "m.keras")


# Classes and functions of the user's own.


class Scale(Layer):
    def __init__(self, factor=2.0, **keywords):
        super().__init__(**keywords)
        self.factor = factor

    def build(self, input_shape):
        self.offset = self.add_weight((input_shape[-1],), "ones", name="offset")
        self.register_buffer("table", torch.arange(3.0), persistent=False)
        super().build(input_shape)

    def forward(self, inputs):
        return inputs * self.factor + self.offset + self.table.sum()


class Own(metrics.MeanAbsoluteError):
    pass


def squared(y_true, y_pred):
    return (y_true - y_pred).square().mean(-1)


@pytest.mark.parametrize("ending", WHOLE)
def test_classes_and_functions_of_ones_own_load_by_custom_objects(tmp_path, ending):
    model = epochal.Sequential([Dense(2, input_dim=3), Scale(3.0), Dense(1)])
    model.compile("adam", squared, metrics=[Own(name="own"), squared])
    model.fit(X, Y, verbose=0)
    path = tmp_path / f"m{ending}"
    model.save(path)
    with pytest.raises(UsageError, match=r"layer 'scale'.*unknown layer 'Scale'"):
        load_model(path)
    with pytest.raises(UsageError, match=r"compile settings.*squared.*custom_objects"):
        load_model(path, custom_objects={"Scale": Scale})
    custom = {"Scale": Scale, "squared": squared, "Own": Own}
    twin = load_model(path, custom_objects=custom)
    assert twin.layers[1].factor == 3.0
    assert twin.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    for each in (model, twin):
        each.train_on_batch(X, Y)
    assert same(model.get_weights(), twin.get_weights())


class Stack(epochal.Sequential):
    pass


@pytest.mark.parametrize("ending", WHOLE)
def test_a_subclass_of_sequential_loads_by_custom_objects(tmp_path, ending):
    model = Stack([Dense(2, input_dim=3), Scale(3.0)], name="mine")
    model.compile("adam", "mse")
    model.train_on_batch(X, X[:, :2])
    model.save(tmp_path / f"m{ending}")
    with pytest.raises(UsageError, match=r"class 'Stack', whose code no file can bring"):
        load_model(tmp_path / f"m{ending}")
    custom = {"Stack": Stack, "Scale": Scale}
    twin = load_model(tmp_path / f"m{ending}", custom_objects=custom)
    assert type(twin) is Stack
    assert (twin.name, twin.optimizer.iterations) == ("mine", 1)
    assert same(twin.get_weights(), model.get_weights())


@pytest.mark.parametrize(
    ("optimizer", "loss", "match"),
    [
        (torch.optim.ASGD, "mse", "the optimizer TorchOptimizer cannot be made"),
        (
            optimizers.SGD(lambda step: 0.1),
            "mse",
            "the learning rate 'lambda' is code|the learning rate .* is code",
        ),
        ("sgd", nn.MSELoss(), "has no name that a file could hold"),
    ],
)
def test_settings_that_no_file_can_hold_are_left_out_with_a_warning(
    tmp_path, optimizer, loss, match
):
    model = trained(optimizer, loss)
    for ending in WHOLE:
        with pytest.warns(UserWarning, match=f"no compile settings.*{match}"):
            model.save(tmp_path / f"m{ending}")
        twin = load_model(tmp_path / f"m{ending}")
        assert not twin.compiled
        assert same(model.get_weights(), twin.get_weights())


def test_a_lambda_is_refused_when_it_is_saved(tmp_path):
    model = epochal.Sequential([Dense(1, input_dim=3), Lambda(lambda x: x)])
    with pytest.raises(UsageError, match="a Lambda cannot be saved"):
        model.save(tmp_path / "m.keras")


def test_metrics_and_losses_that_came_from_a_file_are_written_as_before(tmp_path):
    # Keras refuses an entry that does not say which module its class is of.
    model = epochal.Sequential([Dense(3, activation="softmax", input_dim=2)])
    model.compile(
        "sgd",
        epochal.losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=[
            epochal.metrics.Precision(thresholds=[0.2, 0.6], name="at_two"),
            epochal.metrics.Recall(top_k=2, class_id=1),
        ],
    )
    model.save(tmp_path / "a.keras")
    load_model(tmp_path / "a.keras").save(tmp_path / "b.keras")
    described = []
    for name in ("a.keras", "b.keras"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            described.append(json.loads(archive.read("config.json"))["compile_config"])
    assert described[0]["metrics"] == described[1]["metrics"]
    assert described[0]["loss"] == described[1]["loss"]
    assert {entry["module"] for entry in described[1]["metrics"]} == {"keras.metrics"}
    again = load_model(tmp_path / "b.keras").metrics
    assert [metric.name for metric in again] == ["at_two", "recall"]
    assert (again[0].thresholds, again[1].top_k, again[1].class_id) == ([0.2, 0.6], 2, 1)
