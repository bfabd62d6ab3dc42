"""What our reader of HDF5 reads is what h5py reads, and what it refuses it names."""

import io
import os

import h5py
import numpy as np
import pytest
from hostile import hdf5s
from hypothesis import given, settings
from hypothesis import strategies as st

from epochal.core.errors import UsageError
from epochal.storage import H5Dataset, H5Group, open_hdf5, write_hdf5
from epochal.storage.hdf5.source import Source
from epochal.storage.spans import Span


def file_of(fill):
    """Return the bytes of an HDF5 file."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        fill(file)
    return data.getvalue()


def read(fill):
    """Return the root of a file, its arrays read."""
    with open_hdf5(file_of(fill)) as root:
        return {item.path: item.read() for item in root.datasets()}


KINDS = ["<f2", "<f4", "<f8", ">f4", "i1", "<i2", ">i4", "<i8", "u1", "<u2", "<u4", "<u8", "?"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3, 4)], ids=str)
def test_arrays_of_every_kind_and_shape_are_read_as_they_were_written(kind, shape):
    array = np.asarray(np.arange(int(np.prod(shape))).reshape(shape), kind)
    [found] = read(lambda file: file.create_dataset("x", data=array)).values()
    assert found.shape == shape
    assert found.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(found, array)
    assert found.flags.writeable


@pytest.mark.parametrize(
    "how",
    [
        {"chunks": (4, 3)},
        {"chunks": (4, 3), "compression": "gzip"},
        {"chunks": (4, 3), "compression": 9, "shuffle": True},
        {"chunks": (4, 3), "shuffle": True},
        {"chunks": (7, 5)},
        {"chunks": (1, 1)},
        {"maxshape": (None, 5)},
    ],
    ids=str,
)
def test_arrays_in_pieces_are_put_together(how):
    array = np.random.default_rng(1).normal(size=(7, 5))
    [found] = read(lambda file: file.create_dataset("x", data=array, **how)).values()
    assert np.array_equal(found, array)


def test_small_arrays_that_lie_in_their_header_are_read():
    def fill(file):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space, kind = h5py.h5s.create_simple((3,)), h5py.h5t.NATIVE_FLOAT
        made = h5py.h5d.create(file.id, b"x", kind, space, plist)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(3, dtype="f4"))

    assert read(fill)["/x"].tolist() == [0, 1, 2]


def test_attributes_are_plain_values():
    kept = {
        "text": "é" * 10,
        "empty": "",
        "long": "x" * 60_000,
        "names": ["a", "bb", "ü"],
        "number": 3,
        "float": 0.5,
        "flag": True,
        "list": [1.0, 2.0],
    }

    def fill(file):
        file.attrs.update(kept)
        file.attrs["bytes"] = np.bytes_(b"abc")
        file.attrs["fixed"] = np.array([b"ab", b"c"])
        file.attrs["nothing"] = h5py.Empty("f4")
        file.attrs["none"] = np.array([], "f8")

    with open_hdf5(file_of(fill)) as root:
        found = dict(root.attrs)
    assert found.pop("bytes") == "abc"
    assert found.pop("fixed") == ["ab", "c"]
    assert found.pop("nothing") is None
    assert found.pop("none").shape == (0,)
    assert found.pop("list").tolist() == kept.pop("list")
    assert found == kept
    assert [type(found[name]) for name in ("number", "float", "flag")] == [int, float, bool]


def test_groups_are_mappings_and_name_what_is_nearest():
    with open_hdf5(file_of(lambda file: file.create_dataset("a/kernel", data=[1.0]))) as root:
        group = root["a"]
        assert isinstance(group, H5Group)
        assert isinstance(root["a/kernel"], H5Dataset)
        assert root["a"]["kernel"] is root["/a/kernel/"]
        assert (list(root), len(root), "a/kernel" in root, "a/x" in root) == (["a"], 1, True, False)
        assert root.group("a") is group
        assert root.dataset("a/kernel").nbytes == 8
        with pytest.raises(UsageError, match="unknown dataset 'kernl': did you mean 'kernel'"):
            group.dataset("kernl")
        with pytest.raises(UsageError, match="unknown group 'b'"):
            root.group("b")
        with pytest.raises(KeyError):
            root["a/kernel/x"]


@pytest.mark.parametrize("count", [1, 9, 3000])
def test_groups_of_any_size_keep_their_order(count):
    names = sorted(str(number) for number in range(count))
    found = read(lambda file: [file.create_dataset(f"g/{name}", data=[1]) for name in names])
    assert list(found) == [f"/g/{name}" for name in names]


def mixed(count, extra=""):
    """Return what fills a group with groups of which some have names outside of ASCII."""
    names = [f"{'ä' if number % 3 else 'b'}{number}{extra}" for number in range(count)]

    def fill(file):
        for number, name in enumerate(names):
            file.create_group(f"g/{name}").attrs["number"] = number

    return fill


@pytest.mark.parametrize("count", [1, 2, 8, 9, 70, 700, 2500])
@pytest.mark.parametrize("extra", ["", "x" * 80])
def test_names_outside_of_ascii_are_read(count, extra):
    """HDF5 keeps up to eight of them in the group's header, and more on a heap with an index."""
    data = file_of(mixed(count, extra))
    assert (b"FRHP" in data) == (count > 8)
    with open_hdf5(data) as root, h5py.File(io.BytesIO(data)) as file:
        assert list(root["g"]) == list(file["g"])
        for name, group in root["g"].items():
            assert group.attrs["number"] == file["g"][name].attrs["number"]


