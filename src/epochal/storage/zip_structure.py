"""What the headers of a zip archive say, held against each other and against the file.

A zip file says everything twice, once before each member and once in a directory at its end, and
programs differ in which they believe. Here both have to say the same, members follow each other
without a gap, and nothing stands before, between or after them.
"""

import struct
import unicodedata
from dataclasses import dataclass

from epochal.core.errors import UsageError
from epochal.storage.spans import Span

__all__ = ["Member", "check_name", "read_members"]

_MAX_MEMBERS = 10_000
_MAX_DIRECTORY = 16 * 2**20
_STORED, _DEFLATED = 0, 8
_DESCRIPTOR, _UTF8 = 1 << 3, 1 << 11
_KNOWN_FLAGS = _DESCRIPTOR | _UTF8 | 0b110  # bits 1 and 2: how hard deflate tried
_FOLDER, _REGULAR = 0o040000, 0o100000
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")


@dataclass(frozen=True)
class Member:
    """One checked member: where its bytes are and what they have to become."""

    name: str
    start: int
    packed: int
    size: int
    crc: int
    deflated: bool
    folder: bool


def read_members(span: Span) -> list[Member]:
    """Return the members of an archive in the order of their bytes.

    Raises:
        UsageError: If it is no archive, or its headers are damaged, disagree or cannot be trusted.
    """
    count, start, size = _find_directory(span)
    if count > _MAX_MEMBERS or size > _MAX_DIRECTORY:
        raise _refused(span, f"it has {count:,} members, and at most {_MAX_MEMBERS:,} are read")
    directory = span.read(start, size)
    members: list[Member] = []
    seen: set[str] = set()
    position = expected = 0
    for _ in range(count):
        entry, position = _central_entry(span, directory, position)
        key = unicodedata.normalize("NFC", entry.name).casefold().rstrip("/")
        if key in seen:
            raise _refused(span, f"the name {entry.name!r} stands there twice")
        seen.add(key)
        if entry.offset != expected:
            raise _refused(span, f"the bytes of {entry.name!r} do not follow those before them")
        member, expected = _local_entry(span, entry)
        members.append(member)
    if position != size or expected != start:
        raise _refused(span, "there are bytes that belong to no member")
    return members


def check_name(name: str, call: str) -> None:
    """Refuse a member's name that is a path elsewhere, or reads as something else than it is.

    Raises:
        UsageError: If the name is empty, long, absolute, leads to a parent folder, names a drive,
            or holds backslashes, control characters or characters that do not show.
    """
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        reason = "is no plain path inside of the archive"
    elif len(name) > 1000 or any(len(part) > 255 for part in parts):
        reason = f"is {len(name):,} characters long"
    elif not name.isprintable():
        reason = "holds characters that do not show"
    elif set(name) & set('\\:<>"|?*'):
        reason = 'holds one of the characters \\ : < > " | ? *'
    elif unicodedata.normalize("NFC", name) != name:
        reason = "is not in Unicode's composed form (NFC)"
    else:
        return
    shown = repr(name) if len(name) <= 100 else repr(name[:100]) + "..."
    raise UsageError(f"{call}: the member name {shown} {reason}")


@dataclass(frozen=True)
class _Entry:
    """What the directory says of a member."""

    raw: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def _find_directory(span: Span) -> tuple[int, int, int]:
    """Return the count of members, and where their directory starts and how long it is."""
    if span.size < _END.size:
        raise _refused(span, f"with {span.size} bytes it is no zip archive")
    end_at = span.size - _END.size
    fields = _END.unpack(span.read(end_at, _END.size))
    if fields[0] != b"PK\5\6" or fields[7]:
        raise _refused(span, "it is no zip archive, was cut short, or has something behind its end")
    _, disk, first_disk, here, count, size, start, _ = fields
    if 0xFFFF in (here, count) or 0xFFFFFFFF in (size, start):
        end_at -= _LOCATOR.size
        mark, disk, at, disks = _LOCATOR.unpack(span.read(end_at, _LOCATOR.size))
        end_at -= _END64.size
        large = _END64.unpack(span.read(end_at, _END64.size))
        if mark != b"PK\6\7" or large[0] != b"PK\6\6" or at != end_at or disks != 1:
            raise _refused(span, "its headers for large archives are damaged")
        if large[1] != _END64.size - 12:
            raise _refused(span, "its headers for large archives hold something unknown")
        disk, first_disk, here, count, size, start = large[4:]
    if disk or first_disk or here != count:
        raise _refused(span, "it is one part of an archive over several disks")
    if start + size != end_at:
        raise _refused(span, "its directory is not where its end says, or bytes stand before it")
    return count, start, size


