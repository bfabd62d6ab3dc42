"""Small JSON files that carry their own checksum, and reading files without trust."""

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

from epochal.core.errors import EpochalError, UsageError
from epochal.storage.atomic import StorageError
from epochal.storage.disk import disk
from epochal.storage.exact_json import decode_exact, encode_exact

__all__ = ["DamagedError", "read_checked", "seal", "unseal"]

_PIECE = 2**20
# What says that a file is gone or spoilt. Any other error (no descriptors left, no permission, a
# network disk that is away) says nothing about the file, and must not make a run go back.
_DAMAGE = {
    errno.EIO,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    getattr(errno, "EBADMSG", errno.EIO),
    getattr(errno, "EUCLEAN", errno.EIO),
}


class DamagedError(EpochalError):
    """A file of a checkpoint is missing, or not what was written."""


def seal(value: Any, what: str) -> bytes:
    """Return a value as a line of JSON, and a second line with the first one's hash."""
    line = encode_exact(value, what) + b"\n"
    return line + _seal_of(line)


def unseal(data: bytes | bytearray, what: str) -> Any:
    """Return what was sealed.

    Raises:
        DamagedError: If a single bit is not what `seal` wrote.
    """
    data = bytes(data)
    end = data.find(b"\n") + 1
    if not end or data[end:] != _seal_of(data[:end]):
        raise DamagedError(f"{what} is damaged: its hash is not that of its text")
    try:
        return decode_exact(data[:end], what)
    except UsageError as error:  # somebody made it so, with the right hash
        raise DamagedError(str(error)) from error


def _seal_of(line: bytes) -> bytes:
    return b'{"sha256": "' + hashlib.sha256(line).hexdigest().encode() + b'"}\n'


def read_checked(
    path: Path, *, keep: bool, size: int | None = None, sha256: str | None = None
) -> bytearray:
    """Read a file whose size and hash are known.

    Args:
        path: The file.
        keep: Whether the bytes are returned; they are hashed either way.
        size: How long it has to be; by default at most 64 MiB.
        sha256: What its hash has to be.

    Raises:
        DamagedError: If it is not there, or is not what was written.
        StorageError: If the machine cannot read it for a reason that is not the file's.
    """
    try:
        # Without waiting: where a pipe was put in its place, `open` would never return.
        handle = disk().open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            return _read(handle, path.name, keep, size, sha256)
        finally:
            disk().close(handle)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _DAMAGE:
            raise DamagedError(f"{path.name} cannot be read: {reason}") from error
        raise StorageError(error.errno or errno.EIO, f"cannot read {path}: {reason}") from error


def _read(handle: int, name: str, keep: bool, size: int | None, sha256: str | None) -> bytearray:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise DamagedError(f"{name} is no file")
    if size is None and found.st_size > 64 * 2**20:
        raise DamagedError(f"{name} has {found.st_size:,} bytes, far more than was ever written")
    if size is not None and found.st_size != size:
        raise DamagedError(f"{name} has {found.st_size:,} bytes, not {size:,}")
    content, hashed, at = bytearray(found.st_size if keep else 0), hashlib.sha256(), 0
    while at < found.st_size:
        piece = disk().read(handle, min(found.st_size - at, _PIECE))
        if not piece:
            raise DamagedError(f"{name} became shorter while it was read")
        hashed.update(piece)
        if keep:
            content[at : at + len(piece)] = piece
        at += len(piece)
    if sha256 is not None and hashed.hexdigest() != sha256:
        raise DamagedError(f"{name} is damaged: its hash is not what was written")
    return content
