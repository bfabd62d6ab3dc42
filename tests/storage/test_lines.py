"""A file of lines holds whole lines, whatever happens."""

import errno
import hashlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typing_extensions import Buffer

from epochal.core.errors import UsageError
from epochal.storage import LineFile, StorageError
from epochal.storage.disk import Disk, use_disk
from epochal.storage.lines import LineMark, cut_lines


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk with no more room: a write stops in the middle, and the next one fails."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_lines_are_there_as_soon_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    lines = LineFile(path, append=False)
    assert lines.empty
    lines.write("epoch,loss")
    lines.write("0,0.5\n")
    assert path.read_bytes() == b"epoch,loss\n0,0.5\n"
    assert not lines.empty
    lines.close()


def test_text_of_every_language_is_kept(tmp_path: Path) -> None:
    lines = LineFile(str(tmp_path / "log"), append=False)
    lines.write("Größe,損失")
    lines.close()
    assert (tmp_path / "log").read_text("utf-8") == "Größe,損失\n"


def test_a_file_starts_anew_or_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    lines = LineFile(path, append=True)
    assert not lines.empty
    lines.write("more")
    lines.close()
    assert path.read_text() == "old\nmore\n"
    lines = LineFile(path, append=False)
    assert lines.empty
    lines.write("new")
    lines.close()
    assert path.read_text() == "new\n"


def test_a_line_that_a_crash_tore_stays_apart_from_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("whole\nto")
    lines = LineFile(path, append=True)
    lines.write("next")
    lines.close()
    assert path.read_text() == "whole\nto\nnext\n"


def test_a_full_disk_leaves_whole_lines_and_room_again_is_used(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = LineFile(path, append=False)
    lines.write("a" * 900)
    with files_of_at_most(1000):
        for _ in range(2):
            with pytest.raises(StorageError, match=r"cannot write .*log: .*; whole lines are kept"):
                lines.write("b" * 200)
            assert path.read_text() == "a" * 900 + "\n"
    lines.write("c")
    lines.close()
    assert path.read_text() == "a" * 900 + "\nc\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_is_full_from_the_start_is_an_error_with_its_number() -> None:
    for append in (True, False):
        lines = LineFile("/dev/full", append=append)
        with pytest.raises(OSError, match="No space left on device") as caught:
            lines.write("x")
        assert caught.value.errno == errno.ENOSPC
        lines.close()


def test_lines_may_go_to_a_pipe_or_nowhere(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    for path in (tmp_path / "pipe", os.devnull):
        lines = LineFile(path, append=False)
        lines.write("one")
        lines.close()
    assert os.read(reader, 100) == b"one\n"
    os.close(reader)


@pytest.mark.parametrize("path", ["missing/log", "."])
def test_a_path_that_cannot_be_a_file_is_an_error_that_names_it(tmp_path: Path, path: str) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        LineFile(tmp_path / path, append=False)


def test_lines_written_before_a_kill_survive_it(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom epochal.storage import LineFile\n"
        "lines = LineFile(sys.argv[1], append=False)\nlines.write('one')\nlines.write('two')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", code, str(path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "one\ntwo\n"
    assert os.listdir(tmp_path) == ["log"]


def test_a_file_goes_back_to_its_mark_and_is_written_on_from_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    lines = LineFile(path, append=True)
    lines.write("kept")
    mark = lines.mark()
    lines.write("lost")
    assert lines.mark() == LineMark(17, hashlib.sha256(b"before\nkept\nlost\n").hexdigest())
    lines.close()
    cut_lines(path, mark)
    assert path.read_text() == "before\nkept\n"
    cut_lines(path, mark)
    lines = LineFile(path, append=True)
    assert lines.mark() == mark
    lines.write("again")
    lines.close()
    assert path.read_text() == "before\nkept\nagain\n"


def test_a_file_that_is_not_what_was_marked_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = LineFile(path, append=False)
    lines.write("one")
    mark = lines.mark()
    lines.close()
    for content, reason in (("tw", "has 2 bytes, but held 4"), ("two\nmore\n", "was changed")):
        path.write_text(content)
        with pytest.raises(UsageError, match=f"{reason} when the checkpoint was saved; put it"):
            cut_lines(path, mark)
        assert path.read_text() == content
    path.unlink()
    with pytest.raises(UsageError, match="log does not exist, but held 4 bytes when"):
        cut_lines(path, mark)


def test_a_pipe_and_a_device_have_nothing_to_go_back_to(tmp_path: Path) -> None:
    lines = LineFile(os.devnull, append=False)
    lines.write("one")
    cut_lines(os.devnull, lines.mark())
    lines.close()


def test_a_torn_line_that_could_not_be_taken_back_is_before_the_next(tmp_path: Path) -> None:
    class Failing(Disk):
        healthy = True

        def write(self, handle: int, data: Buffer) -> int:
            if self.healthy:
                return super().write(handle, data)
            if len(memoryview(data)) == 4:
                return super().write(handle, memoryview(data)[:2])
            raise OSError(errno.EIO, "broken")

        def truncate(self, handle: int, size: int) -> None:
            if not self.healthy:
                raise OSError(errno.EIO, "broken")
            super().truncate(handle, size)

    path, disk = tmp_path / "log", Failing()
    with use_disk(disk):
        lines = LineFile(path, append=False)
        for use in (lambda: lines.write("two"), lines.mark):
            lines.write("one")
            disk.healthy = False
            for _ in range(2):
                with pytest.raises(StorageError, match="broken; whole lines are kept"):
                    lines.write("two")
            with pytest.raises(StorageError, match="broken; whole lines are kept"):
                lines.mark()
            disk.healthy = True
            use()
    assert path.read_text() == "one\ntwo\none\n"
    lines.close()


def test_a_disk_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    class Unreadable(Disk):
        def read(self, handle: int, size: int) -> bytes:
            raise OSError(errno.EIO, "broken")

    path = tmp_path / "log"
    lines = LineFile(path, append=False)
    lines.write("one")
    with use_disk(Unreadable()):
        with pytest.raises(StorageError, match=r"cannot read .*log: broken"):
            lines.mark()
        with pytest.raises(StorageError, match=r"cannot read .*log: broken"):
            cut_lines(path, LineMark(4, "0"))
    os.truncate(path, 2)
    with pytest.raises(StorageError, match="shorter than what was written"):
        lines.mark()
    lines.close()
    with pytest.raises(StorageError, match="Is a directory"):
        cut_lines(tmp_path, LineMark(4, "0"))
