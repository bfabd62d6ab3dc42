"""Models in Keras' formats: what is kept, and what is refused and how."""

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
    Dropout,
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


# What does not fit.


def test_every_difference_is_in_one_error_and_nothing_is_half_loaded(tmp_path):
    model = trained()
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    other = epochal.Sequential([Dense(5, input_dim=3), Dense(1), Dropout(0.5), Dense(2)])
    before = other.get_weights()
    with pytest.raises(UsageError, match="problems") as caught:
        other.load_weights(tmp_path / "m.keras")
    for part in (
        r"layers/dense/vars/0 (dense/kernel) has the shape (3, 4) in the file and (3, 5)",
        "layers/dense_2/vars/0",
        "'layers/batch_normalization/vars/0'",
    ):
        assert part in str(caught.value)
    with pytest.raises(UsageError, match="problems") as caught:
        other.load_weights(tmp_path / "m.h5")
    for part in (
        "the layer 'batch_normalization' has 4 weights in the file, and 'dense_1' of the model has",
        "dense/kernel has the shape (3, 4) in the file, and dense/kernel of the model (3, 5)",
    ):
        assert part in str(caught.value)
    assert same(before, other.get_weights())
    with pytest.raises(UsageError, match="no weights yet"):
        epochal.Sequential([Dense(4)]).load_weights(tmp_path / "m.keras")
    with pytest.raises(UsageError, match=r"3 layers with weights.*the model 2"):
        epochal.Sequential([Dense(4, input_dim=3), Dense(1)]).load_weights(tmp_path / "m.h5")
    with pytest.raises(UsageError, match="found by the order of a model's layers"):
        epochal.Model(nn.Linear(3, 1)).load_weights(tmp_path / "m.h5")


def test_another_optimizers_state_is_refused_and_the_weights_stay(tmp_path):
    model = trained()
    for ending in (".keras", ".h5", ".weights.h5"):
        save = model.save_weights if ending == ".weights.h5" else model.save
        save(tmp_path / f"m{ending}")
        other = network()
        other.compile("sgd", "mse")
        before = other.get_weights()
        with pytest.raises(UsageError, match=r"14 variables.*SGD's state.*has 2"):
            other.restore(tmp_path / f"m{ending}")
        assert same(before, other.get_weights())


def test_a_file_that_is_there_is_kept_where_overwriting_is_refused(tmp_path):
    model = network()
    for name in ("m.keras", "m.h5", "m.safetensors"):
        model.save(tmp_path / name, overwrite=False)
        with pytest.raises(UsageError, match="overwrite is False"):
            model.save(tmp_path / name, overwrite=False)
        model.save(tmp_path / name)
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(UsageError, match="overwrite is False"):
        model.save_weights(tmp_path / "m.weights.h5", overwrite=False)


@pytest.mark.parametrize(
    ("call", "name", "match"),
    [
        ("save", "m.weights.h5", r"holds weights alone: use save_weights"),
        ("save_weights", "m.keras", "holds a whole model"),
        ("save_weights", "m.h5", r"use 'm\.weights\.h5' for weights"),
        ("save", "m.pt", "pickled files"),
        ("save", "m.tf", r"ends in \.tf; use one of \.safetensors"),
    ],
)
def test_a_path_that_a_call_cannot_use_is_refused_with_one_that_it_can(tmp_path, call, name, match):
    with pytest.raises(UsageError, match=match):
        getattr(network(), call)(tmp_path / name)
    with pytest.raises(UsageError, match=match):
        network().check_path(tmp_path / name, weights_only=call == "save_weights")
    assert not list(tmp_path.iterdir())
    network().check_path("m.keras")
    network().check_path("m.weights.h5", weights_only=True)


