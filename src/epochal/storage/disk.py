"""The operations on files that everything in this room is made of.

They stand in one place so that a crash test can stand in their place: it is told of every
operation, and kills, fails or records it. Nothing else in the project writes to a disk.
"""

import contextlib
import errno
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Disk", "DiskFile", "disk", "use_disk", "write_all"]


class Disk:
    """The machine's own file operations; each does one thing and raises `OSError`."""

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        """Open a file and return its descriptor."""
        # O_BINARY exists on Windows alone, where bytes would else be changed on their way.
        return os.open(path, flags | getattr(os, "O_BINARY", 0), mode)

    def close(self, handle: int) -> None:
        """Close a descriptor."""
        os.close(handle)

    def read(self, handle: int, size: int) -> bytes:
        """Return the next bytes, at most `size`; none at the end of the file."""
        return os.read(handle, size)

    def write(self, handle: int, data: "Buffer") -> int:
        """Write some of the bytes and return how many."""
        return os.write(handle, data)

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file to a length."""
        os.ftruncate(handle, size)

    def sync(self, handle: int) -> None:
        """Return when the file's bytes would survive a power failure."""
        os.fsync(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file or folder another name; a file of that name is replaced."""
        os.replace(old, new)

    def unlink(self, path: Path) -> None:
        """Remove a file's name."""
        os.unlink(path)

    def chmod(self, path: Path, mode: int) -> None:
        """Set a file's permissions."""
        os.chmod(path, mode)

    def mkdir(self, path: Path) -> None:
        """Make a folder."""
        os.mkdir(path)

    def rmdir(self, path: Path) -> None:
        """Remove an empty folder."""
        os.rmdir(path)

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, in no order."""
        return os.listdir(folder)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder would survive a power failure; a rename alone may not.

        Where folders cannot be opened or synced (Windows, some network disks), nothing happens.
        """
        if os.name == "nt":  # NTFS keeps a journal of names
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL: this file system has no such operation
                raise
        finally:
            os.close(handle)

    def free(self, folder: Path) -> int:
        """Return how many bytes this user can still write there."""
        return shutil.disk_usage(folder).free


_disk = Disk()


def disk() -> Disk:
    """Return the disk in use; ask anew for each operation."""
    return _disk


@contextlib.contextmanager
def use_disk(other: Disk) -> Iterator[None]:
    """Let another disk take all operations of the process, of every thread, inside the block.

    For crash tests alone.
    """
    global _disk
    before, _disk = _disk, other
    try:
        yield
    finally:
        _disk = before


def write_all(handle: int, data: "Buffer") -> None:
    """Write all of the bytes: one `write` may take fewer than it was given."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[disk().write(handle, rest) :]


class DiskFile(io.RawIOBase):
    """A file that Python's own classes can write to, each operation through `disk()`.

    Args:
        path: The file.
        flags: Of `os.open`, beyond writing; none: the file has to exist.
    """

    def __init__(self, path: Path, flags: int = 0) -> None:
        super().__init__()
        self._handle = disk().open(path, os.O_WRONLY | flags)

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._handle

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        return os.lseek(self._handle, offset, whence)

    def write(self, data: "Buffer") -> int:
        """Write some of the bytes and return how many."""
        return disk().write(self._handle, data)

    def sync(self) -> None:
        """Make what was written durable. After an error the file is lost: never try again.

        The system may have marked as clean what it failed to write; a second `fsync` would then
        succeed over a file with holes.
        """
        disk().sync(self._handle)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            super().close()
            disk().close(self._handle)
