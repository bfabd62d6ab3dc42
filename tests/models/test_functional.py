"""Graphs of layers that came out of a file: see also test_recorded_files.py."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from epochal.core.errors import UsageError
from epochal.models import Functional, Sequential, load_model

FILES = Path(__file__).parents[1] / "parity" / "files"


def tensor(name, node=0, output=0, shape=(None, 3)):
    """Return a tensor as Keras 3 writes it in the arguments of a call."""
    config = {"shape": list(shape), "dtype": "float32", "keras_history": [name, node, output]}
    return {"class_name": "__keras_tensor__", "config": config}


def call(*args, **kwargs):
    return {"args": list(args), "kwargs": kwargs}


def layer(class_name, name, *calls, **config):
    config = {"name": name, **config}
    return {
        "class_name": class_name,
        "name": name,
        "config": config,
        "inbound_nodes": list(calls),
    }


def entry(name, size=3):
    return layer("InputLayer", name, batch_shape=[None, size], dtype="float32")


def graph(layers, inputs, outputs, name="net"):
    ends = {"input_layers": inputs, "output_layers": outputs}
    return Functional.from_config({"name": name, "layers": layers, **ends})


def twice():
    """Return one dense layer called on two inputs, and their sum."""
    dense = layer("Dense", "d", call(tensor("a")), call(tensor("b"), training=False), units=2)
    total = layer("Add", "sum", call([tensor("d", 0), tensor("d", 1)]))
    return graph([entry("a"), entry("b"), dense, total], [["a", 0, 0], ["b", 0, 0]], ["sum", 0, 0])


def test_a_shared_layer_has_its_weights_once_and_is_called_each_time():
    model = twice()
    assert list(model.state_dict()) == ["d.weight", "d.bias"]
    a, b = torch.randn(4, 3), torch.randn(4, 3)
    expected = model.layers[0](a) + model.layers[0](b)
    for given in ((a, b), ([a, b],), ({"a": a, "b": b},)):
        assert torch.equal(model(*given), expected)
    assert torch.equal(model(b=b, a=a), expected)
    assert (model.input_shape, model.output_shape) == ([(None, 3), (None, 3)], (None, 2))
    assert model.get_layer("d") is model.layers[0]
    with pytest.raises(UsageError, match=r"got 1 inputs; expected 2: \['a', 'b'\]"):
        model(a)
    with pytest.raises(UsageError, match=r"got the names \['a', 'c'\]"):
        model(a=a, c=b)


def test_it_is_fitted_evaluated_and_asked_by_position_and_by_name(capsys):
    model = twice()
    model.compile("sgd", "mse")
    x = np.ones((8, 3), "float32")
    y = np.zeros((8, 2), "float32")
    before = model.evaluate([x, x], y, verbose=0)
    history = model.fit({"a": x, "b": x}, y, epochs=3, verbose=0)
    assert model.evaluate([x, x], y, verbose=0) < history.history["loss"][-1] < before
    assert model.predict({"b": x, "a": x}, verbose=0).shape == (8, 2)
    model.summary()
    assert "sum (Add)" in capsys.readouterr().out
    assert model.count_params() == 8


def test_several_outputs_are_named_after_their_layers():
    model = load_model(FILES / "graph-torch.keras", compile=False)
    x = [np.ones((4, 4), "float32")] * 2
    outputs = model.predict(x, verbose=0)
    assert [part.shape for part in outputs] == [(4, 2), (4, 1)]
    assert model.output_shape == [(None, 2), (None, 1)]
    model.compile("sgd", {"head": "mse", "other": "mae"}, metrics={"head": ["mae"]})
    y = [np.zeros((4, 2), "float32"), np.zeros((4, 1), "float32")]
    logs = model.evaluate(x, y, return_dict=True, verbose=0)
    assert list(logs) == ["loss", "head_loss", "other_loss", "head_mae"]


def test_targets_and_weights_by_the_layers_names_are_those_in_order():
    # Real Keras 3.15.1 gives the same numbers for targets in either form; it takes no dict of
    # weights here (KeyError: 0).
    numbers = np.random.default_rng(0)
    x = [numbers.normal(size=(8, 4)).astype("float32") for _ in range(2)]
    y = {"other": numbers.normal(size=(8, 1)), "head": numbers.normal(size=(8, 2))}
    weights = {"head": numbers.random(8), "other": numbers.random(8)}
    found = []
    for order in (False, True):
        model = load_model(FILES / "graph-torch.keras", compile=False)
        model.compile("sgd", {"other": "mae", "head": "mse"}, weighted_metrics={"head": ["mae"]})
        targets, given = ([t["head"], t["other"]] if order else t for t in (y, weights))
        inputs = x if order else dict(zip(("left", "right"), x, strict=True))
        data = (inputs, targets, given)
        quiet = {"sample_weight": given, "verbose": 0}
        logs = model.fit(*data[:2], validation_data=data, epochs=2, shuffle=False, **quiet)
        one = model.train_on_batch(*data)
        tested = model.test_on_batch(*data), model.evaluate(*data[:2], **quiet)
        found.append((logs.history, one, tested))
    assert found[0] == found[1]
    assert list(found[0][0])[:4] == ["loss", "head_loss", "other_loss", "head_mae"]


def test_a_graph_is_loaded_by_a_script_that_never_named_its_class():
    code = "import sys; from epochal.models import load_model; print(load_model(sys.argv[1]).name)"
    for name in ("graph-torch.keras", "graph-torch.h5"):
        command = [sys.executable, "-c", code, str(FILES / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "graph\n"


def test_one_output_in_a_list_and_outputs_in_a_dict_come_as_they_were_asked_for():
    dense = layer("Dense", "d", call(tensor("a")), units=2)
    listed = graph([entry("a"), dense], ["a", 0, 0], [["d", 0, 0]])
    named = graph([entry("a"), dense], ["a", 0, 0], {"out": ["d", 0, 0]})
    same = graph([entry("a"), dense], ["a", 0, 0], [["d", 0, 0], ["d", 0, 0]])
    x = torch.ones(2, 3)
    assert (len(listed(x)), list(named(x)), len(same(x))) == (1, ["out"], 2)
    assert same(x)._fields == ("d_0", "d_1")


def test_integers_become_the_floats_that_the_input_is_declared_as():
    dense = layer("Dense", "d", call(tensor("a")), units=2)
    model = graph([entry("a"), dense], ["a", 0, 0], ["d", 0, 0])
    assert model(torch.ones(2, 3, dtype=torch.uint8)).dtype == torch.float32


def test_sizes_that_nobody_knows_stay_unknown():
    start = layer("InputLayer", "a", batch_shape=[None, None, None, 2], dtype="float32")
    conv = layer("Conv2D", "c", call(tensor("a")), filters=3, kernel_size=2)
    pool = layer("GlobalMaxPooling2D", "p", call(tensor("c")))
    model = graph([start, conv, pool], ["a", 0, 0], [["c", 0, 0], ["p", 0, 0]])
    assert model.output_shape == [(None, None, None, 3), (None, 3)]
    assert model(torch.ones(1, 5, 7, 2))[0].shape == (1, 4, 6, 3)
    assert model.sample_inputs() is None


def test_models_are_layers_of_a_graph_and_graphs_are_layers_of_a_model():
    inner = Sequential.from_config(
        {"name": "inner", "layers": [{"class_name": "Dense", "config": {"units": 2}}]}
    )
    described = {
        "class_name": "Sequential",
        "name": "inner",
        "config": inner.get_config(),
        "inbound_nodes": [call(tensor("a"))],
    }
    model = graph([entry("a"), described], ["a", 0, 0], ["inner", 0, 0])
    assert model(torch.ones(4, 3)).shape == (4, 2)
    outer = Sequential([model], name="outer")
    again = Sequential.from_config(json.loads(json.dumps(outer.get_config())))
    again(torch.ones(4, 3))
    again.load_state_dict(outer.state_dict())
    assert torch.equal(again(torch.ones(4, 3)), outer(torch.ones(4, 3)))
    assert type(again.layers[0]) is Functional


def test_calls_as_keras_2_wrote_them_are_understood():
    old = {
        "name": "old",
        "layers": [
            entry("a"),
            layer("Dense", "d", [["a", 0, 0, {}]], [["a", 0, 0, {"training": None}]], units=3),
            layer("Concatenate", "c", [["d", 0, 0, {}], ["d", 1, 0, {}]]),
            layer(
                "MultiHeadAttention",
                "m",
                [["r", 0, 0, {"value": ["r", 0, 0]}]],
                num_heads=1,
                key_dim=2,
            ),
            layer("Reshape", "r", [["c", 0, 0, {}]], target_shape=[2, 3]),
            layer("Flatten", "f", ["m", 0, 0, {}]),
        ],
        "input_layers": [["a", 0, 0]],
        "output_layers": [["f", 0, 0]],
    }
    model = Functional.from_config(old)
    assert model(torch.ones(2, 3))[0].shape == (2, 6)


def test_a_saved_graph_says_again_what_it_was_made_from(tmp_path):
    model = twice()
    model.layers[0].trainable = False
    for ending in (".keras", ".h5"):
        model.save(tmp_path / f"m{ending}")
        again = load_model(tmp_path / f"m{ending}")
        assert again.get_config() == model.get_config()
        assert not again.layers[0].weight.requires_grad
    x = torch.ones(2, 3)
    assert torch.equal(copy.deepcopy(again)(x, x), model(x, x))


DENSE = layer("Dense", "d", call(tensor("a")), units=2)


@pytest.mark.parametrize(
    ("layers", "inputs", "outputs", "match"),
    [
        ([entry("a"), DENSE], ["d", 0, 0], ["d", 0, 0], "'d' is an input of the graph and no Inp"),
        ([entry("a"), DENSE], ["a", 0, 0], ["e", 0, 0], "output is of the layer 'e'"),
        ([entry("a"), DENSE], ["a", 0, 0], ["d", 1, 0], "call 1 of the layer 'd' has no output 0"),
        ([entry("a"), DENSE], ["a", 0, 0], ["d", 0, 1], "has no output"),
        ([entry("a"), DENSE, DENSE], ["a", 0, 0], ["d", 0, 0], "two layers of the graph"),
        ([entry("a"), DENSE], ["a", 0, 0], [], "stands for no tensor"),
        ([entry("a"), DENSE], ["a", 0, 0], ["d", -1, 0], "stands for no tensor"),
        (
            [entry("a"), layer("Dense", "d", call(tensor("b")), units=2)],
            ["a", 0, 0],
            ["d", 0, 0],
            "called on 'b', which is missing",
        ),
        (
            [entry("a"), layer("Dense", "d", call(tensor("d")), units=2)],
            ["a", 0, 0],
            ["d", 0, 0],
            "waits for a call that never comes",
        ),
        (
            [entry("a"), layer("Dense", "d", call(tensor("a"), maks=3), units=2)],
            ["a", 0, 0],
            ["d", 0, 0],
            "unknown argument of its call 'maks'",
        ),
        (
            [entry("a"), layer("Dense", "d", call({"class_name": "Slice"}), units=2)],
            ["a", 0, 0],
            ["d", 0, 0],
            "called with a 'Slice'",
        ),
        ([entry("a"), layer("Dense", "d", 3, units=2)], ["a", 0, 0], ["d", 0, 0], "damaged"),
        ([entry("a"), {**DENSE, "inbound_nodes": 3}], ["a", 0, 0], ["d", 0, 0], "damaged"),
        (
            [entry("a", 5), layer("Reshape", "r", call(tensor("a")), target_shape=[2, 2])],
            ["a", 0, 0],
            ["r", 0, 0],
            "expected as many as target_shape",
        ),
    ],
)
def test_a_graph_that_cannot_run_is_refused_where_it_is_made(layers, inputs, outputs, match):
    with pytest.raises(UsageError, match=match):
        graph(copy.deepcopy(layers), inputs, outputs)
