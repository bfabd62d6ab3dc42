"""Zip archives of which each header can be told what to say."""

import struct
import zlib
from dataclasses import dataclass


@dataclass
class Part:
    """A member; what is given for a header alone replaces what would be true."""

    name: bytes
    data: bytes = b""
    method: int = 0
    flags: int = 0x800
    mode: int = 0o100644
    local_name: bytes | None = None
    local_size: int | None = None
    size: int | None = None
    packed: bytes | None = None
    crc: int | None = None
    offset: int | None = None


def make(parts, *, before=b"", between=b"", behind=b"", count=None, comment=b""):
    """Return the bytes of an archive."""
    body, directory = bytearray(before), bytearray()
    for part in parts:
        packed = part.packed
        if packed is None:
            packed = deflate(part.data) if part.method == 8 else part.data
        crc = zlib.crc32(part.data) if part.crc is None else part.crc
        size = len(part.data) if part.size is None else part.size
        local_size = size if part.local_size is None else part.local_size
        local_name = part.name if part.local_name is None else part.local_name
        offset = len(body) if part.offset is None else part.offset
        fields = (20, part.flags, part.method, 0, 33, crc, len(packed))
        if part.offset is None:
            body += struct.pack("<4s5H3L2H", b"PK\3\4", *fields, local_size, len(local_name), 0)
            body += local_name + packed + between
        directory += struct.pack(
            "<4s6H3L5H2L",
            *(b"PK\1\2", 0x031E, *fields, size, len(part.name), 0, 0, 0, 0),
            *(part.mode << 16, offset),
        )
        directory += part.name
    number = len(parts) if count is None else count
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(directory), len(body), len(comment)
    )
    return bytes(body + directory + end + comment + behind)


def deflate(data):
    """Return raw deflated bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


LINK, DEVICE, FIFO, FOLDER = 0o120777, 0o020666, 0o010666, 0o040755

# Each by what it is: what it does to the parts of a valid archive, and a word of the refusal.
ATTACKS = {
    "a parent folder": (lambda p: [*p, Part(b"../x", b"1")], "no plain path"),
    "an absolute path": (lambda p: [*p, Part(b"/tmp/x", b"1")], "no plain path"),
    "a path that climbs": (lambda p: [*p, Part(b"a/../../x", b"1")], "no plain path"),
    "a drive": (lambda p: [*p, Part(b"C:\\x", b"1")], "holds one of the characters"),
    "a backslash": (lambda p: [*p, Part(b"..\\x", b"1")], "holds one of the characters"),
    "a NUL in a name": (lambda p: [*p, Part(b"x\0.json", b"1")], "do not show"),
    "a right-to-left mark": (lambda p: [*p, Part("x\u202egpj.json".encode(), b"1")], "do not show"),
    "a name that is no UTF-8": (lambda p: [*p, Part(b"\xff\xfe", b"1")], "no text"),
    "a name of 5,000 characters": (lambda p: [*p, Part(b"x" * 5000, b"1")], "5,000 characters"),
    "an empty name": (lambda p: [*p, Part(b"", b"1")], "no plain path"),
    "a name in another normal form": (
        lambda p: [*p, Part("e\u0301".encode(), b"1")],
        "composed form",
    ),
    "two of one name": (lambda p: [*p, p[0]], "twice"),
    "two names in two cases": (
        lambda p: [*p, Part(p[0].name.swapcase(), p[0].data)],
        "twice",
    ),
    "a symbolic link": (lambda p: [*p, Part(b"link", b"/etc/passwd", mode=LINK)], "a link"),
    "a link, then a file through it": (
        lambda p: [*p, Part(b"out", b"/tmp", mode=LINK), Part(b"out/x", b"1")],
        "a link",
    ),
    "a device": (lambda p: [*p, Part(b"zero", b"", mode=DEVICE)], "special file"),
    "a pipe": (lambda p: [*p, Part(b"pipe", b"", mode=FIFO)], "special file"),
    "a folder with bytes": (lambda p: [*p, Part(b"a/", b"1", mode=FOLDER)], "has bytes"),
    "encryption": (lambda p: [*p, Part(b"x", b"1", flags=0x801)], "encrypted"),
    "strong encryption": (lambda p: [*p, Part(b"x", b"1", flags=0x840)], "encrypted"),
    "bzip2": (lambda p: [*p, Part(b"x", b"1", method=12)], "method 12"),
    "two names for one member": (lambda p: [*p, Part(b"x", b"1", local_name=b"y")], "another name"),
    "two sizes for one member": (lambda p: [*p, Part(b"x", b"1", local_size=9)], "disagree"),
    "a member within a member": (lambda p: [*p, Part(b"x", p[0].data, offset=0)], "do not follow"),
    "stored with two sizes": (lambda p: [*p, Part(b"x", b"1", size=1000)], "two sizes"),
    "10,001 members": (
        lambda p: [*p, *(Part(b"x%d" % i) for i in range(10_001))],
        "at most 10,000",
    ),
}
