"""Bytes at an offset, of a file or of memory, and never a byte outside of what was given."""

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from io import FileIO

from epochal.core.errors import UsageError
from epochal.storage.atomic import StorageError, StrPath, existing_file

__all__ = ["Span", "open_span"]

_ONE_AT_A_TIME = threading.Lock()


class Span:
    """A stretch of a file, or bytes in memory, that is read at offsets of its own.

    Readers of files that strangers sent use it instead of a file object: an offset out of a damaged
    header is an error here, whatever it points at. Threads may read at the same time.

    A file is read and never mapped into memory: where somebody cuts a mapped file short, the whole
    process dies of it (SIGBUS), and here it is an error.

    Args:
        source: Bytes in memory, or an unbuffered open file.
        size: How many bytes belong to the stretch.
        what: What the bytes are, for errors.
        start: Where the stretch begins in `source`.

    Example:
        >>> Span(b"abcdef", 3, "the middle", start=2).read(1, 2)
        b'de'
    """

    def __init__(
        self, source: bytes | bytearray | FileIO, size: int, what: str, start: int = 0
    ) -> None:
        self._source = source
        self._start = start
        self.size = size
        self.what = what

    def part(self, offset: int, size: int, what: str) -> "Span":
        """Return a stretch inside of this one.

        Raises:
            UsageError: If any of it lies outside.
        """
        self._check(offset, size)
        return Span(self._source, size, what, self._start + offset)

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset` on.

        Raises:
            UsageError: If any of them lies outside, or the file has become shorter meanwhile.
            StorageError: If the machine cannot read.
        """
        self._check(offset, count)
        if isinstance(self._source, (bytes, bytearray)):
            begin = self._start + offset
            return bytes(self._source[begin : begin + count])
        data = bytearray(count)
        self._fill(self._source, offset, memoryview(data))
        return bytes(data)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target`, a view of single bytes, with what begins at `offset`, in one copy.

        Raises:
            UsageError: If any of it lies outside, or the file has become shorter meanwhile.
            StorageError: If the machine cannot read.
        """
        self._check(offset, len(target))
        if isinstance(self._source, (bytes, bytearray)):
            begin = self._start + offset
            target[:] = memoryview(self._source)[begin : begin + len(target)]
        else:
            self._fill(self._source, offset, target)

    def _check(self, offset: int, count: int) -> None:
        if offset < 0 or count < 0 or offset + count > self.size:
            raise UsageError(
                f"{self.what} is damaged or was cut short: it has {self.size:,} bytes and "
                f"speaks of {count:,} bytes at {offset:,}"
            )

    def _fill(self, file: FileIO, offset: int, target: memoryview) -> None:
        done = 0
        while done < len(target):
            try:
                got = _read_at(file, self._start + offset + done, target[done:])
            except OSError as error:
                reason = error.strerror or str(error)
                raise StorageError(error.errno, f"cannot read {self.what}: {reason}") from error
            if not got:
                raise UsageError(f"{self.what} became shorter while it was read")
            done += got


def _read_at(file: FileIO, offset: int, target: memoryview) -> int:
    """Read what lies at an offset and return how many bytes that were."""
    if hasattr(os, "preadv"):
        return os.preadv(file.fileno(), [target], offset)
    with _ONE_AT_A_TIME:  # Windows: all who read move one place in the file
        file.seek(offset)
        return file.readinto(target) or 0


@contextlib.contextmanager
def open_span(source: StrPath | bytes | Span) -> Iterator[Span]:
    """Give the bytes of a file, or take bytes as they are.

    Args:
        source: A path, bytes in memory, or a stretch that is already open.

    Raises:
        FileMissingError: If the file is not there; names the one with the nearest name.
        UsageError: If it is a folder, a device or a pipe.
        StorageError: If the machine cannot read it.

    Example:
        >>> with open_span(b"abc") as span:
        ...     span.size
        3
    """
    if isinstance(source, Span):
        yield source
        return
    if isinstance(source, bytes):
        yield Span(source, len(source), "the file")
        return
    file = existing_file(source)
    if not file.is_file():
        # A pipe would be waited for, a device like /dev/zero has no end.
        raise UsageError(f"{file} is a device or a pipe; give the path of a regular file")
    try:
        opened = FileIO(file)
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {file}: {error.strerror}") from error
    with opened:
        yield Span(opened, opened.seek(0, io.SEEK_END), str(file))