def test_files_without_what_is_asked_for_say_what_they_hold(tmp_path):
    network().save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(UsageError, match="holds weights alone"):
        load_model(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "bare.h5", "w", libver="earliest") as file:
        file.create_group("model_weights")
    with pytest.raises(UsageError, match="no architecture"):
        load_model(tmp_path / "bare.h5")
    with pytest.raises(UsageError, match="lists no layer_names"):
        network().load_weights(tmp_path / "bare.h5")
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("model.weights.npz", "")
    with pytest.raises(UsageError, match=r"no config\.json"):
        load_model(tmp_path / "m.keras")
    with pytest.raises(UsageError, match=r"\.npz are not read"):
        network().load_weights(tmp_path / "m.keras")
    with pytest.raises(UsageError, match="safe_mode"):
        load_model(tmp_path / "m.keras", safe_mode=False)


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


def bend(x):
    return torch.tanh(x) * 2


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


def test_a_function_as_activation_loads_by_its_name(tmp_path):
    model = network()
    model.save(tmp_path / "m.keras")
    edit(
        tmp_path / "m.keras", lambda c: c["config"]["layers"][1]["config"].update(activation="bend")
    )
    with pytest.raises(UsageError, match="unknown activation 'bend'"):
        load_model(tmp_path / "m.keras")
    twin = load_model(tmp_path / "m.keras", custom_objects={"bend": bend})
    assert twin.layers[0].activation is bend


