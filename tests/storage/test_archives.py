"""Archives that epochal writes, and what it takes for one."""

import io
import os
import struct
import zipfile

import pytest
from hostile import zips
from hostile.zips import Part

from epochal.core.errors import UsageError
from epochal.storage import open_archive, write_archive
from epochal.storage.tensor_bytes import TensorBytes


def test_members_of_each_kind_come_back_and_other_programs_read_them(tmp_path):
    import torch

    path = tmp_path / "a.zip"
    tensors = TensorBytes({"x": torch.ones(3)})
    write_archive(
        path, {"a.json": b"{}", "b/c": lambda scratch: scratch.write_bytes(b"made"), "t": tensors}
    )
    assert os.listdir(tmp_path) == ["a.zip"]
    with open_archive(path) as archive:
        assert archive.names == ["a.json", "b/c", "t"]
        assert archive.read("b/c") == b"made"
        assert archive.size("a.json") == 2
        assert archive.span("t").read(0, 8) == archive.read("t")[:8]
        with pytest.raises(UsageError, match=r"no member 'x'; it holds 'a\.json', 'b/c', 't'"):
            archive.read("x")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("a.json") == b"{}"


def test_the_same_members_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_archive(tmp_path / name, {"x": b"1", "y": lambda scratch: scratch.write_bytes(b"2")})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failure_leaves_the_old_archive_and_nothing_beside_it(tmp_path):
    path = tmp_path / "a.zip"
    write_archive(path, {"x": b"1"})
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        write_archive(path, {"x": b"2", "y": lambda scratch: scratch.write_bytes(b"3") and 1 / 0})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.zip"]


def test_a_name_that_could_not_be_read_back_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"'\.\./x' is no plain path"):
        write_archive(tmp_path / "a.zip", {"../x": b"1"})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("what", zips.ATTACKS)
def test_what_means_harm_is_refused(what):
    change, words = zips.ATTACKS[what]
    data = zips.make(change([Part(b"config.json", b"{}"), Part(b"b", b"1")]))
    with pytest.raises(UsageError, match=words), open_archive(data):
        pass


PARTS = [Part(b"a", b"1"), Part(b"folder/", b"", mode=zips.FOLDER), Part(b"b", b"2" * 99, 8)]


def test_folders_are_left_out_and_deflated_members_unpacked():
    with open_archive(zips.make(PARTS)) as archive:
        assert archive.names == ["a", "b"]
        assert archive.read("b") == b"2" * 99
        assert archive.span("b").size == 99


def test_large_headers_are_read():
    data = io.BytesIO()
    with (
        zipfile.ZipFile(data, "w") as archive,
        archive.open("x", "w", force_zip64=True) as member,
    ):
        member.write(b"large")
    with open_archive(data.getvalue()) as archive:
        assert archive.read("x") == b"large"


def large(data, **changes):
    """Return an archive with the end that archives beyond 4 GiB have."""
    *_, count, _, size, start, _ = struct.unpack("<4s4H2LH", data[-22:])[3:4] + struct.unpack(
        "<4s4H2LH", data[-22:]
    )
    fields = {"size": 44, "disk": 0, "count": count, "at": len(data) - 22, "disks": 1} | changes
    end = struct.pack(
        "<4sQ2H2L4Q",
        *(b"PK\6\6", fields["size"], 45, 45, fields["disk"], 0),
        *(fields["count"], fields["count"], size, start),
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, fields["at"], fields["disks"])
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    return data[:-22] + end + locator + last


def test_the_end_of_a_large_archive_is_read_and_checked():
    data = zips.make([Part(b"a", b"1")])
    with open_archive(large(data)) as archive:
        assert archive.read("a") == b"1"
    for changes, words in (
        ({"at": 3}, "large archives are damaged"),
        ({"disks": 2}, "large archives are damaged"),
        ({"size": 100}, "something unknown"),
        ({"disk": 1}, "several disks"),
        ({"count": 2**40}, "at most 10,000"),
    ):
        with pytest.raises(UsageError, match=words), open_archive(large(data, **changes)):
            pass


def extra(field):
    """Return an archive of which the member's header has an extra field."""
    data = zips.make([Part(b"a", b"1")])
    local = data[:28] + struct.pack("<H", len(field)) + data[30:31] + field + data[31:32]
    directory = bytearray(data[32:])
    end = struct.unpack_from("<4s4H2LH", directory, len(directory) - 22)
    directory[-22:] = struct.pack("<4s4H2LH", *end[:6], len(local), 0)
    return local + bytes(directory)


@pytest.mark.parametrize(
    "field",
    [
        b"\1\0\x10",
        b"\1\0\xff\0" + bytes(8),
        b"\1\0\5\0" + bytes(5),
        (b"\1\0\x08\0" + bytes(8)) * 2,
    ],
    ids=repr,
)
def test_a_damaged_extra_field_is_refused(field):
    with pytest.raises(UsageError, match="an extra field is damaged"), open_archive(extra(field)):
        pass


def test_a_size_that_is_said_to_be_elsewhere_has_to_be_there():
    with open_archive(extra(b"\x99\x99\x02\0ab")) as archive:
        assert archive.read("a") == b"1"
    data = bytearray(zips.make([Part(b"a", b"1")]))
    data[22:26] = b"\xff" * 4
    with pytest.raises(UsageError, match="64 bits is missing"), open_archive(bytes(data)):
        pass


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_an_archive_cut_short_is_refused(cut):
    with pytest.raises(UsageError, match="refused"), open_archive(zips.make(PARTS)[:-cut]):
        pass


def test_any_byte_may_change_and_there_are_members_or_one_error():
    data = bytearray(zips.make(PARTS))
    ends = {"read": 0, "refused": 0}
    for position in range(len(data)):
        kept = data[position]
        for value in (0, 255, kept ^ (1 << position % 8)):
            data[position] = value
            try:
                with open_archive(bytes(data)) as archive:
                    for name in archive.names:
                        archive.read(name)
                        archive.span(name)
                ends["read"] += 1
            except UsageError:
                ends["refused"] += 1
        data[position] = kept
    assert min(ends.values()) > 50


def test_damaged_bytes_of_a_member_are_noticed_however_it_is_read():
    for part in (Part(b"a", b"1234", crc=7), Part(b"a", b"1234", 8, packed=b"\xff\xff")):
        with open_archive(zips.make([part])) as archive:
            for read in (archive.read, archive.span):
                with pytest.raises(UsageError, match="'a' of the file is damaged"):
                    read("a")


def test_what_is_too_long_for_a_description_is_read_by_span_alone(tmp_path):
    path = tmp_path / "a.zip"
    write_archive(path, {"a": bytes(2**26), "b": bytes(2**26 + 1)})
    with open_archive(path) as archive:
        assert len(archive.read("a")) == 2**26
        with pytest.raises(UsageError, match="67,108,865 bytes, and a description at most"):
            archive.read("b")
        assert archive.span("b").size == 2**26 + 1
