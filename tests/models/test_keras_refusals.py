"""Models in Keras' formats: what is refused, and how; older files and rare layers."""

import json
import zipfile

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import epochal
from epochal import metrics, optimizers
from epochal.core.errors import UsageError
from epochal.layers import (
    BatchNormalization,
    Dense,
    Dropout,
    Input,
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


def bend(x):
    return torch.tanh(x) * 2


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
