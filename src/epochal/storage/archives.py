"""Zip archives of models: read with suspicion, written the same way every time."""

import contextlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from epochal.core.errors import UsageError
from epochal.storage.atomic import StrPath, atomic_write, free_space_check, scratch_path
from epochal.storage.spans import Span, open_span
from epochal.storage.zip_structure import Member, check_name, read_members

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Archive", "Content", "Pieces", "open_archive", "write_archive"]

# What an archive may unpack to: this much, and this many times its own size. Weights hardly shrink,
# descriptions are small; a bomb of 1 MB unpacks to 1 GB.
_FREE_BYTES = 16 * 2**20
_RATIO = 16
_MAX_READ = 64 * 2**20
_PIECE = 2**18  # stays in the processor's cache between reading and checking


class Archive:
    """The checked members of an archive. See `open_archive`."""

    def __init__(self, span: Span, members: list[Member]) -> None:
        self._span = span
        self._members = {member.name: member for member in members}

    @property
    def names(self) -> list[str]:
        """The members' names, in the order of the file; folders are left out."""
        return list(self._members)

    def size(self, name: str) -> int:
        """Return how many bytes a member has, unpacked."""
        return self._member(name).size

    def read(self, name: str) -> bytes:
        """Return a member's bytes; for descriptions. What may be large is read by `span`.

        Raises:
            UsageError: If there is no such member, it has more than 64 MiB, or it is damaged.
        """
        member = self._member(name)
        if member.size > _MAX_READ:
            raise UsageError(
                f"the member {name!r} of {self._span.what} is refused: it has {member.size:,} "
                f"bytes, and a description at most {_MAX_READ:,}"
            )
        return self._content(member)

    def _content(self, member: Member) -> bytes:
        data = self._span.read(member.start, member.packed)
        if member.deflated:
            data = self._unpack(member, data)
        if zlib.crc32(data) != member.crc:
            raise self._damaged(member)
        return data

    def span(self, name: str, *, check: bool = True) -> Span:
        """Return a member to be read piece by piece: of a stored one, nothing is held in memory.

        Args:
            name: The member's.
            check: Whether its bytes are held against zip's check sum; not needed for what has one
                of its own.

        Raises:
            UsageError: If there is no such member, or its bytes are damaged.
        """
        member = self._member(name)
        what = f"{name!r} in {self._span.what}"
        if member.deflated:
            data = self._content(member)
            return Span(data, len(data), what)
        stretch = self._span.part(member.start, member.packed, what)
        if not check:
            return stretch
        crc, buffer = 0, memoryview(bytearray(min(_PIECE, stretch.size)))
        for offset in range(0, stretch.size, _PIECE):
            piece = buffer[: min(_PIECE, stretch.size - offset)]
            stretch.read_into(offset, piece)
            crc = zlib.crc32(piece, crc)
        if crc != member.crc:
            raise self._damaged(member)
        return stretch

    def _member(self, name: str) -> Member:
        if name not in self._members:
            names = ", ".join(map(repr, self.names)) or "nothing"
            raise UsageError(f"{self._span.what} has no member {name!r}; it holds {names}")
        return self._members[name]

    def _unpack(self, member: Member, data: bytes) -> bytes:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than declared is enough to see that there are more.
            plain = unpacker.decompress(data, member.size + 1)
        except zlib.error as error:
            raise self._damaged(member) from error
        if len(plain) != member.size or not unpacker.eof or unpacker.unused_data:
            raise self._damaged(member)
        return plain

    def _damaged(self, member: Member) -> UsageError:
        return UsageError(
            f"the member {member.name!r} of {self._span.what} is damaged: its bytes are not those "
            "that were packed; use an earlier file"
        )


