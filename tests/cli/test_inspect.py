"""`python -m epochal inspect`, on files of each format."""

import io
import json
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
import torch

import epochal
from epochal.cli import main
from epochal.layers import BatchNormalization, Dense
from epochal.storage import CheckpointStore, load_tensors, save_tensors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One small trained model, saved in each format."""
    model = epochal.Sequential(
        [
            Dense(4, activation="relu", input_dim=3, name="first"),
            epochal.Sequential([BatchNormalization(name="inner")], name="block"),
            Dense(1, name="last"),
        ],
        name="net",
    )
    model.compile(epochal.optimizers.Adam(0.02), "mse", metrics=["mae"])
    model.fit(np.ones((4, 3), "float32"), np.ones((4, 1), "float32"), verbose=0)
    made = tmp_path_factory.mktemp("models")
    for name in ("m.keras", "m.h5", "m.safetensors", "m.epochal"):
        model.save(made / name)
    model.save_weights(made / "m.weights.h5")
    return made


@pytest.fixture
def shown(capsys, monkeypatch):
    """Inspect a file and return what was printed."""
    monkeypatch.setenv("COLUMNS", "160")

    def show(path, status=0):
        assert main(["inspect", str(path)]) == status
        captured = capsys.readouterr()
        assert all(c.isprintable() or c == "\n" for c in captured.out + captured.err)
        return captured.err if status else captured.out

    return show


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.safetensors", "m.epochal"])
def test_a_whole_model_is_told_by_layers_weights_and_settings(folder, shown, name):
    out = shown(folder / name)
    for words in (
        *("first", "Dense", "units=4, ", "activation=relu", "  inner", "BatchNormalization"),
        *(
            "(3, 4)" if name in ("m.keras", "m.h5") else "(4, 3)",
            "mae",
            "learning_rate=0.02",
            "KiB",
        ),
        *("Compiled with", "Optimizer state", "arrays"),
    ):
        assert words in out, words


def test_weights_alone_are_told_in_counting_order(folder, shown):
    out = shown(folder / "m.weights.h5")
    assert "Keras weights (HDF5)" in out
    assert "layers/dense/vars/0" in out
    assert "Layers" not in out
    assert out.index("optimizer/vars/9") < out.index("optimizer/vars/10")


def test_no_tensor_is_read(folder, shown, tmp_path):
    data = bytearray((folder / "m.safetensors").read_bytes())
    data[-1] ^= 255
    (tmp_path / "a.safetensors").write_bytes(data)
    assert "last" in shown(tmp_path / "a.safetensors")


def test_what_a_terminal_would_obey_is_written_out(folder, shown, tmp_path):
    tensors, notes = load_tensors(folder / "m.safetensors")
    model = json.loads(notes["model"])
    model["layers"][0]["config"]["name"] = "\x1b[2J\x1b]0;x\x07\u202e"
    notes |= {"model": json.dumps(model), "[red]note": "[bold]\r\n"}
    save_tensors(tmp_path / "a.safetensors", tensors, notes)
    out = shown(tmp_path / "a.safetensors")
    assert r"\x1b[2J\x1b]0;x\x07\u202e" in out
    assert "[red]note" in out
    assert r"[bold]\r\n" in out


@pytest.mark.parametrize(
    "model",
    [
        *(None, 3, [], {}, {"layers": 3}, {"layers": [3, {}, {"class_name": []}]}),
        {"class_name": 3, "config": {"layers": [{"config": 3}], "name": []}},
        {"layers": [{"config": {"layers": {}, "units": {}, "axis": list(range(20))}}]},
    ],
    ids=str,
)
def test_any_description_is_told_or_left_out(shown, tmp_path, model):
    save_tensors(tmp_path / "a.safetensors", {}, {"model": json.dumps(model), "compile": "[1]"})
    assert "safetensors" in shown(tmp_path / "a.safetensors")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("config.json", json.dumps(model))
        archive.writestr("metadata.json", json.dumps(model))
    (tmp_path / "a.keras").write_bytes(data.getvalue())
    assert "Keras model" in shown(tmp_path / "a.keras")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        file.attrs["training_config"] = json.dumps(
            {"loss": {"a": ["b", {"class_name": "C", "config": {"d": 1}}]}}
        )
        file.attrs["keras_version"] = "2.0"
    assert "a: b, C(d=1)" in shown(tmp_path / "a.h5")


def test_what_is_no_model_file_is_one_line_and_status_2(shown, tmp_path):
    (tmp_path / "a.pt").write_bytes(b"x")
    (tmp_path / "a.h5").write_bytes(b"x")
    assert "ends in '.pt'; what can be inspected ends in .safetensors" in shown(
        tmp_path / "a.pt", 2
    )
    assert "no HDF5 file" in shown(tmp_path / "a.h5", 2)
    assert "did you mean 'a.h5'" in shown(tmp_path / "b.h5", 2)


def test_a_module_of_torchs_is_told_by_its_parts(shown, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Sequential(torch.nn.ReLU()))
    model = epochal.Model(net)
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3), "float32"), np.ones((4, 4), "float32"), verbose=0)
    model.save(tmp_path / "a.epochal")
    out = shown(tmp_path / "a.epochal")
    for words in ("epochal model", "torch.nn.Linear", "torch.nn.ReLU", "(4, 3)", "Optimizer state"):
        assert words in out, words


def test_a_run_is_told_by_its_checkpoints(shown, tmp_path):
    with CheckpointStore(tmp_path / "run") as store:
        for epoch in (1, 2):
            store.save({"weights/a": torch.ones(5)}, {"epoch": epoch}, f"epoch {epoch}")
        newest = tmp_path / "run" / store.save({"w": torch.ones(7)}, None, "epoch 3").name
    out = shown(tmp_path / "run")
    assert "epoch 2" in out
    assert "(7,)" in out
    assert "(5,)" not in out
    assert store.run_id in out
    (newest / "manifest.json").write_bytes(b"\x1b[2J")
    out = shown(tmp_path / "run")
    assert "damaged" in out
    assert "(5,)" in out
    assert "epoch 2" in shown(tmp_path / "run" / "ckpt-00000002")
    assert "damaged" in shown(newest, 2)
    (tmp_path / "empty").mkdir()
    assert "a folder without checkpoints" in shown(tmp_path / "empty", 2)


def test_it_runs_as_a_module(folder):
    command = [sys.executable, "-m", "epochal", "inspect", "m.keras"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "Sequential net" in done.stdout
    assert done.stderr == ""