def edit(path, change):
    """Change the description in a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def layer_becomes(kind, **config):
    def change(description):
        entry = description["config"]["layers"][1]
        entry["class_name"] = kind
        entry["config"] |= config

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (layer_becomes("Dens"), r"the layer 'dense': unknown layer 'Dens': did you mean 'dense'"),
        (layer_becomes("Lambda"), "is a Lambda, which holds Python code"),
        (layer_becomes("Dense", activation={"class_name": "__lambda__"}), "Python code"),
        (layer_becomes("Dense", dtype={"class_name": "DTypePolicy", "config": {}}), "dtype policy"),
        (layer_becomes("Dense", dtype="int8_from_float32"), "quantized"),
        (layer_becomes("Dense", unit=3), "unknown argument 'unit'"),
        (layer_becomes("Dense", lora_rank=2), "lora_rank=2 is not supported"),
        (
            lambda c: c["config"]["layers"][1].update(module="keras.src.ops.numpy"),
            "an operation|the operation",
        ),
        (lambda c: c["config"]["layers"].append(3), "a layer is damaged"),
        (lambda c: c["config"].pop("layers"), "damaged|cannot be made"),
        (lambda c: c.update(class_name="Mine"), "class 'Mine', whose code no file can bring"),
        (lambda c: c.update(compile_config={"optimizer": "lion"}), "unknown optimizer 'lion'"),
        (lambda c: c["compile_config"].update(loss="mze"), "unknown loss 'mze'.*compile=False"),
        (lambda c: c["compile_config"]["optimizer"].pop("class_name"), "compile settings cannot"),
        (lambda c: c["compile_config"].update(optimizer="sgd"), "14 variables"),
    ],
)
def test_a_description_that_cannot_be_used_is_one_error_that_says_where(tmp_path, change, match):
    trained().save(tmp_path / "m.keras")
    edit(tmp_path / "m.keras", change)
    with pytest.raises(UsageError, match=match):
        load_model(tmp_path / "m.keras")


def test_what_keras_wraps_around_values_is_taken_off(tmp_path):
    def change(description):
        entry = description["config"]["layers"][1]["config"]
        entry["dtype"] = {"class_name": "Policy", "config": {"name": "float32"}}
        entry["activation"] = {"class_name": "function", "config": "relu"}
        entry["activity_regularizer"] = None
        layers = description["config"]["layers"]
        layers[2] = {
            "class_name": "Rescaling",
            "config": {
                "name": "scale",
                "scale": {"class_name": "__numpy__", "config": {"value": [1.0, 2, 3, 4]}},
                "offset": {"class_name": "__tuple__", "items": [0.0, 0.0, 0.0, 0.0]},
            },
        }

    model = epochal.Sequential([Dense(4, input_dim=3), Dropout(0.0), Dense(1)])
    model.save(tmp_path / "m.keras")
    edit(tmp_path / "m.keras", change)
    scaled = load_model(tmp_path / "m.keras").layers[1]
    assert (scaled.scale, tuple(scaled.offset)) == ([1.0, 2, 3, 4], (0.0,) * 4)


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


# Older files.


def test_a_file_of_keras_2_opens_and_its_optimizer_starts_anew(tmp_path):
    model = trained()
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file.attrs["keras_version"] = "2.15.0"
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"] = config["config"]["layers"][1:]
        first = config["config"]["layers"][0]["config"]
        first |= {"batch_input_shape": [None, 3], "dtype": "float32"}
        file.attrs["model_config"] = json.dumps(config)
    with pytest.warns(UserWarning, match="Keras 2 wrote the optimizer's state in another order"):
        twin = load_model(tmp_path / "m.h5")
    assert same(model.get_weights(), twin.get_weights())
    assert twin.optimizer.iterations == 0


def test_arguments_that_keras_lacks_are_not_written_while_they_do_nothing(tmp_path):
    model = network()
    model.compile("sgd", "mse", metrics=[metrics.Precision(), metrics.Recall(average="macro")])
    model.save(tmp_path / "m.keras")
    config = json.loads(zipfile.ZipFile(tmp_path / "m.keras").read("config.json"))
    written = [metric["config"] for metric in config["compile_config"]["metrics"]]
    assert "average" not in written[0]
    assert written[1]["average"] == "macro"
    assert load_model(tmp_path / "m.keras").metrics_names == ["loss", "precision", "recall"]


def test_names_too_long_for_one_attribute_are_split_as_keras_splits_them(tmp_path):
    long = "a" * 200
    layers = [Dense(1, name=f"{long}{number}") for number in range(330)]
    model = epochal.Sequential([Input((1,)), *layers])
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert {"layer_names0", "layer_names1"} <= set(file["model_weights"].attrs)
    assert same(model.get_weights(), load_model(tmp_path / "m.h5").get_weights())


class Choosy(Layer):
    """Looks at its weights while it is built, so that it cannot be built without values."""

    def build(self, input_shape):
        self.offset = self.add_weight((input_shape[-1],), "ones", name="offset")
        if float(self.offset.detach().sum()) > 0:
            super().build(input_shape)

    def forward(self, inputs):
        return inputs + self.offset


def test_a_class_of_ones_own_that_needs_values_gets_them(tmp_path):
    model = epochal.Sequential([Dense(2, input_dim=3), Choosy()])
    model.layers[1].offset.data.fill_(5.0)
    for ending in WHOLE:
        model.save(tmp_path / f"m{ending}")
        twin = load_model(tmp_path / f"m{ending}", custom_objects={"Choosy": Choosy})
        assert (twin.predict(X, verbose=0) == model.predict(X, verbose=0)).all()


def test_the_state_of_adafactor_survives_kernels_of_convolutions_as_their_means(tmp_path):
    """Torch and Keras average over other axes there, so only the estimate's means are kept."""
    images = np.random.default_rng(0).normal(size=(4, 5, 5, 2)).astype("float32")
    model = epochal.Sequential([epochal.layers.Conv2D(3, 2, input_shape=(5, 5, 2))])
    model.compile(optimizers.Adafactor(0.01), "mse")
    targets = np.zeros((4, 4, 4, 3), "float32")
    for _ in range(3):
        model.train_on_batch(images, targets)
    model.save(tmp_path / "m.keras")
    twin = load_model(tmp_path / "m.keras")
    before = model.optimizer.state_dict()["row_var/conv2d.weight"]
    after = twin.optimizer.state_dict()["row_var/conv2d.weight"]
    assert after.shape == before.shape
    assert 0.5 < float(after.mean() / before.mean()) < 2.0
    for each in (model, twin):
        each.train_on_batch(images, targets)
    np.testing.assert_allclose(twin.get_weights()[0], model.get_weights()[0], atol=0.005)


def test_loading_draws_no_random_number(tmp_path):
    network().save(tmp_path / "m.keras")
    torch.manual_seed(3)
    load_model(tmp_path / "m.keras")
    first = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(first, torch.rand(1))
