"""TensorBoard's files, read back by TensorBoard's own reader and served by its own server."""

import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.util import tensor_util
from torch import nn

import epochal
from epochal.callbacks import Callback, CallbackList, TensorBoard
from epochal.callbacks.tensorboard_events import as_bytes
from epochal.callbacks.tensorboard_xplane import xspace
from epochal.core.errors import UsageError
from epochal.layers import Conv2D, Dense, Embedding, Flatten, Input

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


def series(run, tag):
    return [(step, float(value)) for step, value in run[tag]]


def single(values, first=0, by=1):
    """Return steps and values as a scalar holds them: in float32."""
    return [(first + i * by, float(np.float32(value))) for i, value in enumerate(values)]


def event_files(folder):
    return sorted(folder.glob("events.out.tfevents.*"))


def graph_of(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {node.name: node for node in events.Graph().node}


# Scalars.


def test_epochs_are_written_under_keras_tags_with_the_values_of_the_history(tmp_path):
    model = compiled(metrics=["mae"])
    _, history = fitted(TensorBoard(tmp_path), model=model, validation_data=(X, Y))
    train, validation = read(tmp_path / "train"), read(tmp_path / "validation")
    found = history.history
    assert set(train) == {"keras", "epoch_loss", "epoch_mae", "epoch_learning_rate"}
    assert series(train, "epoch_loss") == single(found["loss"])
    assert series(train, "epoch_mae") == single(found["mae"])
    assert series(train, "epoch_learning_rate") == single([0.01] * 3)
    assert series(validation, "epoch_loss") == single(found["val_loss"])
    assert series(validation, "epoch_mae") == single(found["val_mae"])
    updates = "evaluation_{}_vs_iterations"
    assert series(validation, updates.format("loss")) == single(found["val_loss"], 6, 6)
    assert series(validation, updates.format("mae")) == single(found["val_mae"], 6, 6)
    assert set(validation) == {
        "epoch_loss",
        "epoch_mae",
        "evaluation_loss_vs_iterations",
        "evaluation_mae_vs_iterations",
    }


def test_scalars_are_those_of_tensorflow_2_in_its_file_format(tmp_path):
    fitted(TensorBoard(tmp_path), epochs=1)
    (file,) = event_files(tmp_path / "train")
    assert file.name.endswith(".v2")
    first, *events = EventFileLoader(str(file)).Load()
    assert first.file_version == "brain.Event:2"
    (loss,) = [v for e in events for v in e.summary.value if v.tag == "epoch_loss"]
    assert loss.metadata.plugin_data.plugin_name == "scalars"
    assert tensor_util.make_ndarray(loss.tensor).dtype == np.float32


def test_every_fit_writes_a_file_of_its_own(tmp_path):
    board = TensorBoard(tmp_path)
    model, first = fitted(board, epochs=2)
    fitted(board, model=model, epochs=2)
    files = event_files(tmp_path / "train")
    assert len(files) == 2
    losses = [
        [value for event in EventFileLoader(str(file)).Load() for value in event.summary.value]
        for file in files
    ]
    assert [sum(value.tag == "epoch_loss" for value in values) for values in losses] == [2, 2]
    assert first.history["loss"] != model.history.history["loss"]


def test_evaluate_alone_writes_at_the_number_of_updates(tmp_path):
    model, _ = fitted(epochs=2)
    loss = model.evaluate(X, Y, verbose=0, callbacks=TensorBoard(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["validation"]
    assert {
        tag: series(read(tmp_path / "validation"), tag) for tag in read(tmp_path / "validation")
    } == {"evaluation_loss_vs_iterations": single([loss], 12)}


def test_validation_in_some_epochs_stands_at_those_epochs(tmp_path):
    _, history = fitted(TensorBoard(tmp_path), epochs=4, validation_data=(X, Y), validation_freq=2)
    validation = read(tmp_path / "validation")
    assert series(validation, "epoch_loss") == single(history.history["val_loss"], 1, 2)


@pytest.mark.parametrize(("update_freq", "steps"), [("batch", range(1, 13)), (5, (5, 10))])
def test_batches_are_written_at_the_global_step_of_training(tmp_path, update_freq, steps):
    seen = {}

    class Watch(Callback):
        step = 0

        def on_train_batch_end(self, batch, logs=None):
            self.step += 1
            seen[self.step] = float(np.float32(logs["loss"]))

    fitted(TensorBoard(tmp_path, update_freq=update_freq), Watch(), epochs=2)
    assert series(read(tmp_path / "train"), "batch_loss") == [(step, seen[step]) for step in steps]


def test_only_every_nth_batch_is_read(tmp_path):
    read_at = []

    class Logs(dict):
        def items(self):
            read_at.append(self["step"])
            return super().items()

    board = TensorBoard(tmp_path, update_freq=3, write_graph=False)
    board.on_train_begin()
    board.on_epoch_begin(0)
    for step in range(1, 8):
        board.on_train_batch_end(step - 1, Logs(step=step))
    board.close()
    assert read_at == [3, 6]


def test_writing_by_epoch_has_no_hook_for_batches(tmp_path):
    hooks = CallbackList([TensorBoard(tmp_path)])
    assert not hooks.hooks("on_train_batch_begin")
    assert not hooks.hooks("on_train_batch_end")
    hooks = CallbackList([TensorBoard(tmp_path, update_freq="batch")])
    assert not hooks.hooks("on_train_batch_begin")
    assert hooks.hooks("on_train_batch_end")


def test_steps_per_second_are_written_for_epochs_and_batches(tmp_path):
    fitted(TensorBoard(tmp_path, write_steps_per_second=True, update_freq=2), epochs=2)
    train = read(tmp_path / "train")
    assert [step for step, _ in train["epoch_steps_per_second"]] == [0, 1]
    assert [step for step, _ in train["batch_steps_per_second"]] == [2, 4, 6, 8, 10, 12]
    rates = train["epoch_steps_per_second"] + train["batch_steps_per_second"]
    assert all(0 < float(rate) < 1e6 for _, rate in rates)


def test_what_other_callbacks_add_is_written_wherever_they_stand(tmp_path):
    class Adds(Callback):
        provides = ("score", "val_f1", "classes", "by_class", "note")

        def on_epoch_end(self, epoch, logs=None):
            logs |= {"score": epoch + 0.5, "val_f1": 0.25, "note": "good"}
            logs |= {"classes": [1, 2], "by_class": {"cat": 0.75}}

    fitted(TensorBoard(tmp_path), Adds(), epochs=2)
    train = read(tmp_path / "train")
    assert series(train, "epoch_score") == [(0, 0.5), (1, 1.5)]
    assert series(train, "epoch_classes/0") == [(0, 1.0), (1, 1.0)]
    assert series(train, "epoch_classes/1") == [(0, 2.0), (1, 2.0)]
    assert series(train, "epoch_by_class/cat") == [(0, 0.75), (1, 0.75)]
    assert not any("note" in tag for tag in train)
    assert series(read(tmp_path / "validation"), "epoch_f1") == [(0, 0.25), (1, 0.25)]


def test_nan_is_written_as_nan(tmp_path):
    model = compiled()
    nn.init.constant_(model.wrapped.bias, float("nan"))
    fitted(TensorBoard(tmp_path, 1, write_images=True), model=model, epochs=1)
    assert np.isnan(series(read(tmp_path / "train"), "epoch_loss")[0][1])


def test_a_fit_without_an_optimizer_has_no_learning_rate(tmp_path):
    class Own(epochal.Model):
        def train_step(self, data):
            return {"loss": data[0].mean()}

    model = Own(nn.Linear(3, 1))
    model.compile(None)
    fitted(TensorBoard(tmp_path, write_steps_per_second=True), model=model, epochs=1)
    train = read(tmp_path / "train")
    assert "epoch_loss" in train
    assert "epoch_learning_rate" not in train
    assert series(train, "epoch_steps_per_second")[0][1] > 0


# Ends.


def test_files_are_up_to_date_after_every_epoch_and_closed_by_an_exception(tmp_path):
    found = []

    class Fails(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            run = read(tmp_path / "train")
            found.append([step for step, _ in run.get("epoch_loss", [])])
            if epoch == 2:
                raise OSError("broken")

    board = TensorBoard(tmp_path, update_freq="batch")
    with pytest.raises(OSError, match="broken"):
        fitted(board, Fails(), epochs=5)
    assert found == [[], [0], [0, 1]]
    assert [step for step, _ in read(tmp_path / "train")["batch_loss"]] == list(range(1, 13))
    assert not board._writers


def test_the_state_is_the_global_step(tmp_path):
    board = TensorBoard(tmp_path, update_freq=100)
    fitted(board, epochs=2)
    assert board.state_dict() == {"train_step": 12}


# Weights.


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


# The graph.


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


# Profiles.


@pytest.mark.parametrize(
    ("batches", "tag", "steps"),
    [(2, "batch_2", [2]), ("3,4", "batch_3-4", [3, 4]), ((5, 99), "batch_5-12", range(5, 13))],
)
def test_a_profile_covers_the_batches_asked_for(tmp_path, batches, tag, steps):
    fitted(TensorBoard(tmp_path, profile_batch=batches), epochs=2)
    (folder,) = (tmp_path / "train" / "plugins" / "profile").iterdir()
    (trace,) = folder.glob("*.pt.trace.json.gz")
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    marks = {e["name"] for e in events if str(e["name"]).startswith("ProfilerStep#")}
    assert marks == {f"ProfilerStep#{step}" for step in steps}
    ((step, content),) = read(tmp_path / "train")[tag]
    assert step == steps[-1]
    metadata = RunMetadata.FromString(content.item())
    nodes = {node.node_name: node for node in metadata.step_stats.dev_stats[0].node_stats}
    (graph,) = [found.pre_optimization_graph for found in metadata.function_graphs]
    assert set(nodes) == {node.name for node in graph.node}
    assert nodes["ProfilerStep*/aten::linear/aten::addmm"].all_end_rel_micros >= 1


def fields(encoded):
    """Yield the fields of an encoded message: numbers, and bytes for all else."""
    place = 0

    def number():
        nonlocal place
        value = shift = 0
        while True:
            byte = encoded[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(encoded):
        key = number()
        value = number()
        if key & 7 == 2:
            value, place = encoded[place : place + value], place + value
        yield key >> 3, value


def test_the_file_for_xprof_holds_the_calls_of_the_trace_at_their_times(tmp_path):
    # Read here by the rules of the format; xprof 2.24 opens the file in its trace viewer.
    fitted(TensorBoard(tmp_path, profile_batch=2), epochs=1)
    (folder,) = (tmp_path / "train" / "plugins" / "profile").iterdir()
    (trace,) = folder.glob("*.pt.trace.json.gz")
    calls = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    (file,) = folder.glob("*.xplane.pb")
    (plane,) = [value for key, value in fields(file.read_bytes()) if key == 1]
    plane = list(fields(plane))
    assert (2, b"/host:CPU") in plane
    names = {}
    for entry in (dict(fields(value)) for key, value in plane if key == 4):
        names[entry[1]] = dict(fields(entry[2]))[2].decode()
    found = set()
    for line in (list(fields(value)) for key, value in plane if key == 3):
        began = dict(line)[3]
        for event in (dict(fields(value)) for key, value in line if key == 4):
            found.add((names[event[1]], began + event.get(2, 0) // 1000, event[3]))
    expected = {
        (e["name"], e["ts"], round(e["dur"] * 1e6))
        for e in calls
        if e["ph"] == "X" and e["cat"] != "Trace"
    }
    assert {(name, took) for name, _, took in found} == {(n, took) for n, _, took in expected}
    begins = sorted(begin for _, begin, _ in found)
    assert begins == pytest.approx(sorted(ts * 1e3 for _, ts, _ in expected), abs=2)


def test_what_ran_on_a_gpu_is_on_a_plane_of_its_own():
    def call(category, pid, ts):
        common = {"ph": "X", "tid": 7, "dur": 1.5, "name": category}
        return common | {"cat": category, "pid": pid, "ts": ts}

    trace = {"traceEvents": [call("cpu_op", 99, 10.0), call("kernel", 0, 11.0)]}
    planes = [list(fields(value)) for key, value in fields(xspace(trace, "host")) if key == 1]
    assert [dict(plane)[2] for plane in planes] == [b"/device:GPU:0", b"/host:CPU"]
    (line,) = [value for key, value in planes[0] if key == 3]
    assert dict(fields(line))[2] == b"stream 7"
    event = dict(fields(dict(fields(line))[4]))
    assert (event[2], event[3]) == (1_000_000, 1_500_000)  # picoseconds since the first event


def test_a_profile_that_never_came_about_is_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="profile_batch is 100, but training had 6 batches"):
        fitted(TensorBoard(tmp_path, profile_batch=100), epochs=1)
    assert not (tmp_path / "train" / "plugins").exists()


def test_an_exception_in_a_profiled_batch_leaves_the_profile_and_no_profiler(tmp_path):
    class Fails(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        fitted(Fails(), TensorBoard(tmp_path, profile_batch=(2, 5)))
    assert list((tmp_path / "train" / "plugins" / "profile").glob("*/*.xplane.pb"))
    fitted(TensorBoard(tmp_path / "again", profile_batch=1), epochs=1)  # the profiler is free


# Embeddings.


def words_model(**names):
    torch.manual_seed(0)
    layers = [Input((2,), dtype="int32"), Embedding(4, 3, name="words"), Flatten(), Dense(1)]
    model = epochal.Sequential(layers)
    model.compile("sgd", "mse")
    return model


def labels(path, lines=("a", "b", "c", "d")):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def fit_words(board, model=None, epochs=2):
    model = model or words_model()
    tokens = torch.tensor([[0, 1], [2, 3]])
    model.fit(tokens, torch.rand(2, 1), epochs=epochs, verbose=0, callbacks=board)
    return model


def test_embeddings_are_written_for_the_projector_with_their_labels(tmp_path):
    file = labels(tmp_path / "labels.tsv")
    given = {"words": file}
    board = TensorBoard(tmp_path / "logs", embeddings_freq=1, embeddings_metadata=given)
    model = fit_words(board)
    assert given == {"words": file}
    train = tmp_path / "logs" / "train"
    table = np.loadtxt(train / "words_tensor.tsv", dtype=np.float32)
    assert np.array_equal(table, model.get_weights()[0])
    assert (train / "words_metadata.tsv").read_text() == file.read_text()
    config = (train / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "words_tensor.tsv"' in config
    assert 'metadata_path: "words_metadata.tsv"' in config


def test_embeddings_are_written_in_the_epochs_that_are_due(tmp_path):
    class Keep(Callback):
        tables = ()

        def on_epoch_end(self, epoch, logs=None):
            self.tables = (*self.tables, self.model.get_weights()[0])

    keep = Keep()
    fit_words([keep, TensorBoard(tmp_path, embeddings_freq=2)], epochs=4)
    table = np.loadtxt(tmp_path / "train" / "words_tensor.tsv", dtype=np.float32)
    assert np.array_equal(table, keep.tables[2])
    assert not np.array_equal(table, keep.tables[3])


def test_one_file_of_labels_serves_all_and_is_found_in_the_folder_of_the_logs(tmp_path):
    labels(tmp_path / "labels.tsv", ["word\tcount", "a\t1", "b\t2", "c\t3", "d\t4"])
    fit_words(TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata="labels.tsv"))
    assert (tmp_path / "train" / "words_metadata.tsv").read_text().startswith("word\tcount")


def test_chosen_layers_of_any_module_are_written_under_their_names(tmp_path):
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.ModuleDict({"left": nn.Embedding(4, 2), "right": nn.Embedding(4, 2)})
            self.last = nn.Linear(4, 1)

        def forward(self, x):
            left, right = self.encoder["left"](x[:, 0]), self.encoder["right"](x[:, 1])
            return self.last(torch.cat([left, right], 1))

    model = compiled(Nested())
    fit_words(TensorBoard(tmp_path, embeddings_freq=1, embeddings_layer_names=["right"]), model)
    assert [p.name for p in (tmp_path / "train").glob("*.tsv")] == ["encoder.right_tensor.tsv"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"embeddings_metadata": {"word": "labels.tsv"}}, "unknown embedding layer 'word': did"),
        ({"embeddings_layer_names": ["dense"]}, "unknown embedding layer 'dense'.*'words'"),
        ({"embeddings_metadata": "short.tsv"}, "has 3 labels; 'words' has 4 rows"),
        ({"embeddings_metadata": "none.tsv"}, "there is no file 'none.tsv'"),
        ({"embeddings_metadata": {"words": "none.tsv"}}, "there is no file 'none.tsv'"),
    ],
)
def test_embeddings_that_cannot_be_shown_are_an_error_before_step_1(tmp_path, arguments, match):
    labels(tmp_path / "labels.tsv")
    labels(tmp_path / "short.tsv", ["a", "b", "c"])
    model = words_model()
    before = model.get_weights()
    with pytest.raises(UsageError, match=match):
        fit_words(TensorBoard(tmp_path, embeddings_freq=1, **arguments), model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_loop_of_ones_own_learns_of_a_missing_file_too(tmp_path):
    board = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "none.tsv"})
    with pytest.raises(UsageError, match=r"there is no file 'none\.tsv'"):
        CallbackList(board, model=words_model()).on_train_begin()


# Arguments.


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"histogram_freq": -1}, "histogram_freq is -1"),
        ({"embeddings_freq": True}, "embeddings_freq is True"),
        ({"update_freq": 0}, "update_freq is 0"),
        ({"update_freq": "epochs"}, "update_freq is 'epochs'"),
        ({"update_freq": True}, "update_freq is True"),
        ({"profile_batch": -1}, "profile_batch is -1"),
        ({"profile_batch": (4, 2)}, r"profile_batch is \(4, 2\)"),
        ({"profile_batch": "a,b"}, "profile_batch is 'a,b'"),
        ({"profile_batch": (1, 2, 3)}, "profile_batch is"),
        ({"profile_batch": 1.5}, "profile_batch is 1.5"),
        ({"profile_batch": True}, "profile_batch is True"),
        ({"write_grads": True}, "write_grads: each update clears the gradients"),
        ({"embeddings_data": X}, "embeddings_data: the projector shows the tables"),
        ({"histogram_frequency": 1}, "did you mean 'histogram_freq'"),
    ],
)
def test_bad_arguments_are_refused_when_it_is_made(tmp_path, arguments, match):
    with pytest.raises(UsageError, match=match):
        TensorBoard(tmp_path, **arguments)