@contextlib.contextmanager
def open_archive(path: StrPath | bytes | Span) -> Iterator[Archive]:
    """Open a zip archive, after a check of everything its headers say.

    Use it for every archive that is read: nothing is unpacked to disk, and what a header declares
    is held against the file before memory is taken for it.

    Args:
        path: The file, or the bytes of one.

    Yields:
        An `Archive` with `names`, `size(name)`, `read(name)` and `span(name)`.

    Raises:
        FileMissingError: If the file is not there; names the one with the nearest name.
        UsageError: If it is no zip archive, or one that no program should have to trust: names that
            are paths elsewhere, duplicates, links, encryption, other compression than none and
            deflate, headers that disagree, members that overlap, bytes between them, more than 16
            times the file's size (and more than 16 MiB) when unpacked.

    Example:
        >>> import tempfile
        >>> file = f"{tempfile.mkdtemp()}/a.zip"
        >>> write_archive(file, {"config.json": b"{}"})
        >>> with open_archive(file) as archive:
        ...     archive.names, archive.read("config.json")
        (['config.json'], b'{}')
    """
    with open_span(path) as span:
        members = read_members(span)
        total = sum(member.size for member in members)
        if total > _FREE_BYTES + _RATIO * span.size:
            raise UsageError(
                f"{span.what} is refused: its {span.size:,} bytes say that they unpack to "
                f"{total:,}; if you trust where it comes from, pack it again without compression"
            )
        yield Archive(span, [member for member in members if not member.folder])


class Pieces(Protocol):
    """Content that is made piece by piece, such as `TensorBytes`."""

    size: int

    def pieces(self) -> "Iterable[Buffer]":
        """Give the bytes in order."""


Content: TypeAlias = bytes | Pieces | Callable[[Path], object]


def write_archive(
    path: StrPath,
    members: Mapping[str, Content],
    *,
    scratch_bytes: int = 0,
    make_folder: bool = False,
) -> None:
    """Write a zip archive, atomically; the same members give the same bytes.

    Args:
        path: The file to write.
        members: What to store under which name, uncompressed: bytes, something that gives them
            `pieces`, or a function that writes them to the path of a temporary file it is given.
        scratch_bytes: How many bytes functions will write, as far as that is known: these are on
            the disk twice until the archive is whole.
        make_folder: Make the missing folders above `path` instead of refusing.

    Raises:
        UsageError: If a name could not be read back.
        StorageError: If the machine cannot write; the old file is untouched then.

    Example:
        >>> import tempfile
        >>> file = f"{tempfile.mkdtemp()}/a.zip"
        >>> write_archive(file, {"a": b"1", "b": lambda path: path.write_text("2")})
        >>> with open_archive(file) as archive:
        ...     [archive.read(name) for name in archive.names]
        [b'1', b'2']
    """
    for name in members:
        check_name(name, f"write_archive({os.fspath(path)!r})")
    known = sum(_size(content) for content in members.values() if not callable(content))
    free_space_check(path, known + 2 * scratch_bytes + 200 * len(members))
    with (
        atomic_write(path, make_folder=make_folder) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, content in members.items():
            if callable(content):
                with scratch_path(path) as scratch:
                    content(scratch)
                    with open(scratch, "rb") as source:
                        size = source.seek(0, os.SEEK_END)
                        source.seek(0)
                        _store(archive, name, size, iter(lambda: source.read(2**20), b""))
            else:
                pieces = (content,) if isinstance(content, bytes) else content.pieces()
                _store(archive, name, _size(content), pieces)


def _size(content: bytes | Pieces) -> int:
    return len(content) if isinstance(content, bytes) else content.size


def _store(archive: zipfile.ZipFile, name: str, size: int, pieces: "Iterable[Buffer]") -> None:
    entry = zipfile.ZipInfo(name)  # dated 1980: no clock in the file
    entry.create_system = 3  # "Unix", whatever machine writes
    entry.external_attr = 0o100644 << 16
    entry.file_size = size  # decides whether the header has room for 64 bits
    with archive.open(entry, "w") as target:
        for piece in pieces:
            target.write(piece)
