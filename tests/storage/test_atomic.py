import errno
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from epochal.core.errors import UsageError
from epochal.storage import (
    StorageError,
    atomic_path,
    atomic_write,
    free_space_check,
    remove_leftovers,
)
from epochal.storage.disk import Disk

HELD = "import os, signal\nfrom epochal.storage import *\n"


def python(
    code: str, *arguments: object, before: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [*(before or []), sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def write_all(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)


def test_a_written_file_holds_what_was_written_and_nothing_is_left_beside_it(tmp_path):
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"one")
    assert (tmp_path / "a.bin").read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_old_file_is_there_until_the_block_ends(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with atomic_write(str(target)) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
        [other] = [name for name in os.listdir(tmp_path) if name != "a.bin"]
        assert other.startswith(".a.bin.")
        assert other.endswith(".partial")
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("failure", [RuntimeError("mine"), KeyboardInterrupt()])
def test_an_exception_in_the_block_passes_and_leaves_the_old_file(tmp_path, failure):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def write() -> None:
        with atomic_write(target) as file:
            file.write(b"new")
            raise failure

    with pytest.raises(type(failure)) as caught:
        write()
    assert caught.value is failure
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_an_error_about_another_file_is_not_blamed_on_this_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_write(tmp_path / "a"):
        (tmp_path / "elsewhere").read_bytes()
    assert os.listdir(tmp_path) == []


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    with atomic_path(tmp_path / "a") as first, atomic_path(tmp_path / "a") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text() == "first"
    assert os.listdir(tmp_path) == ["a"]


def test_permissions_of_the_old_file_are_kept(tmp_path):
    target = tmp_path / "a"
    target.touch()
    target.chmod(0o640)
    with atomic_write(target) as file:
        file.write(b"x")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_new_file_gets_the_permissions_a_plain_open_would_give(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with atomic_write(tmp_path / "ours"):
        pass
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_symbolic_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    target = tmp_path / ("é" * 127)
    with atomic_write(target) as file:
        file.write(b"x")
    assert target.read_bytes() == b"x"


def test_a_missing_folder_is_an_error_that_names_it(tmp_path):
    with (
        pytest.raises(UsageError, match=r"folder .*runs/1 does not exist; make it first"),
        atomic_write(tmp_path / "runs" / "1" / "a"),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_missing_folders_are_made_when_asked(tmp_path):
    with atomic_write(tmp_path / "runs" / "1" / "a", make_folder=True) as file:
        file.write(b"x")
    assert (tmp_path / "runs" / "1" / "a").read_bytes() == b"x"


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="is a folder"), atomic_write(tmp_path):
        pass


def test_a_device_is_never_replaced():
    with (
        pytest.raises(UsageError, match="/dev/null is a device or a pipe"),
        atomic_write("/dev/null"),
    ):
        pass
    assert not Path("/dev/null").is_file()


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path):
    (tmp_path / "a").touch()
    for make_folder in (False, True):
        with (
            pytest.raises(StorageError, match="Not a directory"),
            atomic_write(tmp_path / "a" / "b", make_folder=make_folder),
        ):
            pass


def test_a_folder_that_takes_no_files_is_an_error_that_names_the_file():
    if not os.path.isdir("/proc/self"):
        pytest.skip("no /proc on this machine")
    with pytest.raises(StorageError, match="cannot write /proc/epochal"):
        write_all(Path("/proc/epochal"), b"x")


def test_a_name_that_is_too_long_is_an_error_of_the_machine(tmp_path):
    with (
        pytest.raises(StorageError, match="File name too long") as caught,
        atomic_write(tmp_path / ("a" * 300)),
    ):
        pass
    assert caught.value.errno == errno.ENAMETOOLONG


def test_a_folder_without_write_permission_is_an_error_that_names_the_file(tmp_path):
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        with (
            pytest.raises(StorageError, match=r"a\.bin: Permission denied") as caught,
            atomic_write(tmp_path / "a.bin"),
        ):
            pass
    finally:
        tmp_path.chmod(0o755)
    assert caught.value.errno == errno.EACCES


def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path):
    code = HELD + (
        "os.chdir('/'); os.chdir(folder := __import__('sys').argv[1])\n"
        "open('a', 'wb').write(b'old')\n"
        "try:\n"
        "    with atomic_write('a') as file: file.write(b'x' * 2_000_000)\n"
        "except StorageError as error: print(error)\n"
        "print(os.listdir('.'), open('a', 'rb').read())\n"
    )
    mount = 'mount -t tmpfs -o size=64k none "$0" && exec "$@"'
    try:
        done = python(code, tmp_path, before=["unshare", "-rm", "sh", "-c", mount, str(tmp_path)])
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if (done.returncode and "unshare" in done.stderr + done.stdout) or "mount:" in done.stderr:
        pytest.skip("this user may not mount a small disk")
    assert f"cannot write {tmp_path}/a: No space left on device" in done.stdout, done.stderr
    assert "what was there before is untouched" in done.stdout
    assert "['a'] b'old'" in done.stdout


def test_a_write_beyond_the_file_size_limit_leaves_the_old_file_and_no_temporary(tmp_path):
    target = tmp_path / "a"
    target.write_bytes(b"old")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(StorageError, match="File too large") as caught:
            write_all(target, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert str(target) in str(caught.value)
    assert caught.value.errno == errno.EFBIG
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_process_killed_before_the_rename_leaves_the_old_file_whole(tmp_path):
    target = tmp_path / "a"
    target.write_bytes(b"old")
    done = python(
        HELD + "import sys\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half of the new'); file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n",
        target,
    )
    assert done.returncode == -9
    assert target.read_bytes() == b"old"
    [left] = [name for name in os.listdir(tmp_path) if name != "a"]
    assert left.endswith(".partial")
    with atomic_write(target) as file:
        file.write(b"next")
    assert target.read_bytes() == b"next"


def test_enough_free_space_passes_and_too_little_names_both_numbers(tmp_path):
    free_space_check(tmp_path / "not" / "yet" / "there", bytes=1)
    with pytest.raises(
        StorageError, match=r"needs 1,000,000,000,000,000,000 bytes and [\d,]+ are free"
    ) as caught:
        free_space_check(tmp_path / "a", bytes=10**18)
    assert caught.value.errno == errno.ENOSPC


def test_a_file_system_that_cannot_sync_folders_is_no_obstacle():
    if not os.path.isdir("/proc/self"):
        pytest.skip("no /proc on this machine")
    Disk().sync_folder(Path("/proc/self"))


def test_other_failures_to_sync_a_folder_are_not_hidden(tmp_path):
    with pytest.raises(FileNotFoundError):
        Disk().sync_folder(tmp_path / "missing")


def test_leftovers_of_killed_writers_of_this_file_go_and_no_others(tmp_path):
    gone = [".a.bin.0123456789ab.partial", ".a.bin.ffffffffffff.partial"]
    kept = [
        "a.bin",
        ".a.bin.partial",
        ".a.bin.0123456789ab.partial.x",
        ".b.bin.0123456789ab.partial",
    ]
    for name in (*gone, *kept):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "a.bin")
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
    remove_leftovers(tmp_path / "missing" / "a.bin")
