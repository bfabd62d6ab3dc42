"""Layers in a row: building, naming, changing, describing."""

import numpy as np
import pytest
import torch
from torch import nn

import epochal
from epochal.core.errors import UsageError
from epochal.layers import Conv2D, Dense, Embedding, Flatten, Input, Lambda

X = np.random.default_rng(1).normal(size=(6, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("first", [[Input((8, 8, 3))], [Input(batch_shape=(None, 8, 8, 3))], []])
def test_an_input_shape_makes_the_weights_at_once(first):
    conv = Conv2D(4, 3) if first else Conv2D(4, 3, input_shape=(8, 8, 3))
    model = epochal.Sequential([*first, conv, Flatten(), Dense(2)])
    assert model.count_params() == 3 * 3 * 3 * 4 + 4 + 6 * 6 * 4 * 2 + 2
    assert model.input_shape == (None, 8, 8, 3)
    assert model.output_shape == (None, 2)
    assert len(model.layers) == 3
    assert model.predict(X, verbose=0).shape == (6, 2)


def test_without_a_shape_the_first_batch_makes_the_weights():
    model = epochal.Sequential([Conv2D(4, 3), nn.Flatten(), Dense(2)])
    assert model.input_shape is None
    assert model.predict(X, verbose=0).shape == (6, 2)
    assert model.input_shape == (None, 8, 8, 3)
    assert model.count_params() == 112 + 290
    built = epochal.Sequential([Dense(2)])
    built.build((None, 5))
    assert built.count_params() == 12


def test_building_early_and_late_draws_the_same_weights():
    weights = []
    for first in ([Input((8, 8, 3))], []):
        torch.manual_seed(4)
        model = epochal.Sequential([*first, Conv2D(4, 3), Flatten(), Dense(2)])
        model.predict(X, verbose=0)
        weights.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(*weights, strict=True))


def test_layers_of_one_name_are_numbered_and_own_names_stay():
    model = epochal.Sequential(
        [Dense(2), Dense(2), nn.Linear(2, 2), Dense(2, name="head"), nn.ReLU()]
    )
    assert list(dict(model.named_children())) == ["dense", "dense_1", "linear", "head", "re_lu"]
    assert model.get_layer("head") is model.layers[3]
    assert model.get_layer(index=-1) is model.layers[4]
    for wrong in ({"name": "hed"}, {"index": 9}, {}, {"name": "head", "index": 1}):
        with pytest.raises(UsageError, match="get_layer"):
            model.get_layer(**wrong)
    assert list(epochal.Sequential([Dense(2, name="forward")])._modules) == ["forward_1"]


def test_add_and_pop_change_the_stack_and_its_shape():
    model = epochal.Sequential(name="net")
    model.add(Dense(4, input_dim=3))
    model.add(nn.ReLU())
    model.add(Dense(2))
    assert model.output_shape == (None, 2)
    assert isinstance(model.pop(), Dense)
    assert model.output_shape == (None, 4)
    model.add(Dense(7))
    assert model.predict(np.ones((2, 3)), verbose=0).shape == (2, 7)
    for _ in range(3):
        model.pop()
    with pytest.raises(UsageError, match="no layer to remove"):
        model.pop()


def test_sequentials_nest_and_mix_with_plain_modules():
    inner = epochal.Sequential([Dense(4, activation="relu"), nn.Dropout(0.1)], name="body")
    model = epochal.Sequential([Input((3,)), inner, nn.Linear(4, 2)])
    assert list(model.state_dict()) == [
        "body.dense.weight",
        "body.dense.bias",
        "linear.weight",
        "linear.bias",
    ]
    assert model.output_shape == (None, 2)
    first = epochal.Sequential([Dense(4, input_dim=3)])
    assert epochal.Sequential([first, Dense(1)]).input_shape == (None, 3)


def test_integers_stay_integers_for_an_embedding_and_become_floats_for_dense():
    words = np.array([[1, 2, 3], [4, 5, 0]])
    model = epochal.Sequential([Embedding(6, 2), Flatten(), Dense(1)])
    assert model.predict(words, verbose=0).shape == (2, 1)
    model = epochal.Sequential([Input((3,), dtype="int32"), Lambda(lambda x: x // 2)])
    assert model.predict(words, verbose=0).tolist() == [[0, 1, 1], [2, 2, 0]]
    assert epochal.Sequential([Dense(1)]).predict(words, verbose=0).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: epochal.Sequential(Dense(3)), "give a list of layers"),
        (lambda: epochal.Sequential([Dense]), "make one"),
        (lambda: epochal.Sequential(["dense"]), "expected a layer"),
        (lambda: epochal.Sequential([Dense(3, input_dim=2), Input((4,))]), "already"),
        (lambda: epochal.Sequential([Input((2,)), Conv2D(3, 3)]), "Conv2D"),
        (lambda: epochal.Sequential([Input((8,)), nn.Linear(4, 2)]), "shape"),
    ],
)
def test_what_cannot_be_stacked_is_refused_when_it_is_added(make, match):
    with pytest.raises((ValueError, RuntimeError), match=match):
        make()


def test_a_description_rebuilds_the_same_stack():
    model = epochal.Sequential(
        [
            Input((8, 8, 3)),
            Conv2D(4, 3, activation="relu", padding="same"),
            epochal.Sequential([Flatten()], name="tail"),
            Dense(2, name="head"),
        ],
        name="net",
    )
    twin = epochal.Sequential.from_config(model.get_config())
    assert twin.get_config() == model.get_config()
    twin.set_weights(model.get_weights())
    assert np.allclose(twin.predict(X, verbose=0), model.predict(X, verbose=0))
    with pytest.raises(UsageError, match="no file can describe"):
        epochal.Sequential([nn.ReLU()]).get_config()
