"""Tensors of an open file: verified first, and then written straight to where they belong."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from epochal.core.errors import UsageError
from epochal.storage import StoredTensors, open_tensors, save_tensors
from epochal.storage.spans import Span


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


@pytest.mark.parametrize(
    "target",
    [
        torch.zeros(2, 3, 4, 5),
        torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.zeros(2, 3, 4, 5, dtype=torch.float64),
        torch.zeros(2, 3, 4, 5, dtype=torch.bfloat16),
        torch.zeros(4, 6, 8, 10)[::2, ::2, ::2, ::2],
        torch.zeros(5, 4, 3, 2).permute(3, 2, 1, 0),
        nn.Parameter(torch.zeros(2, 3, 4, 5)),
    ],
    ids=["as it is", "channels last", "float64", "bfloat16", "every other", "turned", "parameter"],
)
def test_a_tensor_is_written_over_one_of_any_layout_and_type(path, target):
    values = torch.randn(2, 3, 4, 5)
    save_tensors(path, {"w": values})
    strides, memory = target.stride(), target.data_ptr()
    with open_tensors(path) as stored:
        stored.verify()
        stored.read_into("w", target)
    assert torch.equal(target, values.to(target.dtype))
    assert (target.stride(), target.data_ptr()) == (strides, memory)


@pytest.mark.parametrize(
    "values",
    [torch.tensor(3.5), torch.zeros(0, 4), torch.tensor([True, False]), torch.tensor([1 + 2j]),
     torch.ones(3, dtype=torch.bfloat16), torch.tensor([-0.0, float("nan")])],
    ids=["number", "nothing", "bool", "complex", "bfloat16", "nan"],
)  # fmt: skip
def test_every_bit_arrives(path, values):
    save_tensors(path, {"w": values})
    target = torch.zeros_like(values)
    with open_tensors(path) as stored:
        stored.read_into("w", target)
        assert bits(stored["w"]) == bits(values)
    assert bits(target) == bits(values)


def test_a_backward_pass_notices_that_a_weight_was_loaded_over(path):
    save_tensors(path, {"w": torch.ones(3)})
    weight = nn.Parameter(torch.zeros(3))
    loss = (weight * weight).sum()
    with open_tensors(path) as stored:
        stored.read_into("w", weight)
    assert weight.requires_grad
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_names_shapes_and_kinds_are_known_before_a_value_is_read(path):
    shared = torch.ones(2)
    save_tensors(path, {"a": shared, "b": shared, "c": torch.ones(1, 2).half()}, {"epoch": "3"})
    with open_tensors(path) as stored:
        assert stored.hashed
        assert sorted(stored) == ["a", "b", "c"]
        assert len(stored) == 3
        assert "a" in stored
        assert "d" not in stored
        assert stored.shapes == {"a": (2,), "b": (2,), "c": (1, 2)}
        assert stored.dtype("c") == torch.float16
        assert stored.first_name("b") == stored.first_name("a") == "a"
        assert stored.metadata == {"epoch": "3"}
        # Looking for a name must not cost what reading its tensor costs.
        path.write_bytes(path.read_bytes()[:-1])
        assert "c" in stored
        with pytest.raises(UsageError, match="became shorter while it was read"):
            dict(stored)


@pytest.mark.parametrize("size", [1, 2**18, 2**20 + 3], ids=["small", "one piece", "many"])
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_changed_bit_is_found_in_tensors_of_every_size(path, size, where):
    names = ("a", "b", "c")
    save_tensors(path, {name: torch.zeros(size, dtype=torch.uint8) for name in names})
    data = bytearray(path.read_bytes())
    data[-3 * size if where == "first" else -1] ^= 1
    path.write_bytes(data)
    with open_tensors(path) as stored:
        named = "'a'" if where == "first" else "'c'"
        with pytest.raises(UsageError, match=f"the values of {named} are not what was written"):
            stored.verify()


def test_a_file_of_another_program_has_no_hashes_to_check(path):
    save_file({"w": torch.ones(2)}, path)
    with open_tensors(path) as stored:
        assert not stored.hashed
        stored.verify()


def test_bytes_in_memory_are_read_in_the_same_way(path):
    save_tensors(path, {"w": torch.arange(3)})
    data = path.read_bytes()
    stored = StoredTensors(Span(data, len(data), "the bytes"))
    stored.verify()
    assert stored["w"].tolist() == [0, 1, 2]
