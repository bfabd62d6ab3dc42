import errno
import os
import resource

import pytest
import torch
from safetensors.torch import load_file, save_file

from epochal.core.errors import UsageError, UsageTypeError
from epochal.storage import FileMissingError, StorageError, load_tensors, save_tensors

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64,
]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)], ids=str)
def test_tensors_of_every_type_and_shape_come_back_equal(path, dtype, shape):
    tensor = (torch.randn(shape) * 10).to(dtype)
    save_tensors(path, {"t": tensor}, {"note": "é"})
    tensors, metadata = load_tensors(path)
    assert tensors["t"].dtype == dtype
    assert tensors["t"].shape == shape
    assert torch.equal(tensors["t"], tensor)
    assert metadata == {"note": "é"}


def test_nothing_can_be_saved_and_loaded(path):
    save_tensors(path, {})
    assert load_tensors(path) == ({}, {})


def test_tied_tensors_are_written_once_and_tied_again(path):
    model = torch.nn.Sequential(
        torch.nn.Linear(300, 300, bias=False), torch.nn.Linear(300, 300, bias=False)
    )
    model[1].weight = model[0].weight
    save_tensors(path, model.state_dict())
    tensors, _ = load_tensors(path)
    assert path.stat().st_size < 300 * 300 * 4 + 1000
    assert tensors["0.weight"] is tensors["1.weight"]
    assert torch.equal(tensors["0.weight"], model[0].weight)


def test_views_that_overlap_are_written_as_they_read(path):
    base = torch.arange(12.0).reshape(3, 4)
    views = {
        "base": base,
        "transposed": base.T,
        "row": base[1],
        "stepped": base[:, ::2],
        "flat": base.view(-1),
    }
    views["bits"] = base.view(torch.int32)
    save_tensors(path, views)
    tensors, _ = load_tensors(path)
    assert all(torch.equal(tensors[name], views[name]) for name in views)
    tensors["base"].zero_()
    assert torch.equal(tensors["row"], base[1])


def test_tensors_without_elements_are_not_taken_for_tied_ones(path):
    empty = {"a": torch.empty(0), "b": torch.empty(0)}
    save_tensors(path, empty)
    tensors, _ = load_tensors(path)
    assert tensors["a"] is not tensors["b"]


def test_parameters_and_lazy_conjugates_are_saved_by_value(path):
    z = torch.tensor([1 + 2j, 3 - 1j])
    save_tensors(path, {"p": torch.nn.Parameter(torch.ones(2)), "c": z.conj(), "n": z.conj().imag})
    tensors, _ = load_tensors(path)
    assert not tensors["p"].requires_grad
    assert tensors["c"].tolist() == [1 - 2j, 3 + 1j]
    assert tensors["n"].tolist() == [-2.0, 1.0]


def test_two_saves_of_the_same_state_are_equal_byte_for_byte(path):
    contents = set()
    for _ in range(5):
        save_tensors(
            path, {"b": torch.ones(2), "a": torch.zeros(1)}, {str(i): "x" for i in range(9)}
        )
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_loaded_tensors_do_not_change_with_the_file(path):
    save_tensors(path, {"a": torch.ones(1000)})
    tensors, _ = load_tensors(path)
    with open(path, "r+b") as file:
        file.truncate(10)
    assert float(tensors["a"].sum()) == 1000


def test_files_of_other_programs_are_read_and_ours_are_read_by_them(path):
    save_file({"a": torch.ones(2)}, path, {"format": "pt"})
    assert load_tensors(path)[1] == {"format": "pt"}
    save_tensors(path, {"a": torch.zeros(2)})
    assert torch.equal(load_file(path)["a"], torch.zeros(2))


def test_a_replaced_file_keeps_its_permissions_and_leaves_nothing_beside_it(path):
    save_tensors(path, {})
    path.chmod(0o604)
    save_tensors(path, {"a": torch.ones(2)})
    assert path.stat().st_mode & 0o777 == 0o604
    assert os.listdir(path.parent) == ["a.safetensors"]


def test_missing_folders_are_made_when_asked(tmp_path):
    save_tensors(tmp_path / "x" / "a.safetensors", {}, make_folder=True)
    assert (tmp_path / "x" / "a.safetensors").exists()
    with pytest.raises(UsageError, match="does not exist; make it first"):
        save_tensors(tmp_path / "y" / "a.safetensors", {})


