"""Names of weights have nothing of what compiled, wrapped or distributed the module."""

import copy
import itertools
import pickle

import pytest
import torch
import torch.distributed
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import epochal
from epochal.core.errors import UsageError
from epochal.layers import Dense
from epochal.models.prefixes import held_by_wrapper, match


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        return self.head(self.body(x))


NAMES = set(Net().state_dict())


def compiled(module):
    """Nothing is compiled before the first call; this backend spares the import of another."""
    return torch.compile(module, backend="eager")


def with_compiled_part(net):
    net.body = compiled(net.body)
    return net


WRAPPED = {
    "plain": lambda net: net,
    "compile": compiled,
    "ddp": DistributedDataParallel,
    "compile of ddp": lambda net: compiled(DistributedDataParallel(net)),
    "ddp of compile": lambda net: DistributedDataParallel(compiled(net)),
    "compiled part": with_compiled_part,
}


@pytest.fixture(scope="module", autouse=True)
def _one_process():
    """A group of one process: nothing is sent anywhere."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(("saved", "loaded"), list(itertools.product(WRAPPED, WRAPPED)))
def test_what_one_wrapping_saved_every_other_loads_and_the_file_knows_of_neither(
    tmp_path, saved, loaded
):
    model, twin = (epochal.Model(WRAPPED[kind](Net())) for kind in (saved, loaded))
    model.save_weights(tmp_path / "w.safetensors")
    assert set(load_file(tmp_path / "w.safetensors")) == NAMES
    twin.load_weights(tmp_path / "w.safetensors")
    assert set(twin.state_dict()) == NAMES
    for name, tensor in weights(model).items():
        assert torch.equal(tensor, twin.state_dict()[name])
    # What torch itself writes of a wrapped module is read as well.
    save_file(model.network.state_dict(), tmp_path / "torch.safetensors")
    again = epochal.Model(WRAPPED[loaded](Net()))
    again.load_weights(tmp_path / "torch.safetensors")
    for name, tensor in weights(model).items():
        assert torch.equal(tensor, again.state_dict()[name])


@pytest.mark.parametrize("kind", WRAPPED)
def test_parameters_buffers_and_the_optimizer_are_named_alike(kind):
    model = epochal.Model(WRAPPED[kind](Net()))
    named = dict(model.named_parameters())
    assert {*named, *dict(model.named_buffers())} == NAMES
    assert [id(p) for p in model.parameters()] == [id(p) for p in named.values()]
    assert [id(b) for b in model.buffers()] == [id(b) for _, b in model.named_buffers()]
    assert dict(model.named_parameters("deep")).keys() == {f"deep.{name}" for name in named}


def test_a_copy_and_a_pickled_twin_have_the_same_names_and_weights_of_their_own():
    model = epochal.Model(nn.DataParallel(nn.Linear(2, 1)))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.load_state_dict({"weight": torch.ones(1, 2), "bias": torch.ones(1)})
        assert list(twin.state_dict()) == ["weight", "bias"]
        assert twin.network.module.bias.item() == 1.0
    assert model.network.module.bias.item() != 1.0
    stack = epochal.Sequential([Dense(1, input_dim=2)])
    assert list(pickle.loads(pickle.dumps(stack)).state_dict()) == list(stack.state_dict())


def test_models_inside_of_a_model_hide_their_prefix_too():
    class Pair(epochal.Model):
        def __init__(self):
            super().__init__()
            self.first = epochal.Model(compiled(nn.Linear(2, 2)))
            self.second = nn.DataParallel(epochal.Model(nn.Linear(2, 1)))
            self.network = nn.Linear(1, 1)  # a name like any other, here

    pair, twin = Pair(), Pair()
    names = [f"{part}.{kind}" for part in ("first", "second", "network")
             for kind in ("weight", "bias")]  # fmt: skip
    assert list(pair.state_dict()) == names
    assert [name for name, _ in pair.named_parameters()] == names
    twin.load_state_dict(pair.state_dict())
    assert torch.equal(twin.first.network.bias, pair.first.network.bias)
    assert torch.equal(twin.second.module.network.bias, pair.second.module.network.bias)


def test_names_of_ones_own_that_look_like_a_wrappers_stay():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(1, 1)
            self.scale = nn.Parameter(torch.ones(()))

    gate = Gate()
    assert held_by_wrapper(gate) is None
    assert set(epochal.Model(gate).state_dict()) == {"scale", "module.weight", "module.bias"}


def test_two_tensors_never_get_one_name():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))
            self._orig_mod = nn.Linear(1, 1)

    model, twin = epochal.Model(Odd()), epochal.Model(Odd())
    names = {"network.weight", "network._orig_mod.weight", "network._orig_mod.bias"}
    assert set(model.state_dict()) == set(dict(model.named_parameters())) == names
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin.network._orig_mod.bias, model.network._orig_mod.bias)


def test_what_does_not_fit_is_told_by_the_names_of_files():
    model = epochal.Model(nn.DataParallel(nn.Linear(1, 1)))
    told = model.load_state_dict({"weight": torch.ones(1, 1), "odd.name": torch.ones(1)}, False)
    assert (told.missing_keys, told.unexpected_keys) == (["bias"], ["odd.name"])


def test_prefixes_are_passed_over_only_where_one_name_remains(tmp_path):
    assert match(["module.a", "_orig_mod.a"], ["a"]) == {n: n for n in ("module.a", "_orig_mod.a")}
    assert match(["a", "module.a"], ["a"]) == {"a": "a", "module.a": "module.a"}
    assert match(["x.network.a"], ["module.x.a"]) == {"x.network.a": "module.x.a"}
    save_file({"module.weight": torch.ones(1, 1), "weight": torch.ones(1, 1),
               "bias": torch.ones(1)}, tmp_path / "w.safetensors")  # fmt: skip
    with pytest.raises(UsageError, match=r"module\.weight"):
        epochal.Model(nn.Linear(1, 1)).load_weights(tmp_path / "w.safetensors")


def test_a_wrapped_model_is_called_as_the_module_inside_says():
    class Two(nn.Module):
        def forward(self, left, right):
            return left + right

    model = epochal.Model(nn.DataParallel(compiled(Two())))
    assert list(model.input_signature().parameters) == ["left", "right"]
    assert isinstance(model.wrapped, Two)
