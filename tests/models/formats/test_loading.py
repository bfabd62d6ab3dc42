"""Weights go straight from a file to their places, and arrive as by `load_state_dict`."""

import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations

import epochal
from epochal.core.errors import UsageError
from epochal.layers import BatchNormalization, Conv2D, Dense, Flatten
from epochal.models import load_model
from epochal.storage import write_hdf5

X = np.random.default_rng(0).normal(size=(8, 6, 6, 3)).astype("float32")


def images():
    return epochal.Sequential(
        [Conv2D(4, 3, input_shape=(6, 6, 3)), BatchNormalization(), Flatten(), Dense(2)]
    )


def save(model, path):
    (model.save if path.suffix in (".epochal", ".keras") else model.save_weights)(path)


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


@pytest.mark.parametrize("name", ["m.safetensors", "m.epochal", "m.weights.h5", "m.keras"])
def test_kernels_keep_their_layout_and_every_weight_its_memory(tmp_path, name):
    model, twin = images(), images()
    save(model, tmp_path / name)
    before = {n: (t.data_ptr(), t.stride()) for n, t in twin.state_dict().items()}
    twin.load_weights(tmp_path / name)
    assert same(state(model), state(twin))
    assert before == {n: (t.data_ptr(), t.stride()) for n, t in twin.state_dict().items()}


@pytest.mark.parametrize("name", ["m.safetensors", "m.epochal"])
@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_numbers_of_another_type_become_those_of_the_model(tmp_path, name, kind):
    model = epochal.Model(nn.Linear(3, 2))
    save(model, tmp_path / name)
    twin = epochal.Model(nn.Linear(3, 2, dtype=kind))
    twin.load_weights(tmp_path / name)
    assert twin.network.weight.dtype == kind
    assert torch.equal(twin.network.weight, model.network.weight.to(kind))


@pytest.mark.parametrize("name", ["m.safetensors", "m.epochal"])
def test_the_last_tensor_is_damaged_and_the_first_stays_as_it_was(tmp_path, name):
    model = epochal.Model(nn.Sequential(*(nn.Linear(4, 4) for _ in range(5))))
    path = tmp_path / name
    save(model, path)
    data = bytearray(path.read_bytes())
    data[data.find(model.network[4].weight.detach().numpy().tobytes()) + 3] ^= 1
    path.write_bytes(data)
    twin = epochal.Model(nn.Sequential(*(nn.Linear(4, 4) for _ in range(5))))
    twin.compile("adam", "mse")
    twin.fit(torch.ones(4, 4), torch.ones(4, 4), verbose=0)
    before, remembered = state(twin), dict(twin.optimizer.state_dict())
    for load in (twin.load_weights, twin.restore):
        with pytest.raises(UsageError, match="damaged"):
            load(path)
        assert same(before, state(twin))
    assert twin.optimizer.state_dict().keys() == remembered.keys()


@pytest.mark.parametrize("name", ["m.safetensors", "m.epochal"])
def test_the_optimizers_state_does_not_fit_and_the_weights_stay_as_they_were(tmp_path, name):
    model, twin = epochal.Model(nn.Linear(3, 1)), epochal.Model(nn.Linear(3, 1))
    for each, optimizer in ((model, "adam"), (twin, "sgd")):
        each.compile(optimizer, "mse")
        each.fit(torch.ones(4, 3), torch.ones(4, 1), verbose=0)
    model.save(tmp_path / name)
    before = state(twin)
    with pytest.raises(UsageError, match="saved by Adam"):
        twin.restore(tmp_path / name)
    assert same(before, state(twin))


