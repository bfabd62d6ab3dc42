"""Files that are whole or not there: written aside, made durable, renamed."""

import contextlib
import difflib
import errno
import io
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from epochal.core.errors import EpochalError, UsageError
from epochal.storage.disk import DiskFile, disk

__all__ = [
    "FileMissingError",
    "StorageError",
    "StrPath",
    "atomic_path",
    "atomic_write",
    "existing_file",
    "free_space_check",
    "make_folders",
    "remove_file",
    "scratch_path",
]

StrPath: TypeAlias = str | os.PathLike[str]


class StorageError(EpochalError, OSError):
    """The machine could not write a file (disk full, no permission); `errno` says why."""


class FileMissingError(UsageError, FileNotFoundError):
    """There is no file where a call expects one."""


def existing_file(path: StrPath) -> Path:
    """Return `path` if a file can be read there.

    Raises:
        FileMissingError: If nothing is there; names the file or folder with the nearest name.
        UsageError: If it is a folder.
    """
    file = Path(path)
    if file.is_dir():
        raise UsageError(f"{file} is a folder; give the path of a file in it")
    if file.exists():
        return file
    if not file.parent.is_dir():
        raise FileMissingError(f"{file} does not exist, nor does its folder {file.parent}")
    near = difflib.get_close_matches(file.name, os.listdir(file.parent), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "no file there has a similar name"
    raise FileMissingError(f"{file} does not exist in folder {file.parent.resolve()}: {hint}")


def free_space_check(path: StrPath, bytes: int) -> None:
    """Refuse to start writing what the disk cannot hold.

    Use it before a large write: the old file and the new one stand side by side until the rename.

    Args:
        path: The file to be written; it need not exist, nor need its folder.
        bytes: How many bytes are about to be written.

    Raises:
        StorageError: If fewer bytes are free for this user; says how many are needed and free.

    Example:
        >>> free_space_check("model.safetensors", bytes=10)
    """
    folder = Path(os.path.realpath(path)).parent
    while not folder.exists():
        folder = folder.parent
    free = disk().free(folder)
    if bytes > free:
        raise StorageError(
            errno.ENOSPC,
            f"cannot write {os.fspath(path)}: it needs {bytes:,} bytes and {free:,} are free; "
            "make room or write to another disk",
        )


@contextlib.contextmanager
def atomic_write(path: StrPath, *, make_folder: bool = False) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of `path` when the block ends without an exception.

    Use it for every file that must never be seen half written. Until the block ends, and for good
    if it raises or the process dies, the file that was at `path` stays as it was.

    Args:
        path: The file to write; a symbolic link is followed, so that it stays a link.
        make_folder: Make the missing folders above `path` instead of refusing.

    Yields:
        A binary file, open for writing.

    Raises:
        UsageError: If the folder is missing or `path` is a folder or a device.
        StorageError: If the machine cannot write (disk full, no permission).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(f"{folder}/notes/a.txt", make_folder=True) as file:
        ...         _ = file.write(b"whole")
        ...     Path(f"{folder}/notes/a.txt").read_bytes()
        b'whole'
    """
    with (
        atomic_path(path, make_folder=make_folder) as temporary,
        io.BufferedWriter(DiskFile(temporary)) as file,
    ):
        yield cast(BinaryIO, file)


@contextlib.contextmanager
def atomic_path(path: StrPath, *, make_folder: bool = False) -> Iterator[Path]:
    """Give the path of a temporary file that takes the place of `path` when the block ends.

    Use it for libraries that open the file themselves (HDF5, safetensors); else `atomic_write`.

    Args:
        path: The file to write; a symbolic link is followed, so that it stays a link.
        make_folder: Make the missing folders above `path` instead of refusing.

    Yields:
        The path of an empty file in the same folder, to be written and closed inside the block.

    Raises:
        UsageError: If the folder is missing or `path` is a folder or a device.
        StorageError: If the machine cannot write (disk full, no permission).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_path(f"{folder}/a.txt") as temporary:
        ...         _ = temporary.write_text("whole")
        ...     os.listdir(folder)
        ['a.txt']
    """
    target = Path(os.path.realpath(path))
    mode = _mode_to_keep(target)
    try:
        _check_folder(target.parent, make_folder)
        # From the system's generator: drawing a name must not move the seeded ones.
        temporary = target.parent / f".{target.name[:40]}.{secrets.token_hex(6)}.partial"
        # 0o666 under the user's umask, as a plain `open` would give; tempfile's 0o600 would lock
        # out colleagues who could read the file before.
        handle = disk().open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        new_mode = stat.S_IMODE(os.fstat(handle).st_mode)
        disk().close(handle)
        yield temporary
        disk().chmod(temporary, new_mode if mode is None else mode)
        _sync_file(temporary)
        disk().rename(temporary, target)
    except OSError as error:
        _remove(temporary)
        if isinstance(error, EpochalError) or error.filename not in (None, str(temporary)):
            raise  # the block spoke of another file, or has already said it well
        raise _cannot_write(target, error) from error
    except BaseException:
        _remove(temporary)
        raise
    try:
        disk().sync_folder(target.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            error.errno or errno.EIO,
            f"{target} is written, but may be lost if the power fails now: {reason}",
        ) from error


@contextlib.contextmanager
def scratch_path(path: StrPath) -> Iterator[Path]:
    """Give the path of a file beside `path` for the time of the block; then it is removed.

    Use it for what is made in one file before it goes into another: it is on the same disk, and
    a full temporary folder stops nobody.
    """
    target = Path(os.path.realpath(path))
    scratch = target.parent / f".{target.name[:40]}.{secrets.token_hex(6)}.partial"
    try:
        yield scratch
    finally:
        _remove(scratch)


def remove_file(path: StrPath) -> None:
    """Remove a file, so that a power failure does not bring it back; it need not exist.

    Raises:
        StorageError: If the machine does not remove it.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> remove_file(f"{folder}/a.txt")
    """
    target = Path(path)
    try:
        disk().unlink(target)
        disk().sync_folder(target.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        reason = f"cannot remove {target}: {error.strerror or error}"
        raise StorageError(error.errno or errno.EIO, reason) from error


def remove_leftovers(path: StrPath) -> None:
    """Remove what writers of a file have left beside it when they were killed.

    Use it where nobody else can be writing that file: when a run that owns it is resumed.

    Args:
        path: The file, as it was given to `atomic_write`; it need not exist.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> Path(f"{folder}/.a.txt.0123456789ab.partial").touch()
        >>> remove_leftovers(f"{folder}/a.txt")
        >>> os.listdir(folder)
        []
    """
    target = Path(os.path.realpath(path))
    pattern = re.compile(re.escape(f".{target.name[:40]}.") + r"[0-9a-f]{12}\.partial")
    with contextlib.suppress(OSError):  # they are in nobody's way
        for name in disk().names(target.parent):
            if pattern.fullmatch(name):
                disk().unlink(target.parent / name)


def _mode_to_keep(target: Path) -> int | None:
    """Return the permissions of the file at `target`, `None` if there is none."""
    try:
        found = target.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot_write(target, error) from error
    if stat.S_ISDIR(found):
        raise UsageError(f"{target} is a folder; give the path of a file in it")
    if not stat.S_ISREG(found):
        # Renaming over /dev/null or a pipe would replace it for every program on the machine.
        raise UsageError(f"{target} is a device or a pipe; give the path of a regular file")
    return stat.S_IMODE(found)


def _check_folder(folder: Path, make_folder: bool) -> None:
    if folder.is_dir():
        return
    if not make_folder:
        raise UsageError(f"the folder {folder} does not exist; make it first")
    make_folders(folder)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, durably; one that is there already is left as it is."""
    missing = [level for level in (folder, *folder.parents) if not level.exists()]
    for level in reversed(missing):
        # Somebody else may make it at the same time.
        with contextlib.suppress(FileExistsError):
            disk().mkdir(level)
        disk().sync_folder(level.parent)


def _remove(temporary: Path) -> None:
    # Another error is on its way to the user; the leftover is harmless and says what it is.
    with contextlib.suppress(OSError):
        disk().unlink(temporary)


def _cannot_write(target: Path, error: OSError) -> StorageError:
    reason = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        # A library's own words of it run over several lines.
        reason = os.strerror(errno.ENOSPC)
        with contextlib.suppress(OSError):
            # The part is removed by now: more than this would have been needed.
            free = disk().free(target.parent)
            reason += f" (more than the {free:,} bytes that are free are needed)"
    text = f"cannot write {target}: {reason}; what was there before is untouched"
    return StorageError(error.errno or errno.EIO, text)


def _sync_file(path: Path) -> None:
    # For writing: Windows syncs only what is open for it.
    handle = disk().open(path, os.O_WRONLY)
    try:
        disk().sync(handle)
    finally:
        disk().close(handle)
