"""Embeddings for the projector, and everything at once on a real TensorBoard server."""

import contextlib
import gzip
import io
import json
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import epochal
from epochal.callbacks import Callback, CallbackList, TensorBoard
from epochal.core.errors import UsageError
from epochal.layers import Dense, Embedding, Flatten, Input

X = torch.randn(24, 3)
Y = X[:, :1] * 2


def compiled(module=None, **arguments):
    model = epochal.Model(module or nn.Linear(3, 1))
    model.compile("sgd", "mse", **arguments)
    return model


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


@contextlib.contextmanager
def server(log_dir):
    """Run a real TensorBoard; yield a function that gets one of its addresses."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(log_dir)]
    command += ["--host", "127.0.0.1", "--port", "0", "--load_fast", "false"]
    # Not through a proxy that the machine may name for all else.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    limit = threading.Timer(90, process.kill)  # whatever happens, the test comes to an end
    limit.start()
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
        limit.cancel()
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
        losses = [(epoch, float(np.float32(loss))) for epoch, loss in enumerate(history["loss"])]
        assert [(step, value) for _, step, value in points] == losses
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
