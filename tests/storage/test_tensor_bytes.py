"""Tensors made into bytes are what the safetensors library writes and reads."""

import json

import pytest
import torch
from safetensors.torch import load

from epochal.core.errors import Problems, UsageError
from epochal.storage.tensor_bytes import KEY, TensorBytes, check_tensors, decode_tensors

TYPES = [
    torch.float64, torch.int64, torch.uint64, torch.complex64, torch.float32, torch.int32,
    torch.uint32, torch.float16, torch.bfloat16, torch.int16, torch.uint16, torch.float8_e4m3fn,
    torch.float8_e5m2, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


def whole(content: TensorBytes) -> bytes:
    return b"".join(content.pieces())


def bits(tensor: torch.Tensor) -> list[int]:
    return tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    made = {f"m.{dtype}": torch.randint(0, 2, (2, 3)).to(dtype) for dtype in TYPES}
    return made | {
        "empty": torch.empty(0, 3),
        "number": torch.tensor(7),
        "flip": made["m.torch.float64"].T,
    }


def test_what_is_encoded_comes_back_bit_for_bit(tensors) -> None:
    content = TensorBytes(tensors, {"note": "é"})
    data = bytearray(whole(content))
    assert len(data) == content.size
    back, notes = decode_tensors(data, "it")
    assert notes == {"note": "é"}
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        assert bits(back[name]) == bits(tensor)


def test_the_library_reads_the_same(tensors) -> None:
    content = TensorBytes(tensors)
    theirs = load(whole(content))
    for name, tensor in tensors.items():
        assert bits(theirs[name]) == bits(tensor)


def test_tied_tensors_stand_there_once_and_are_one_again() -> None:
    weight = torch.ones(1000)
    content = TensorBytes({"a": weight, "b": weight, "part": weight[:2]})
    assert content.size < 5000
    back, _ = decode_tensors(whole(content), "it")
    assert back["a"] is back["b"]
    assert back["part"].tolist() == [1, 1]


def test_what_cannot_be_stored_is_said_by_name() -> None:
    problems = Problems("save")
    bad = {
        "meta": torch.ones(1, device="meta"),
        "sparse": torch.ones(2).to_sparse(),
        "wide": torch.ones(1, dtype=torch.complex128),
        "odd": torch.ones(1).to(torch.float8_e4m3fnuz),
        "none": None,
        3: torch.ones(1),
    }
    check_tensors(problems, bad)
    text = " ".join(problems)
    for word in (
        "'meta' is on",
        "'sparse' is sparse",
        "complex128",
        "float8_e4m3fnuz",
        "NoneType",
        "3 is no text",
    ):
        assert word in text


def header(**entries) -> bytes:
    notes = {KEY: json.dumps({"ties": {}, "metadata": {}})}
    text = json.dumps({"__metadata__": notes} | entries).encode()
    return len(text).to_bytes(8, "little") + text


def entry(start, end, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"\x00\xff", "cut short"),
        ((10**12).to_bytes(8, "little") + b"{}", "not a safetensors file"),
        ((2).to_bytes(8, "little") + b"{}", "not a safetensors file of ours: 'epochal'"),
        ((2).to_bytes(8, "little") + b"[]", "not a safetensors file"),
        ((2).to_bytes(8, "little") + b"{,", "not whole JSON"),
        (header(a=entry(0, 4)), "cut short"),
        (header(a=entry(0, 4)) + bytes(8), "belong to no tensor"),
        (header(a=entry(4, 8)) + bytes(8), "do not follow"),
        (header(a=entry(0, 4), b=entry(0, 4)) + bytes(8), "do not follow"),
        (header(a=entry(0, 8)) + bytes(8), "needs 4 bytes and has 8"),
        (header(a=entry(0, 4, (-1, -1))) + bytes(4), "is damaged"),
        (header(a=entry(0, 2**62, (2**60,))), "no machine"),
        (header(a=entry(0, 4, dtype="F99")) + bytes(4), "F99"),
        (header(a=entry(0, 4, dtype=[])) + bytes(4), r"of type '\[\]'"),
        (header(a=entry(0, 0, (0, 2**60, 2**60))), "no machine"),
        (header(a=entry(None, 4)) + bytes(4), "is damaged"),
        (header(a=7) + bytes(4), "is damaged"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_such_file_are_refused_before_memory_is_taken(data, reason) -> None:
    with pytest.raises(UsageError, match=reason):
        decode_tensors(data, "it")