def test_a_compressed_array_is_damaged_and_no_weight_changes(tmp_path):
    model = epochal.Sequential([Dense(30, input_dim=30), Dense(30)])
    kernels = np.random.default_rng(1).normal(size=(2, 30, 30)).astype("float32")

    def fill(root):
        for layer, kernel in zip(("dense", "dense_1"), kernels, strict=True):
            place = f"layers/{layer}/vars"
            root.create_dataset(f"{place}/0", data=kernel, compression="gzip")
            root.create_dataset(f"{place}/1", data=np.ones(30, "float32"))

    path = tmp_path / "m.weights.h5"
    write_hdf5(path, fill)
    model.load_weights(path)
    assert np.array_equal(model.layers[1].get_weights()[0], kernels[1])
    data = bytearray(path.read_bytes())
    at = data.find(zlib.compress(kernels[1].tobytes(), 4))
    assert at > 0
    data[at + 100 : at + 110] = bytes(10)
    path.write_bytes(data)
    twin = epochal.Sequential([Dense(30, input_dim=30), Dense(30)])
    before = state(twin)
    with pytest.raises(UsageError, match="compressed data"):
        twin.load_weights(path)
    assert same(before, state(twin))


def test_what_a_module_does_when_it_loads_is_done(tmp_path):
    class Doubled(nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            state_dict[f"{prefix}weight"] = state_dict[f"{prefix}weight"] * 2
            super()._load_from_state_dict(state_dict, prefix, *rest)

    class Counted(nn.Linear):
        asked = 0

        def get_extra_state(self):
            return torch.tensor(self.asked)

        def set_extra_state(self, state):
            self.asked = int(state)

    model = epochal.Model(nn.Sequential(nn.Linear(2, 2), Doubled(2, 2), Counted(2, 2)))
    model.network[2].asked = 7
    save(model, tmp_path / "m.safetensors")
    twin = epochal.Model(nn.Sequential(nn.Linear(2, 2), Doubled(2, 2), Counted(2, 2)))
    seen = []
    twin.network[0].register_load_state_dict_pre_hook(lambda *_: seen.append("hook"))
    twin.load_weights(tmp_path / "m.safetensors")
    assert torch.equal(twin.network[1].weight, model.network[1].weight * 2)
    assert torch.equal(twin.network[0].weight, model.network[0].weight)
    assert twin.network[2].asked == 7
    assert seen == ["hook"]


def test_weights_behind_parametrizations_and_ties_are_loaded(tmp_path):
    def make():
        first, second = nn.Linear(4, 4), nn.Linear(4, 4)
        second.weight = first.weight
        return epochal.Model(
            nn.Sequential(first, second, parametrizations.weight_norm(nn.Linear(4, 4)))
        )

    model, twin = make(), make()
    for name in ("m.safetensors", "o.safetensors"):
        if name[0] == "m":
            save(model, tmp_path / name)
        else:
            save_file({n: t.clone() for n, t in model.state_dict().items()}, tmp_path / name)
        twin = make()
        twin.load_weights(tmp_path / name)
        assert same(state(model), state(twin))
        assert twin.network[0].weight is twin.network[1].weight


def test_a_model_without_values_keeps_none(tmp_path):
    model = epochal.Model(nn.Linear(3, 2))
    save(model, tmp_path / "m.safetensors")
    with torch.device("meta"):
        empty = epochal.Model(nn.Linear(3, 2))
    with pytest.warns(UserWarning, match="no-op"):
        empty.load_weights(tmp_path / "m.safetensors")
    assert empty.network.weight.is_meta


def test_weights_that_a_module_made_twice_are_one_again(tmp_path):
    @epochal.register("loading.Tied")
    class Tied(nn.Module):
        def __init__(self, width=3):
            super().__init__()
            self.into, self.back = nn.Linear(width, width), nn.Linear(width, width)
            self.back.weight = self.into.weight
            self.table = torch.ones(1)  # kept beside the weights: it is made with values

        def forward(self, x):
            return self.back(self.into(x)) * self.table

    model = epochal.Model(Tied())
    model.save(tmp_path / "m.epochal")
    again = load_model(tmp_path / "m.epochal")
    assert again.network.back.weight is again.network.into.weight
    assert same(state(model), state(again))