def test_more_names_than_one_level_of_blocks_holds_are_refused():
    data = file_of(mixed(2500, "x" * 300))
    with pytest.raises(UsageError, match="too long to be read"), open_hdf5(data):
        pass


def test_arrays_with_names_outside_of_ascii_are_read():
    found = read(lambda file: [file.create_dataset(f"g/ä{n}", data=[n]) for n in range(30)])
    assert [int(found[f"/g/ä{n}"][0]) for n in range(30)] == list(range(30))


def test_bfloat16_is_read_as_its_bits():
    def fill(file):
        file.create_dataset("x", data=np.array([0x3F80, 0x4000], "<u2").view("V2"))
        file["x"].attrs["dtype"] = "bfloat16"

    with open_hdf5(file_of(fill)) as root:
        assert root.dataset("x").bfloat16
        assert root.dataset("x").read().tolist() == [0x3F80, 0x4000]
    with pytest.raises(UsageError, match="without saying what they are"):
        read(lambda file: file.create_dataset("x", data=np.zeros(2, "V2")))


@pytest.mark.parametrize("what", hdf5s.ADDED)
def test_what_is_never_read_is_refused(tmp_path, what):
    change, words = hdf5s.ADDED[what]
    canary = tmp_path / "canary.h5"
    canary.write_bytes(file_of(lambda file: file.create_dataset("secret", data=[42.0] * 4)))
    data = hdf5s.add(file_of(lambda file: None), tmp_path, change, canary)
    with pytest.raises(UsageError, match=words), open_hdf5(data) as root:
        [item.read() for item in root.datasets()]


@pytest.mark.parametrize("what", [*hdf5s.PATCHED, *hdf5s.TEXTS, *hdf5s.ALIKE])
def test_a_structure_that_lies_is_refused(what):
    change, words = (hdf5s.PATCHED | hdf5s.TEXTS | hdf5s.ALIKE)[what]

    def fill(file):
        file.attrs["names"] = ["alpha", "beta"]
        for name in ("alpha", "beta", "gamma"):
            file[f"models/{name}/{name}/kernel"] = [1.0]

    with pytest.raises(UsageError, match=words), open_hdf5(change(file_of(fill))):
        pass


def of_each_kind(file):
    file.attrs["names"] = ["alpha", "beta"]
    file["ä/x"] = [1.0, 2.0]
    file.create_dataset("y", data=np.ones((9, 9)), chunks=(4, 4), compression=1, shuffle=True)


@pytest.mark.parametrize(("fill", "step"), [(of_each_kind, 17), (mixed(12), 37)])
def test_any_byte_may_change_and_there_are_arrays_or_one_error(fill, step):
    data = bytearray(file_of(fill))
    ends = {"read": 0, "refused": 0}
    for position in range(0, len(data), step):
        kept = data[position]
        for value in {0, 255, kept ^ (1 << position % 8)}:
            data[position] = value
            try:
                with open_hdf5(bytes(data)) as root:
                    [item.read() for item in root.datasets()]
                ends["read"] += 1
            except UsageError:
                ends["refused"] += 1
        data[position] = kept
    assert min(ends.values()) > 50


@given(data=st.binary(max_size=300), at=st.integers(0, 5000))
@settings(max_examples=300, deadline=None)
def test_foreign_bytes_are_refused_or_read(data, at):
    whole = bytearray(SMALL)
    whole[at : at + len(data)] = data
    try:
        with open_hdf5(bytes(whole)) as root:
            [item.read() for item in root.datasets()]
    except UsageError:
        pass


SMALL = file_of(lambda file: file.create_dataset("a/b/c", data=np.arange(9.0)))


def test_more_than_the_caller_allows_is_refused():
    with (
        pytest.raises(UsageError, match="72 bytes and 71 are allowed"),
        open_hdf5(SMALL, max_bytes=71),
    ):
        pass
    with open_hdf5(SMALL, max_bytes=72) as root:
        assert len(root) == 1


def test_a_file_is_written_whole_and_the_same_every_time(tmp_path):
    path = tmp_path / "a.h5"
    found = set()
    for _ in range(2):
        write_hdf5(path, lambda root: root.create_dataset("a/x", data=[1.0]))
        found.add(path.read_bytes())
    assert len(found) == 1
    with pytest.raises(ZeroDivisionError):
        write_hdf5(path, lambda root: 1 / 0)
    assert {path.read_bytes()} == found
    assert os.listdir(tmp_path) == ["a.h5"]


def test_structures_that_share_bytes_are_seen_at_the_end():
    source = Source(Span(bytes(100), 100, "it"))
    source.claim(0, 10, "one")
    source.claim(5, 10, "two")
    with pytest.raises(UsageError, match="two of its structures share the bytes at 5"):
        source.check_overlaps()
    with pytest.raises(UsageError, match="shares its bytes"):
        source.claim(30, 90 - 5 + 1 - 20, "three") or source.claim(20, 30, "four")


def test_descriptions_without_end_are_refused():
    source = Source(Span(bytes(100), 100, "it"), most=50)
    source.claim(0, 40, "an array")
    source.take(40, 50, "a name")
    with pytest.raises(UsageError, match="a text and what else describes its arrays are too long"):
        source.take(90, 1, "a text")
