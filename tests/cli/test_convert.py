"""`python -m epochal convert` moves models and weights between formats, and says what it cannot."""

import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import epochal
from epochal.cli import main
from epochal.layers import Dense
from epochal.models import load_model

X = np.ones((4, 3), "float32")


@pytest.fixture
def model():
    model = epochal.Sequential([Dense(4, input_dim=3, activation="relu"), Dense(1)], name="net")
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, X[:, :1], epochs=2, verbose=0)
    return model


def convert(*arguments):
    return main(["convert", *map(str, arguments)])


@pytest.mark.parametrize("target", ["keras", "h5", "epochal"])
@pytest.mark.parametrize("source", ["keras", "h5", "epochal", "safetensors"])
def test_whole_models_stay_whole(tmp_path, capsys, model, source, target):
    old, new = tmp_path / f"old.{source}", tmp_path / f"new.{target}"
    model.save(old)
    assert convert(old, new) == 0
    assert f"new.{target}: the whole model (21 numbers), from" in capsys.readouterr().out
    twin = load_model(new)
    assert (twin.predict(X, verbose=0) == model.predict(X, verbose=0)).all()
    assert twin.optimizer.iterations == 2
    assert twin.metrics_names == ["loss", "mae"]


@pytest.mark.parametrize("target", ["safetensors", "weights.h5"])
def test_weights_are_taken_out_of_a_whole_model_and_put_into_one_like_it(tmp_path, model, target):
    model.save(tmp_path / "m.keras")
    assert convert(tmp_path / "m.keras", tmp_path / f"w.{target}") == 0
    model.set_weights([array + 1 for array in model.get_weights()])
    like = ("--like", tmp_path / "m.keras")
    model.save_weights(tmp_path / f"more.{target}")
    assert convert(tmp_path / f"more.{target}", tmp_path / "n.epochal", *like) == 0
    assert (load_model(tmp_path / "n.epochal").predict(X, verbose=0)
            == model.predict(X, verbose=0)).all()  # fmt: skip


def test_prefixes_go_when_safetensors_are_written_anew(tmp_path, capsys):
    net = nn.DataParallel(nn.Sequential(nn.Linear(3, 1)))
    save_file(net.state_dict(), tmp_path / "a.safetensors")
    assert convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors") == 0
    assert set(load_file(tmp_path / "b.safetensors")) == {"0.weight", "0.bias"}
    assert "2 weights, under names without prefixes" in capsys.readouterr().out
    odd = {"_orig_mod.a": torch.ones(1), "a": torch.zeros(1)}
    save_file(odd, tmp_path / "odd.safetensors")
    assert convert(tmp_path / "odd.safetensors", tmp_path / "c.safetensors") == 2
    assert "two weights have one name" in capsys.readouterr().err


def test_nothing_is_overwritten_without_force(tmp_path, capsys, model):
    old, new = tmp_path / "m.keras", tmp_path / "m.epochal"
    model.save(old)
    new.write_text("precious")
    assert convert(old, new) == 2
    assert "exists already; remove it, or add --force" in capsys.readouterr().err
    assert new.read_text() == "precious"
    assert convert(old, new, "--force") == 0
    assert load_model(new).name == "net"
    assert convert(old, old, "--force") == 2
    assert "give another name" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["w.safetensors", "w.weights.h5"])
def test_weights_alone_make_no_model(tmp_path, capsys, model, source):
    model.save_weights(tmp_path / source)
    assert convert(tmp_path / source, tmp_path / "m.keras") == 2
    assert "--like" in capsys.readouterr().err
    assert not (tmp_path / "m.keras").exists()


def test_what_the_other_format_cannot_hold_is_said(tmp_path, capsys):
    model = epochal.Model(nn.Sequential(nn.Linear(3, 1)))
    model.compile(torch.optim.RAdam, "mse")
    model.save(tmp_path / "m.epochal")
    assert convert(tmp_path / "m.epochal", tmp_path / "m.keras") == 2
    assert "save its weights" in capsys.readouterr().err
    assert convert(tmp_path / "m.epochal", tmp_path / "m.pt") == 2
    assert "pickled" in capsys.readouterr().err
    assert convert(tmp_path / "none.keras", tmp_path / "m.keras") == 2
    stack = epochal.Sequential([Dense(1, input_dim=3)])
    stack.compile(torch.optim.RAdam, "mse")
    stack.save(tmp_path / "s.epochal")
    assert convert(tmp_path / "s.epochal", tmp_path / "s.keras") == 0
    assert "note: save(" in capsys.readouterr().err


def test_classes_of_ones_own_come_from_a_module_named_on_the_command_line(
    tmp_path, capsys, monkeypatch
):
    (tmp_path / "my_convert_nets.py").write_text(
        "import epochal\nfrom torch import nn\n\n"
        "@epochal.register('converted.Net')\n"
        "class Net(nn.Linear):\n    def __init__(self, width):\n"
        "        super().__init__(3, width)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("my_convert_nets")
    epochal.Model(module.Net(2)).save(tmp_path / "m.epochal")
    assert convert(tmp_path / "m.epochal", tmp_path / "w.safetensors",
                   "--import", "my_convert_nets") == 0  # fmt: skip
    assert set(load_file(tmp_path / "w.safetensors")) == {"weight", "bias"}
    arguments = (tmp_path / "m.epochal", tmp_path / "v.safetensors", "--import", "no_such_module")
    assert convert(*arguments) == 2
    assert "--import no_such_module" in capsys.readouterr().err
    sys.modules.pop("my_convert_nets")
