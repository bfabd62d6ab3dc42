"""The layers compute what Keras computes for the same weights.

`tests/parity/record_layers.py` stores Keras' results in `layers.json`; weights and inputs come from
the same formula on both sides. Values are compared to 1e-5: both are float32, and the order of sums
differs between implementations.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from epochal import activations, constraints, layers, regularizers

RECORDED = json.loads((Path(__file__).parents[1] / "parity" / "layers.json").read_text())
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def numbers(shape, start):
    """Return the made-up numbers of `tests/parity/layer_cases.py`."""
    count = int(np.prod(shape))
    return np.sin(np.arange(count) * 0.7 + start).reshape(shape).astype("float32")


def weights_of(shapes, kind):
    values = [0.4 * numbers(shape, 1.0 + 2 * i) for i, shape in enumerate(shapes)]
    return [np.abs(v) + 0.1 for v in values] if kind == "BatchNormalization" else values


def make(name):
    """Return the layer of a case, built and with its weights, its input, and Keras' row."""
    row = RECORDED["layers"][name]
    layer = getattr(layers, row["class"])(**row["arguments"])
    x = numbers(row["input_shape"], 0.3)
    if row["class"] == "Embedding":
        x = np.abs(x * 7).astype("int32") % 7
    x = torch.from_numpy(x)
    layer(x)
    assert [list(w.shape) for w in layer.get_weights()] == row["weights"]
    layer.set_weights(weights_of(row["weights"], row["class"]))
    return layer, x, row


def agree(got, expected):
    if isinstance(expected, list):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            agree(one, other)
        return
    got = got.detach().numpy() if isinstance(got, torch.Tensor) else np.asarray(got)
    assert list(got.shape) == expected["shape"]
    np.testing.assert_allclose(got.ravel(), expected["values"], **TOLERANCE)


ALL = [name for name in RECORDED["layers"] if name != "attention_masked"]


@pytest.mark.parametrize("name", ALL)
def test_values_in_both_modes_are_those_of_keras(name):
    layer, x, row = make(name)
    agree(layer.eval()(x), row["eval"])
    agree(layer.train()(x), row["train"])


@pytest.mark.parametrize("name", ALL)
def test_output_shapes_are_inferred_as_in_keras(name):
    layer, _, row = make(name)
    inferred = layer.compute_output_shape((None, *row["input_shape"][1:]))
    if isinstance(inferred, list):
        assert [list(one) for one in inferred] == row["output_shape"]
    else:
        assert list(inferred) == row["output_shape"]


@pytest.mark.parametrize("name", ALL)
def test_weights_are_counted_and_trained_as_in_keras(name):
    layer, _, row = make(name)
    assert layer.count_params() == row["params"]
    named = layers.named_weights(layer)
    assert sum(weight.trainable for weight in named) == row["trainable"]


@pytest.mark.parametrize("name", ALL)
def test_a_layer_made_from_its_config_computes_the_same(name):
    layer, x, _ = make(name)
    text = json.dumps(layers.serialize(layer))
    again = layers.deserialize(json.loads(text))
    again.eval()(x)
    again.set_weights(layer.get_weights())
    assert again.get_config() == layer.get_config()
    torch.testing.assert_close(again(x), layer.eval()(x), rtol=0, atol=0)


@pytest.mark.parametrize("name", [n for n in ALL if n.startswith("batch_normalization")])
def test_moving_averages_after_two_batches_are_those_of_keras(name):
    layer, x, row = make(name)
    layer.train()(x)
    layer(x * 2 + 1)
    agree(layer.get_weights(), row["after"])


def test_masked_attention_and_its_scores_are_those_of_keras():
    layer = layers.MultiHeadAttention(2, 3)
    query, value, key = (torch.from_numpy(numbers((2, 3, 4), s)) for s in (0.1, 0.2, 0.3))
    layer(query, value, key)
    layer.set_weights(weights_of([w.shape for w in layer.get_weights()], ""))
    mask = torch.from_numpy(numbers((2, 3, 3), 0.5) > -0.2)
    arguments = {"attention_mask": mask, "use_causal_mask": True}
    outputs, scores = layer(query, value, key, return_attention_scores=True, **arguments)
    agree([outputs, scores], RECORDED["layers"]["attention_masked"]["outputs"])
    torch.testing.assert_close(layer(query, value, key, **arguments), outputs)


@pytest.mark.parametrize("name", list(RECORDED["activations"]))
def test_activations_are_those_of_keras(name):
    x = torch.linspace(-4, 7, 24).reshape(4, 6)
    if name == "threshold":
        got = activations.threshold(x, 1.0, -2.0)
    elif name == "relu_bent":
        got = activations.relu(x, 0.1, 5.0, 1.0)
    else:
        got = activations.get(name)(x)
    agree(got, RECORDED["activations"][name])


def test_regularizers_and_constraints_are_those_of_keras():
    w = torch.from_numpy(numbers((4, 3), 0.2))
    ours = {
        "l1": regularizers.L1(0.1),
        "l2": regularizers.L2(0.1),
        "l1_l2": regularizers.L1L2(0.1, 0.2),
        "orthogonal_rows": regularizers.OrthogonalRegularizer(0.1),
        "orthogonal_columns": regularizers.OrthogonalRegularizer(0.1, "columns"),
        "max_norm": constraints.MaxNorm(0.8),
        "max_norm_axis_1": constraints.MaxNorm(0.8, axis=1),
        "non_neg": constraints.NonNeg(),
        "unit_norm": constraints.UnitNorm(),
        "min_max_norm": constraints.MinMaxNorm(1.0, 1.2, rate=0.5),
    }
    assert ours.keys() == RECORDED["others"].keys()
    for name, function in ours.items():
        agree(function(w), RECORDED["others"][name])
