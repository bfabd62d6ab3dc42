"""A file of lines holds whole lines, whatever happens."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from epochal.storage import LineFile, StorageError


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
