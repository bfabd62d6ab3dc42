"""Disks that stand in for the real one: one counts, one kills, one fails."""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Never, TypeVar

from epochal.storage.disk import Disk

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FailingDisk", "FastDisk", "KillingDisk", "Operation", "WatchedDisk"]

T = TypeVar("T")


class Operation(NamedTuple):
    """One thing that a run does to the disk, or a place in its code.

    Args:
        kind: The name of a method of `Disk`, or `"reach"`.
        what: The file or folder, or the place's name.
    """

    kind: str
    what: str


class FastDisk(Disk):
    """The real disk without waiting for it; for proofs in which nobody pulls the plug."""

    def sync(self, handle: int) -> None:
        """Do nothing."""

    def sync_folder(self, folder: Path) -> None:
        """Do nothing, where there is such a folder."""
        os.stat(folder)


class WatchedDisk(Disk):
    """Does what another disk does, and notes each operation.

    Args:
        inner: The other disk.
    """

    def __init__(self, inner: Disk | None = None) -> None:
        self.operations: list[Operation] = []
        self._inner = inner or Disk()
        self._paths: dict[int, str] = {}

    def around(
        self,
        operation: Operation,
        act: Callable[[], T],
        half: Callable[[], object],  # noqa: ARG002 (for those who cut operations off)
    ) -> T:
        """Carry out an operation.

        Args:
            operation: What it is.
            act: Does it.
            half: Does a part of it, as an operation that is cut off may.
        """
        self.operations.append(operation)
        return act()

    def reach(self, place: str) -> None:
        """Note that a place in the code is reached; for places that touch no file."""
        self.around(Operation("reach", place), _nothing, _nothing)

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        """Open a file."""
        handle = self.around(
            Operation("open", str(path)), lambda: self._inner.open(path, flags, mode), _nothing
        )
        self._paths[handle] = str(path)
        return handle

    def close(self, handle: int) -> None:
        """Close a file; no place to fail, since everything was synced or is given up."""
        self._inner.close(handle)

    def read(self, handle: int, size: int) -> bytes:
        """Read."""
        return self.around(
            self._on("read", handle), lambda: self._inner.read(handle, size), _nothing
        )

    def write(self, handle: int, data: "Buffer") -> int:
        """Write."""
        view = memoryview(data).cast("B")
        return self.around(
            self._on("write", handle),
            lambda: self._inner.write(handle, view),
            lambda: self._inner.write(handle, view[: len(view) // 2]),
        )

    def truncate(self, handle: int, size: int) -> None:
        """Cut."""
        self.around(
            self._on("truncate", handle), lambda: self._inner.truncate(handle, size), _nothing
        )

    def sync(self, handle: int) -> None:
        """Sync a file."""
        self.around(self._on("sync", handle), lambda: self._inner.sync(handle), _nothing)

    def rename(self, old: Path, new: Path) -> None:
        """Rename."""
        operation = Operation("rename", f"{old} -> {new}")
        self.around(operation, lambda: self._inner.rename(old, new), _nothing)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        self.around(Operation("unlink", str(path)), lambda: self._inner.unlink(path), _nothing)

    def chmod(self, path: Path, mode: int) -> None:
        """Set permissions."""
        self.around(Operation("chmod", str(path)), lambda: self._inner.chmod(path, mode), _nothing)

    def mkdir(self, path: Path) -> None:
        """Make a folder."""
        self.around(Operation("mkdir", str(path)), lambda: self._inner.mkdir(path), _nothing)

    def rmdir(self, path: Path) -> None:
        """Remove a folder."""
        self.around(Operation("rmdir", str(path)), lambda: self._inner.rmdir(path), _nothing)

    def names(self, folder: Path) -> list[str]:
        """List a folder."""
        return self.around(
            Operation("names", str(folder)), lambda: self._inner.names(folder), _nothing
        )

    def sync_folder(self, folder: Path) -> None:
        """Sync a folder."""
        self.around(
            Operation("sync_folder", str(folder)),
            lambda: self._inner.sync_folder(folder),
            _nothing,
        )

    def free(self, folder: Path) -> int:
        """Return the free space."""
        return self._inner.free(folder)

    def _on(self, kind: str, handle: int) -> Operation:
        return Operation(kind, self._paths.get(handle, "?"))


class KillingDisk(WatchedDisk):
    """Kills the process, as `kill -9` does, at one operation.

    Args:
        at: Which operation, counted from 0; those of `reach` count too.
        half: Whether a part of the operation is done first.
        inner: The disk below.
    """

    def __init__(self, at: int, *, half: bool = False, inner: Disk | None = None) -> None:
        super().__init__(inner)
        self._at = at
        self._half = half

    def around(self, operation: Operation, act: Callable[[], T], half: Callable[[], object]) -> T:
        """Carry out an operation, or end."""
        if len(self.operations) == self._at:
            if self._half:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().around(operation, act, half)


_CHANGES = (
    "open", "write", "truncate", "sync", "rename", "unlink", "chmod", "mkdir", "rmdir",
    "sync_folder",
)  # fmt: skip
# Which operations an error of the machine can come from.
_SENSIBLE = {
    errno.EIO: (*_CHANGES, "read", "names"),
    errno.ENOSPC: ("open", "write", "sync", "mkdir", "rename", "sync_folder"),
    errno.EDQUOT: ("open", "write", "sync", "mkdir", "rename"),
    errno.EROFS: _CHANGES,
    errno.EMFILE: ("open", "names", "sync_folder"),
    errno.EINTR: ("open", "read", "write", "sync"),
}


class FailingDisk(WatchedDisk):
    """Lets one operation fail, or all from one on.

    Args:
        at: Which operation, counted from 0.
        error: The number of the error, one of `errors_of`'s.
        lasting: Whether every later operation that can give this error does.
        inner: The disk below.
    """

    def __init__(
        self, at: int, error: int, *, lasting: bool = False, inner: Disk | None = None
    ) -> None:
        super().__init__(inner)
        self._at = at
        self._error = error
        self._lasting = lasting
        self.failed: list[Operation] = []

    @staticmethod
    def errors_of(kind: str) -> list[int]:
        """Return the errors that a kind of operation can give."""
        return [number for number, kinds in _SENSIBLE.items() if kind in kinds]

    def around(self, operation: Operation, act: Callable[[], T], half: Callable[[], object]) -> T:
        """Carry out an operation, or fail after a part of it."""
        count = len(self.operations)
        if operation.kind in _SENSIBLE[self._error] and (
            count == self._at or (self._lasting and count > self._at)
        ):
            self.operations.append(operation)
            self.failed.append(operation)
            if self._error != errno.EINTR:  # which is given only if nothing was done
                half()
            self._fail(operation)
        return super().around(operation, act, half)

    def _fail(self, operation: Operation) -> Never:
        # The system names the path with the operations that have one.
        named = operation.kind not in ("read", "write", "truncate", "sync")
        path = operation.what.partition(" -> ")[0]
        raise OSError(self._error, os.strerror(self._error), *([path] if named else []))


def _nothing() -> None:
    pass