def _central_entry(span: Span, directory: bytes, position: int) -> tuple[_Entry, int]:
    if position + _CENTRAL.size > len(directory):
        raise _refused(span, "its directory was cut short")
    fields = _CENTRAL.unpack_from(directory, position)
    mark, _, _, flags, method, _, _, crc, packed, size, name_size, extra_size, comment, disk = (
        fields[:14]
    )
    _, attributes, offset = fields[14:]
    position += _CENTRAL.size
    raw = directory[position : position + name_size]
    extra = directory[position + name_size : position + name_size + extra_size]
    position += name_size + extra_size + comment
    if mark != b"PK\1\2" or position > len(directory):
        raise _refused(span, "its directory is damaged")
    name = _decode(span, raw, flags)
    check_name(name, span.what)
    size, packed, offset = _large(span, extra, [size, packed, offset])
    kind = (attributes >> 16) & 0o170000
    if kind not in (0, _FOLDER if name.endswith("/") else _REGULAR):
        raise _refused(span, f"{name!r} is a link or another special file")
    if flags & 0b1 or flags & (1 << 6):
        raise _refused(span, f"{name!r} is encrypted")
    if flags & ~_KNOWN_FLAGS or disk:
        raise _refused(span, f"{name!r} is packed in a way that is not read (flags {flags:#06x})")
    if method not in (_STORED, _DEFLATED):
        raise _refused(span, f"{name!r} is compressed by method {method}; only deflate is read")
    if method == _STORED and packed != size:
        raise _refused(span, f"{name!r} is stored as it is, and yet has two sizes")
    if name.endswith("/") and size:
        raise _refused(span, f"the folder {name!r} has bytes")
    return _Entry(raw, name, flags, method, crc, packed, size, offset), position


def _local_entry(span: Span, entry: _Entry) -> tuple[Member, int]:
    """Return the member whose bytes begin where its entry says, and where its last byte lies."""
    fields = _LOCAL.unpack(span.read(entry.offset, _LOCAL.size))
    mark, _, flags, method, _, _, crc, packed, size, name_size, extra_size = fields
    behind = span.read(entry.offset + _LOCAL.size, name_size + extra_size)
    if mark != b"PK\3\4" or behind[:name_size] != entry.raw:
        raise _refused(span, f"the header of {entry.name!r} is damaged or has another name")
    size, packed = _large(span, behind[name_size:], [size, packed])
    own = (flags, method, crc, packed, size)
    later = flags & _DESCRIPTOR and own[2:] == (0, 0, 0)
    if own != (entry.flags, entry.method, entry.crc, entry.packed, entry.size) and not (
        later and own[:2] == (entry.flags, entry.method)
    ):
        raise _refused(span, f"the two headers of {entry.name!r} disagree")
    start = entry.offset + _LOCAL.size + name_size + extra_size
    end = start + entry.packed
    if flags & _DESCRIPTOR:
        end += _descriptor(span, entry, end)
    folder = entry.name.endswith("/")
    member = Member(
        *(entry.name, start, entry.packed, entry.size, entry.crc, method == _DEFLATED, folder)
    )
    return member, end


def _descriptor(span: Span, entry: _Entry, at: int) -> int:
    """Return the length of what repeats the sizes behind a member that was written as a stream."""
    for form in ("<LLL", "<LQQ"):
        for mark in (b"PK\7\10", b""):
            expected = mark + struct.pack(form, entry.crc, *_fit(form, entry.packed, entry.size))
            if at + len(expected) <= span.size and span.read(at, len(expected)) == expected:
                return len(expected)
    raise _refused(span, f"what stands behind {entry.name!r} disagrees with its header")


def _fit(form: str, *sizes: int) -> tuple[int, ...]:
    return tuple(size & 0xFFFFFFFF for size in sizes) if form == "<LLL" else sizes


def _decode(span: Span, raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise _refused(span, f"the member name {raw[:100]!r} is no text") from error


def _large(span: Span, extra: bytes, values: list[int]) -> list[int]:
    """Return sizes with those that need 64 bits taken from the extra field."""
    position, wide = 0, None
    while position < len(extra):
        if position + 4 > len(extra):
            raise _refused(span, "an extra field is damaged")
        kind, size = struct.unpack_from("<HH", extra, position)
        position += 4
        if position + size > len(extra):
            raise _refused(span, "an extra field is damaged")
        if kind == 1:
            if wide is not None or (size % 8 and size % 8 != 4):
                raise _refused(span, "an extra field is damaged")
            wide = struct.unpack_from(f"<{size // 8}Q", extra, position)
        position += size
    needed = iter(wide or ())
    try:
        return [next(needed) if value == 0xFFFFFFFF else value for value in values]
    except StopIteration:
        raise _refused(span, "a size that needs 64 bits is missing") from None


def _refused(span: Span, reason: str) -> UsageError:
    return UsageError(f"{span.what} is refused: {reason}")
