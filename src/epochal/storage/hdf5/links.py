"""The members of a group: their names, and where their headers are."""

import struct

from epochal.storage.hdf5.dense import dense_links
from epochal.storage.hdf5.heaps import local_heap
from epochal.storage.hdf5.source import UNDEFINED, Source
from epochal.storage.hdf5.trees import group_tree

__all__ = ["link_messages", "symbol_links"]


def symbol_links(source: Source, table: bytes, where: str) -> list[tuple[str, int]]:
    """Return the members that a symbol table holds: how h5py writes groups."""
    if len(table) < 16:
        source.refuse(f"{where} is damaged")
    tree, heap = struct.unpack_from("<QQ", table)
    names = local_heap(source, heap, where)
    return [(_name(source, raw, where), at) for raw, at in group_tree(source, tree, names, where)]


def link_messages(
    source: Source, info: bytes, messages: list[bytes], where: str
) -> list[tuple[str, int]]:
    """Return the members of a group in which a name is not ASCII."""
    start = 10 if len(info) > 1 and info[1] & 0b1 else 2
    if len(info) < start + 16 or info[0] != 0 or info[1] & ~0b11:
        source.refuse(f"{where} is damaged")
    heap, index = struct.unpack_from("<QQ", info, start)
    if heap == UNDEFINED:
        found = [_link(source, data, where) for data in messages]
    elif messages:
        source.refuse(f"{where} is damaged")
    else:
        found = [_link(source, data, where) for data in dense_links(source, heap, index, where)]
    return sorted(found)


def _link(source: Source, data: bytes, where: str) -> tuple[str, int]:
    damaged = f"a link in {where} is damaged"
    if len(data) < 4 or data[0] != 1 or data[1] & ~0b11111:
        source.refuse(damaged)
    flags = data[1]
    position, kind = 2, 0
    if flags & 0b1000:
        kind = data[position]
        position += 1
    position += 8 * bool(flags & 0b100) + bool(flags & 0b10000)
    width = 1 << (flags & 0b11)
    length = int.from_bytes(data[position : position + width], "little")
    position += width
    name = _name(source, data[position : position + length], where)
    position += length
    if kind == 1:
        source.refuse(f"{where} holds a soft link, {name!r}; links are not followed")
    if kind == 64:
        source.refuse(f"{where} holds a link to another file, {name!r}; links are not followed")
    if kind or position + 8 > len(data):
        source.refuse(damaged)
    return name, int.from_bytes(data[position : position + 8], "little")


def _name(source: Source, raw: bytes, where: str) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        source.refuse(f"{where} holds a name that is no text ({raw[:60]!r})")
    plain = name.isprintable() and name not in ("", ".", "..") and "/" not in name
    if not plain or len(name) > 1000:
        source.refuse(
            f"{where} holds a name that is a path, too long, or does not show ({name[:60]!r})"
        )
    return name