def test_arguments_of_old_code_that_change_nothing_are_taken(tmp_path):
    board = TensorBoard(tmp_path, batch_size=32, write_grads=False, embeddings_data=None)
    fitted(board, epochs=1)
    assert "epoch_loss" in read(tmp_path / "train")


def test_a_file_in_the_place_of_a_folder_is_an_error_before_step_1(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file' is a file; log_dir has to be a folder"):
        fitted(TensorBoard(tmp_path / "file" / "run"))
    (tmp_path / "train").write_text("")
    with pytest.raises(UsageError, match="train' is a file"):
        fitted(TensorBoard(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error_before_step_1(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="nothing can be written"):
        fitted(TensorBoard(tmp_path / "run"))


def test_without_the_package_only_making_one_fails_and_says_what_to_install():
    script = (
        "import sys; sys.modules['tensorboard'] = None\n"  # Python's own way to hide a package
        "from epochal.callbacks import EarlyStopping, TensorBoard\n"
        "TensorBoard('logs')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert 'pip install "epochal[tensorboard]"' in done.stderr.splitlines()[-1]


def test_neither_tensorflow_nor_deprecated_tracing_is_used(tmp_path):
    script = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "import epochal.callbacks\n"
        "assert 'tensorboard' not in sys.modules\n"
        "import epochal, torch\n"
        "model = epochal.Model(torch.nn.Linear(1, 1)); model.compile('sgd', 'mse')\n"
        f"board = epochal.callbacks.TensorBoard({str(tmp_path)!r}, 1, write_images=True)\n"
        "model.fit([[1.0]], [[2.0]], verbose=0, callbacks=board)\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], timeout=120, check=True)


# TensorBoard itself.


@contextlib.contextmanager
def server(log_dir):
    """Run a real TensorBoard; yield a function that gets one of its addresses."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(log_dir)]
    command += ["--host", "127.0.0.1", "--port", "0", "--load_fast", "false"]
    # Not through a proxy that the machine may name for all else.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if "TensorBoard" in line and "http://" in line:
                address = line.split("http://")[1].split("/")[0]
                break
        else:
            pytest.fail(f"the server ended with {process.wait(10)}")

        def get(path, **query):
            url = f"http://{address}/{path}?{urllib.parse.urlencode(query)}"
            with opener.open(url, timeout=20) as answer:
                body = answer.read()
                packed = answer.headers.get("Content-Encoding") == "gzip"
                return gzip.decompress(body) if packed else body

        yield get
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def test_a_real_server_shows_everything(tmp_path):
    file = labels(tmp_path / "labels.tsv")
    board = TensorBoard(
        tmp_path / "logs" / "first",
        histogram_freq=1,
        write_images=True,
        profile_batch=1,
        embeddings_freq=1,
        embeddings_metadata=str(file),
    )
    model = words_model()
    tokens = torch.tensor([[0, 1], [2, 3]])
    data = (tokens, torch.rand(2, 1))
    history = model.fit(*data, epochs=2, verbose=0, validation_data=data, callbacks=board).history
    train = "first/train"
    with server(tmp_path / "logs") as get:  # the folder above: the run has a name of its own
        runs = []
        until = time.monotonic() + 60
        while len(runs) < 2 and time.monotonic() < until:  # the server reads the files by and by
            runs = json.loads(get("data/runs"))
            time.sleep(0.1)
        assert sorted(runs) == [train, "first/validation"]
        points = json.loads(get("data/plugin/scalars/scalars", run=train, tag="epoch_loss"))
        assert [(step, value) for _, step, value in points] == single(history["loss"])
        tags = json.loads(get("data/plugin/scalars/tags"))
        assert "evaluation_loss_vs_iterations" in tags["first/validation"]
        histogram = "sequential/words/embeddings/histogram"
        found = json.loads(get("data/plugin/histograms/histograms", run=train, tag=histogram))
        assert [sum(count for *_, count in buckets) for _, _, buckets in found] == [12, 12]
        images = {"run": train, "tag": "sequential/words/embeddings/image", "sample": 0}
        (first, _) = json.loads(get("data/plugin/images/images", **images))
        query = dict(urllib.parse.parse_qsl(first["query"]))
        picture = Image.open(io.BytesIO(get("data/plugin/images/individualImage", **query)))
        assert picture.size == (4, 3)
        graphs = json.loads(get("data/plugin/graphs/info"))[train]
        assert graphs["run_graph"]
        assert graphs["tags"]["keras"]["conceptual_graph"]
        assert graphs["tags"]["batch_1"]["profile"]
        assert b"sequential/dense/linear" in get("data/plugin/graphs/graph", run=train)
        layers = get("data/plugin/graphs/graph", run=train, tag="keras", conceptual="true")
        assert b'name: "sequential/dense"' in layers
        assert b'input: "sequential/flatten"' in layers
        times = get("data/plugin/graphs/run_metadata", run=train, tag="batch_1")
        assert b"ProfilerStep*/aten::embedding" in times
        assert train in json.loads(get("data/plugin/projector/runs"))
        (table,) = json.loads(get("data/plugin/projector/info", run=train))["embeddings"]
        assert table["tensorShape"] == [4, 3]
        tensor = get("data/plugin/projector/tensor", run=train, name="words")
        assert np.array_equal(np.frombuffer(tensor, "<f4").reshape(4, 3), model.get_weights()[0])
        text = get("data/plugin/projector/metadata", run=train, name="words")
        assert text.decode().split() == ["a", "b", "c", "d"]
