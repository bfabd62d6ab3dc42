"""A text file that grows by whole lines."""

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from epochal.core.errors import UsageError
from epochal.storage.atomic import StorageError, StrPath
from epochal.storage.disk import disk

__all__ = ["LineFile", "LineMark", "cut_lines"]

_PIECE = 2**20


class LineMark(NamedTuple):
    """What a file of lines held at some moment; a checkpoint keeps it, `cut_lines` goes back to it.

    Args:
        size: Length in bytes.
        sha256: Hash of these bytes, in hexadecimal digits.
    """

    size: int
    sha256: str


class LineFile:
    """Appends lines; each reaches the file whole or, if the disk is full, not at all.

    Args:
        path: The file.
        append: Whether to go on after what is there, instead of starting anew.

    Raises:
        StorageError: If the machine cannot open or write the file.

    Example:
        >>> import tempfile
        >>> lines = LineFile(f"{tempfile.mkdtemp()}/log.txt", append=False)
        >>> lines.empty, lines.write("one"), lines.empty
        (True, None, False)
        >>> lines.close()
    """

    def __init__(self, path: StrPath, *, append: bool) -> None:
        self.path = Path(path)
        self._hash: hashlib._Hash | None = None
        self._torn = False
        self._named = False
        try:
            # Unbuffered: a row that was written is seen by readers and survives `kill -9`. Always
            # at the end of the file: where a write failed, the next one leaves no gap.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if append else os.O_TRUNC)
            self._handle = disk().open(self.path, flags)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        self._open = True
        found = os.fstat(self._handle)
        self._regular = stat.S_ISREG(found.st_mode)
        self._size = found.st_size
        try:
            torn = self._size and not self._ends_in_newline()
        except OSError as error:
            self.close()
            raise _cannot_write(self.path, error) from error
        if torn:
            self.write("")  # a crash tore the last line; keep it apart from ours

    @property
    def empty(self) -> bool:
        """Whether nothing has been written yet."""
        return self._size == 0

    def write(self, line: str) -> None:
        """Append one line.

        Raises:
            StorageError: If it cannot be written; what was in the file before is still there.
        """
        data = (line.removesuffix("\n") + "\n").encode()
        written = 0
        try:
            if self._torn:
                self._cut()
            while written < len(data):
                written += disk().write(self._handle, data[written:])
        except OSError as error:
            self._torn |= written > 0
            if written:
                self._try_to_cut()
            raise _cannot_write(self.path, error) from error
        self._size += len(data)
        if self._hash is not None:
            self._hash.update(data)

    def mark(self) -> LineMark:
        """Make the lines durable and say what they are; for a checkpoint to come back to.

        Raises:
            StorageError: If the machine cannot do so, or somebody else has cut the file.
        """
        try:
            if self._torn:
                self._cut()
            if self._regular:  # a pipe has nothing to keep
                disk().sync(self._handle)
                if not self._named:
                    disk().sync_folder(self.path.parent)
                    self._named = True
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        if self._hash is None:
            self._hash = _hash_of_start(self.path, self._size if self._regular else 0)
        return LineMark(self._size, self._hash.hexdigest())

    def close(self) -> None:
        """Close the file."""
        if self._open:
            self._open = False
            disk().close(self._handle)

    def _cut(self) -> None:
        """Take back what a failed write has left."""
        disk().truncate(self._handle, self._size)
        self._torn = False

    def _try_to_cut(self) -> None:
        try:
            self._cut()
        except OSError:
            return  # the error that tore the line is on its way; the next write tries again

    def _ends_in_newline(self) -> bool:
        with open(self.path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"


def cut_lines(path: StrPath, mark: LineMark) -> None:
    r"""Take a file of lines back to what it was at a mark, durably.

    Use it when a run is resumed: lines written after the checkpoint will be written again.

    Args:
        path: The file.
        mark: What `LineFile.mark` gave.

    Raises:
        UsageError: If the file no longer begins with what was marked; it is left as it is.
        StorageError: If the machine cannot read or write it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "log.txt"
        >>> lines = LineFile(path, append=False)
        >>> lines.write("one"); mark = lines.mark(); lines.write("two"); lines.close()
        >>> cut_lines(path, mark)
        >>> path.read_text()
        'one\n'
    """
    file = Path(path)
    try:
        handle = disk().open(file, os.O_RDWR)
    except FileNotFoundError:
        raise UsageError(f"{file} does not exist, but held {mark.size:,} bytes{_ADVICE}") from None
    except OSError as error:
        raise _cannot_write(file, error) from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return  # a pipe or a device keeps nothing
        if found.st_size < mark.size:
            raise UsageError(f"{file} has {found.st_size:,} bytes, but held {mark.size:,}{_ADVICE}")
        if _hash_of_start(file, mark.size).hexdigest() != mark.sha256:
            raise UsageError(f"{file} was changed{_ADVICE}")
        if found.st_size > mark.size:
            disk().truncate(handle, mark.size)
            disk().sync(handle)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise _cannot_write(file, error) from error
    finally:
        disk().close(handle)


_ADVICE = " when the checkpoint was saved; put it back, or start the run in another folder"


def _hash_of_start(path: Path, size: int) -> "hashlib._Hash":
    """Return the hash of a file's first bytes."""
    hashed = hashlib.sha256()
    if not size:
        return hashed
    try:
        handle = disk().open(path, os.O_RDONLY)
        try:
            while size:
                piece = disk().read(handle, min(size, _PIECE))
                if not piece:
                    raise OSError(errno.EIO, "it is shorter than what was written to it")
                hashed.update(piece)
                size -= len(piece)
        finally:
            disk().close(handle)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(error.errno or errno.EIO, f"cannot read {path}: {reason}") from error
    return hashed


def _cannot_write(path: Path, error: OSError) -> StorageError:
    reason = error.strerror or str(error)
    return StorageError(
        error.errno or errno.EIO, f"cannot write {path}: {reason}; whole lines are kept"
    )