def test_everything_that_cannot_be_stored_is_named_in_one_error(path):
    with pytest.raises(UsageTypeError) as caught:
        save_tensors(
            path,
            {
                "list": [1.0],
                1: torch.ones(1),
                "sparse": torch.eye(2).to_sparse(),
                "meta": torch.ones(2, device="meta"),
                "wide": torch.ones(1, dtype=torch.complex128),
            },
            {"epoch": 3},
        )
    message = str(caught.value)
    expected = [
        "6 problems",
        "'list' is of type list",
        "name 1 is no text",
        "'sparse' is sparse",
        "'meta' is on the meta device",
        "'wide' is complex128",
        "metadata 'epoch': 3",
    ]
    for words in expected:
        assert words in message
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("a.pt", "stands for pickled files"), ("a.h5", "ends in .h5"), ("a", "has no ending")],
)
def test_another_ending_is_refused_with_the_right_one(tmp_path, name, words):
    with pytest.raises(UsageError, match=rf"{words}.*use 'a\.safetensors'"):
        save_tensors(tmp_path / name, {})
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=words):
        load_tensors(tmp_path / name)


def test_a_missing_file_points_at_the_nearest_name(path):
    save_tensors(path, {})
    with pytest.raises(FileMissingError, match=r"did you mean 'a\.safetensors'\?"):
        load_tensors(path.with_name("b.safetensors"))


def whole(path):
    save_tensors(path, {"a": torch.arange(100.0)})
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: b"", "it is empty"),
        (lambda data: data[:5], "cut short at 5 bytes"),
        (lambda data: data[:40], "cut short at 40 bytes"),
        (lambda data: data[:-4], "cut short"),
        (lambda data: b"PK\x03\x04" + data, "pickled torch file"),
        (lambda data: b"\x89HDF\r\n\x1a\n" + data, "not a safetensors file"),
        (lambda data: data[:8] + b"\x00" + data[9:], "not a safetensors file, or damaged"),
    ],
)
def test_a_damaged_file_is_an_error_that_says_what_is_wrong(path, damage, words):
    path.write_bytes(damage(whole(path)))
    with pytest.raises(UsageError, match=words) as caught:
        load_tensors(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "note",
    [
        "{",
        "[]",
        '{"ties": {}}',
        '{"ties": {"b": "c"}, "metadata": {}}',
        '{"ties": {"a": "a"}, "metadata": {}}',
        '{"ties": {}, "metadata": {"k": 3}}',
        '{"ties": {}, "metadata": {}, "sha512": {}}',
        '{"ties": {}, "metadata": {}, "sha256": {"header": "", "tensors": {}}}',
    ],
)
def test_damaged_metadata_of_ours_is_an_error(path, note):
    save_file({"a": torch.ones(1)}, path, {"epochal": note})
    with pytest.raises(UsageError, match=r"is damaged|is not whole JSON"):
        load_tensors(path)


def test_files_written_before_there_were_hashes_are_read(path):
    save_file({"a": torch.ones(1)}, path, {"epochal": '{"ties": {"b": "a"}, "metadata": {}}'})
    tensors, _ = load_tensors(path)
    assert tensors["b"] is tensors["a"]


def test_large_tensors_are_hashed_too(path):
    """Several at a time, by threads."""
    tensors = {name: torch.arange(400_000.0) + index for index, name in enumerate("abc")}
    save_tensors(path, {**tensors, "small": torch.ones(1)})
    data = bytearray(path.read_bytes())
    assert torch.equal(load_tensors(path)[0]["b"], tensors["b"])
    data[2_000_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match="the values of 'b' are not what was written"):
        load_tensors(path)


def test_every_bit_of_a_file_counts(path):
    save_tensors(path, {"a": torch.arange(5.0), "b": torch.ones(3)}, {"note": "text"})
    data = bytearray(path.read_bytes())
    for position in range(len(data)):
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        with pytest.raises(UsageError):
            load_tensors(path)
        data[position] ^= 1 << position % 8


def test_a_write_that_fails_midway_leaves_the_old_file_and_no_temporary(path):
    before = whole(path)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(StorageError, match="File too large; what was there before") as caught:
            save_tensors(path, {"a": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["a.safetensors"]


def test_a_disk_without_room_is_noticed_before_anything_is_copied(path):
    huge = torch.zeros(1).expand(10**17)
    with pytest.raises(StorageError, match=r"it needs 400,000,000,000,000,\d{3} bytes"):
        save_tensors(path, {"a": huge})
    assert not path.exists()
