"""Object headers of HDF5: the list of messages that describe a group or a dataset."""

import struct
from typing import TypeAlias

from epochal.storage.hdf5.source import Source

__all__ = ["Messages", "read_messages"]

Messages: TypeAlias = dict[int, list[bytes]]

NIL, SPACE, LINK_INFO, TYPE, OLD_FILL, FILL, LINK, EXTERNAL, LAYOUT = range(9)
GROUP_INFO, FILTERS, ATTRIBUTE = 10, 11, 12
OLD_TIME, CONTINUATION, SYMBOLS, TIME = 14, 16, 17, 18

# What has no bearing on values: fill values (nothing unwritten is read), hints and times.
_IGNORED = (NIL, OLD_FILL, FILL, GROUP_INFO, OLD_TIME, TIME)
_READ = (SPACE, LINK_INFO, TYPE, LINK, LAYOUT, FILTERS, ATTRIBUTE, SYMBOLS)
_NAMES = {
    EXTERNAL: "data in another file (external storage)",
    9: "a message for tests",
    13: "a comment",
    15: "a table of shared messages",
    19: "a setting of its trees",
    20: "a driver of its own",
    21: "attributes in the newer style",
    22: "an object with several names",
}
_MAX_BLOCKS = 1000


def read_messages(source: Source, address: int, where: str) -> Messages:
    """Return the messages of the object header at `address`, by type."""
    version, _, count, references, size = struct.unpack(
        "<BBHLL", source.take(address, 12, f"the header of {where}")
    )
    if version != 1:
        source.refuse(
            f"the header of {where} is damaged, or of a newer style than h5py writes by default"
        )
    if references != 1:
        source.refuse(f"{where} has {references} names; a group or dataset with one name is read")
    blocks = [(address + 16, size)]
    found: Messages = {}
    seen = 0
    # The list grows while it is walked; no byte can be taken twice, so it comes to an end.
    for start, length in blocks:
        if len(blocks) > _MAX_BLOCKS:
            source.refuse(f"the header of {where} is in more than {_MAX_BLOCKS:,} pieces")
        data = source.take(start, length, f"the header of {where}")
        position = 0
        while position < length:
            if position + 8 > length:
                source.refuse(f"the header of {where} is damaged")
            kind, held, flags = struct.unpack_from("<HHB", data, position)
            position += 8
            content = data[position : position + held]
            position += held
            seen += 1
            if position > length or held % 8:
                source.refuse(f"the header of {where} is damaged")
            if flags & 0b10 and kind != NIL:
                source.refuse(f"{where} uses a shared message, which is not read")
            if kind == CONTINUATION:
                if len(content) < 16:
                    source.refuse(f"the header of {where} is damaged")
                blocks.append(struct.unpack_from("<QQ", content))
            elif kind in _READ:
                found.setdefault(kind, []).append(content)
            elif kind not in _IGNORED:
                name = _NAMES.get(kind, f"messages of type {kind}")
                source.refuse(f"{where} has {name}, which is not read")
    if seen != count:
        source.refuse(f"the header of {where} says {count} messages and has {seen}")
    for kind, contents in found.items():
        if kind not in (ATTRIBUTE, LINK) and len(contents) > 1:
            source.refuse(f"the header of {where} says something twice")
    return found
