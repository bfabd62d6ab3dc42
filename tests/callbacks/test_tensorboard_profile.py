"""Profiles, in the three forms that TensorBoard and its plugins read."""

import gzip
import json

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.util import tensor_util
from torch import nn

import epochal
from epochal.callbacks import Callback, TensorBoard
from epochal.callbacks.tensorboard_xplane import xspace

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
