"""Bytes inside of bounds, and no others."""

import io
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from epochal.core.errors import UsageError
from epochal.storage import FileMissingError, StorageError
from epochal.storage.spans import Span, open_span


@pytest.fixture(params=["file", "bytes"])
def span(request, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with open_span(path if request.param == "file" else b"0123456789") as opened:
        yield opened


def test_it_reads_what_is_inside(span):
    part = span.part(2, 6, "the part")
    target = bytearray(3)
    part.read_into(1, memoryview(target))
    assert (span.size, part.size) == (10, 6)
    assert (span.read(8, 2), part.read(0, 6), part.part(3, 2, "x").read(0, 2)) == (
        b"89",
        b"234567",
        b"56",
    )
    assert target == b"345"
    assert span.read(10, 0) == b""


@pytest.mark.parametrize(("offset", "count"), [(0, 11), (10, 1), (-1, 2), (3, -1), (2**63, 1)])
def test_it_refuses_what_is_outside(span, offset, count):
    with pytest.raises(UsageError, match="damaged or was cut short: it has 10 bytes"):
        span.read(offset, count)
    with pytest.raises(UsageError, match="damaged or was cut short"):
        span.part(offset, count, "x")
    with pytest.raises(UsageError, match="damaged or was cut short"):
        span.read_into(8, memoryview(bytearray(3)))


def test_a_file_that_shrinks_meanwhile_is_an_error(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with open_span(path) as span:
        path.write_bytes(b"01")
        with pytest.raises(UsageError, match="became shorter while it was read"):
            span.read(0, 10)


def test_a_system_that_cannot_read_at_an_offset_is_read_by_one_thread_at_a_time(
    tmp_path, monkeypatch
):
    monkeypatch.delattr(os, "preadv", raising=False)  # as on Windows
    path = tmp_path / "a"
    path.write_bytes(bytes(range(200)))
    with open_span(path) as span, ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda at: span.read(at, 2), range(100))
        assert list(found) == [bytes([at, at + 1]) for at in range(100)]


def test_an_error_of_the_machine_is_a_storage_error(tmp_path):
    with (
        io.FileIO(tmp_path / "a", "w") as file,
        pytest.raises(StorageError, match=r"cannot read it: (Bad file|File not open)"),
    ):
        Span(file, 10, "it").read(0, 1)


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, words in ((tmp_path / "pipe", "pipe"), ("/dev/zero", "device"), (tmp_path, "folder")):
        with pytest.raises(UsageError, match=words), open_span(path):
            pass
    with pytest.raises(FileMissingError, match="did you mean 'pipe'"), open_span(tmp_path / "pip"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_says_so(tmp_path):
    path = tmp_path / "a"
    path.touch(mode=0)
    with pytest.raises(StorageError, match="cannot read"), open_span(path):
        pass
