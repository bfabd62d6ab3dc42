"""A folder that one process at a time writes to."""

import contextlib
import errno
import os
import sys
from pathlib import Path

from epochal.core.errors import UsageError
from epochal.storage.atomic import StorageError
from epochal.storage.disk import disk

if sys.platform != "win32":
    import fcntl

__all__ = ["FolderLock"]

# The system's locks are a process's own: they go with it however it dies, and a data worker forked
# from it does not keep them. For the same reason they do not hold between two parts of one process,
# and closing any descriptor of the file would free them: that is what this set is for.
_held: set[tuple[int, str]] = set()


class FolderLock:
    """Keeps other processes from writing to a folder until it is freed, or the process ends.

    On Windows, where the system has no such lock, only this process is kept from it.

    Args:
        folder: A folder that exists.

    Raises:
        UsageError: If somebody else holds it.
        StorageError: If the machine cannot lock.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> lock = FolderLock(folder)
        >>> FolderLock(folder)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        epochal.core.errors.UsageError: ... is in use by this process...
        >>> lock.free(); FolderLock(folder).free()
    """

    NAME = ".lock"

    def __init__(self, folder: Path) -> None:
        self._path = folder / self.NAME
        self._handle: int | None = None
        self._key = (os.getpid(), os.path.realpath(folder))
        if self._key in _held:
            raise _in_use(folder, f"this process (number {os.getpid()})")
        try:
            self._take(folder)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(
                error.errno or errno.EIO, f"cannot lock the folder {folder}: {reason}"
            ) from error
        _held.add(self._key)

    def free(self, *, remove: bool = False) -> None:
        """Let others in; `remove` takes the lock's file away as well."""
        if self._handle is None:
            return
        if remove:
            with contextlib.suppress(OSError):  # an empty file that is in nobody's way
                disk().unlink(self._path)
        disk().close(self._handle)
        self._handle = None
        _held.discard(self._key)

    def _take(self, folder: Path) -> None:
        while True:
            handle = disk().open(self._path, os.O_RDWR | os.O_CREAT)
            try:
                if sys.platform != "win32":
                    try:
                        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except (BlockingIOError, PermissionError):
                        holder = disk().read(handle, 20).decode("ascii", "replace")
                        raise _in_use(folder, f"another process (number {holder})") from None
                # Whoever freed it may have removed the file after we opened it.
                if os.path.exists(self._path) and os.path.samestat(
                    os.fstat(handle), os.stat(self._path)
                ):
                    disk().truncate(handle, 0)
                    disk().write(handle, str(os.getpid()).encode())
                    self._handle = handle
                    return
            finally:
                if self._handle is None:
                    disk().close(handle)


def _in_use(folder: Path, holder: str) -> UsageError:
    return UsageError(
        f"{folder} is in use by {holder}; wait until it ends, or give each run a folder of its own"
    )
