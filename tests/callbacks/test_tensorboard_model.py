"""Weights and the graph of a model, read back by TensorBoard's own reader."""

import json

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util
from torch import nn

import epochal
from epochal.callbacks import Callback, TensorBoard
from epochal.callbacks.tensorboard_events import as_bytes
from epochal.layers import Conv2D, Dense, Flatten, Input

X = torch.randn(24, 3)
Y = X[:, :1] * 2


def compiled(module=None, **arguments):
    model = epochal.Model(module or nn.Linear(3, 1))
    model.compile("sgd", "mse", **arguments)
    return model


def fitted(*callbacks, model=None, epochs=3, **arguments):
    model = model or compiled()
    arguments = {"batch_size": 4, "verbose": 0} | arguments
    return model, model.fit(X, Y, epochs=epochs, callbacks=list(callbacks), **arguments)


def read(folder):
    """Return a run's values by tag: [(step, array), ...]."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {
        tag: [(e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def graph_of(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {node.name: node for node in events.Graph().node}


def test_histograms_hold_every_weight_in_the_epochs_that_are_due(tmp_path):
    model = epochal.Sequential([Dense(5, input_dim=3, name="hidden"), Dense(1)], name="net")
    model.compile("sgd", "mse")
    fitted(TensorBoard(tmp_path, histogram_freq=2), model=model, epochs=4)
    train = read(tmp_path / "train")
    sizes = {"hidden/kernel": 15, "hidden/bias": 5, "dense/kernel": 5, "dense/bias": 1}
    tags = {f"net/{path}/histogram": size for path, size in sizes.items()}
    assert {tag for tag in train if "histogram" in tag} == set(tags)
    for tag, size in tags.items():
        assert [step for step, _ in train[tag]] == [0, 2]
        assert [value[:, 2].sum() for _, value in train[tag]] == [size, size]
        assert train[tag][0][1].shape == (30, 3)


def test_a_histogram_spans_the_weights_and_counts_them_where_they_are(tmp_path):
    class Set(Callback):
        def on_epoch_end(self, epoch, logs=None):
            with torch.no_grad():
                self.model.wrapped.weight.copy_(torch.tensor([[0.0, 0.5, 3.0]]))
                self.model.wrapped.bias.fill_(float("nan"))

    model = compiled()
    fitted(Set(), TensorBoard(tmp_path, histogram_freq=1), model=model, epochs=1)
    train = read(tmp_path / "train")
    ((_, buckets),) = train["linear/weight/histogram"]
    assert (buckets[0, 0], buckets[-1, 1]) == (0.0, 3.0)
    assert {i: int(n) for i, n in enumerate(buckets[:, 2]) if n} == {0: 1, 5: 1, 29: 1}
    ((_, empty),) = train["linear/bias/histogram"]
    assert not empty.any()


def test_weights_are_shown_as_pictures(tmp_path):
    model = epochal.Sequential(
        [
            Input((6, 6, 3)),
            Conv2D(8, (2, 3), name="colours"),
            Conv2D(4, 2, name="deep"),
            Flatten(),
            Dense(2, name="last"),
        ],
        name="net",
    )
    model.compile("sgd", "mse")
    board = TensorBoard(tmp_path, histogram_freq=1, write_images=True)
    model.fit(torch.rand(4, 6, 6, 3), torch.rand(4, 2), verbose=0, callbacks=board)
    train = read(tmp_path / "train")
    pictures = {}
    for tag, values in train.items():
        if tag.endswith("/image"):
            width, height, *images = values[0][1]
            pictures[tag] = (int(height), int(width), len(images))
            assert all(image.startswith(b"\x89PNG") for image in images)
    assert pictures == {
        "net/colours/kernel/image": (2, 3, 8),  # a coloured picture for each filter
        "net/colours/bias/image": (8, 1, 1),
        "net/deep/bias/image": (4, 1, 1),
        "net/last/kernel/image": (2, 48, 1),
        "net/last/bias/image": (2, 1, 1),
    }


def test_a_torch_convolution_is_shown_filter_by_filter(tmp_path):
    module = nn.Sequential(nn.Conv2d(1, 20, (2, 3)), nn.Flatten(), nn.LazyLinear(1))
    model = compiled(module)
    board = TensorBoard(tmp_path, histogram_freq=1, write_images=True)
    model.fit(torch.rand(4, 1, 5, 5), torch.rand(4, 1), verbose=0, callbacks=board)
    ((_, image),) = read(tmp_path / "train")["sequential/0/weight/image"]
    assert [int(image[1]), int(image[0]), len(image[2:])] == [2, 3, 16]


def test_pictures_run_from_black_to_white_and_bear_nan():
    assert as_bytes(np.array([-1.0, 0.0, np.nan, 1.0])).tolist() == [0, 128, 0, 255]
    assert as_bytes(np.array([2.0, 2.0])).tolist() == [0, 0]
    assert as_bytes(np.array([np.nan, np.inf])).tolist() == [0, 0]


class TwoWays(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(3, 2)
        self.right = nn.Linear(3, 2)
        self.register_buffer("scale", torch.ones(2))
        self.shift = torch.ones(4)

    def forward(self, x):
        joined = torch.cat([self.left(x), self.right(x).relu() * self.scale], dim=1)
        joined += self.shift
        return joined.mean(dim=1, keepdim=True)


def test_the_graph_shows_the_operations_of_each_module_and_what_feeds_them(tmp_path):
    fitted(TensorBoard(tmp_path), model=compiled(TwoWays()), epochs=1)
    nodes = graph_of(tmp_path / "train")
    inputs = {name: list(node.input) for name, node in nodes.items()}
    top = "two_ways"
    assert inputs == {
        "input": [],
        f"{top}/left/weight": [],
        f"{top}/left/bias": [],
        f"{top}/left/linear": ["input", f"{top}/left/weight", f"{top}/left/bias"],
        f"{top}/right/weight": [],
        f"{top}/right/bias": [],
        f"{top}/right/linear": ["input", f"{top}/right/weight", f"{top}/right/bias"],
        f"{top}/relu": [f"{top}/right/linear"],
        f"{top}/scale": [],
        f"{top}/mul": [f"{top}/relu", f"{top}/scale"],
        f"{top}/cat": [f"{top}/left/linear", f"{top}/mul"],
        f"{top}/constant": [],
        f"{top}/add_": [f"{top}/cat", f"{top}/constant"],
        f"{top}/mean": [f"{top}/add_"],
        "output": [f"{top}/mean"],
    }
    shape = nodes[f"{top}/cat"].attr["_output_shapes"].list.shape[0]
    assert [dim.size for dim in shape.dim] == [1, 4]
    assert nodes[f"{top}/scale"].op == "Buffer"


def test_the_conceptual_graph_shows_the_layers_in_the_form_of_keras(tmp_path):
    fitted(TensorBoard(tmp_path), model=compiled(TwoWays()), epochs=1)
    ((step, content),) = read(tmp_path / "train")["keras"]
    config = json.loads(content.item())["config"]
    assert step == 0
    assert config["name"] == "two_ways"
    kinds = {layer["config"]["name"]: layer["class_name"] for layer in config["layers"]}
    assert kinds["left"] == kinds["right"] == "Linear"
    assert kinds["input"] == "InputLayer"
    (cat,) = [layer for layer in config["layers"] if layer["config"]["name"] == "cat"]
    sources = [a["config"]["keras_history"][0] for a in cat["inbound_nodes"][0]["args"]]
    assert sources == ["left", "mul"]


def test_recording_the_graph_changes_nothing_of_the_model_or_of_the_training(tmp_path):
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.last = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 1))

        def forward(self, x):
            return self.last(self.norm(x)) + torch.rand(1)

    def trained(*callbacks):
        torch.manual_seed(5)
        model, history = fitted(*callbacks, model=compiled(Frozen()), epochs=2)
        return model.state_dict(), history.history["loss"]

    weights, losses = trained()
    with_graph, same = trained(TensorBoard(tmp_path))
    assert losses == same
    assert all(torch.equal(weights[name], with_graph[name]) for name in weights)


def test_a_compiled_module_is_shown_as_it_was_written(tmp_path):
    plain = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    model = compiled(torch.compile(plain, backend="eager"))
    fitted(TensorBoard(tmp_path, 1), model=model, epochs=1)
    nodes = graph_of(tmp_path / "train")
    assert list(nodes["sequential/1/relu"].input) == ["sequential/0/linear"]
    assert "sequential/2/weight/histogram" in read(tmp_path / "train")


def test_a_model_that_fails_on_zeros_is_shown_as_its_modules_with_a_warning(tmp_path):
    class Picky(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def forward(self, x):
            if not x.any():
                raise RuntimeError("nothing but zeros")
            return self.linear(x)

    with pytest.warns(UserWarning, match="RuntimeError: nothing but zeros"):
        _, history = fitted(TensorBoard(tmp_path), model=compiled(Picky()), epochs=1)
    assert len(history.history["loss"]) == 1
    nodes = graph_of(tmp_path / "train")
    assert list(nodes["picky/linear/Linear"].input) == [
        "picky/linear/weight",
        "picky/linear/bias",
    ]
    assert "keras" not in read(tmp_path / "train")


def test_no_graph_is_written_unless_asked_for(tmp_path):
    fitted(TensorBoard(tmp_path, write_graph=False), epochs=1)
    assert not EventAccumulator(str(tmp_path / "train")).Reload().Tags()["graph"]
