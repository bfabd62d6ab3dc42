"""The trees by which HDF5 finds the members of a group and the pieces of a dataset."""

import struct
from collections.abc import Iterator
from typing import Any

from epochal.storage.hdf5.source import UNDEFINED, Source

__all__ = ["chunk_tree", "group_tree"]

_GROUP, _CHUNK = 0, 1
_MAX_LEVEL = 16


def group_tree(
    source: Source, address: int, names: bytes, where: str
) -> Iterator[tuple[bytes, int]]:
    """Yield the name and the address of each member of a group."""
    purpose = f"the list of members of {where}"
    for _, leaf in _leaves(source, address, _GROUP, 8, purpose):
        mark, version, count = struct.unpack("<4sBxH", source.take(leaf, 8, purpose))
        if mark != b"SNOD" or version != 1:
            source.refuse(f"{purpose} is damaged")
        entries = source.take(leaf + 8, 40 * count, purpose)
        for position in range(0, 40 * count, 40):
            at, header, cached = struct.unpack_from("<QQL", entries, position)
            end = names.find(b"\0", at)
            if end < 0:
                source.refuse(f"{purpose} is damaged")
            name = names[at:end]
            if cached == 2:
                source.refuse(f"{where} holds a soft link, {_show(name)}; links are not followed")
            if cached > 2:
                source.refuse(f"{purpose} is damaged")
            yield name, header


def chunk_tree(
    source: Source, address: int, rank: int, most: int, where: str
) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """Yield the first row and column of each piece of a dataset, its address and stored size."""
    purpose = f"the list of pieces of {where}"
    for number, (key, child) in enumerate(
        _leaves(source, address, _CHUNK, 8 + 8 * (rank + 1), purpose)
    ):
        stored, skipped, *start = struct.unpack(f"<LL{rank + 1}Q", key)
        if skipped or start.pop() or number >= most:
            source.refuse(f"{purpose} is damaged")
        yield tuple(start), child, stored


def _leaves(
    source: Source, address: int, kind: int, key: int, purpose: str
) -> Iterator[tuple[bytes, int]]:
    """Yield the keys and addresses in the lowest nodes of a tree, from left to right.

    Each node has to be one level below its parent and to know its neighbours, and no byte is taken
    twice: a tree that leads back to itself, in which libhdf5 turns forever, is an error.
    """
    waiting: list[tuple[int, int | None]] = [(address, None)]
    # By level: the last node seen, and the one that it says follows it.
    rows: dict[int, tuple[int, int]] = {}
    while waiting:
        at, expected = waiting.pop()
        head: tuple[Any, ...] = struct.unpack("<4sBBHQQ", source.take(at, 24, purpose))
        mark, found, level, used, left, right = head
        if mark != b"TREE" or found != kind or level > _MAX_LEVEL:
            source.refuse(f"{purpose} is damaged")
        if expected is not None and level != expected:
            source.refuse(f"{purpose} leads back to itself")
        if rows.get(level, (UNDEFINED, at)) != (left, at):
            source.refuse(f"{purpose} has nodes with wrong neighbours")
        rows[level] = (at, right)
        step = key + 8
        data = source.take(at + 24, used * step + key, purpose)
        children = [
            (data[i : i + key], int.from_bytes(data[i + key : i + step], "little"))
            for i in range(0, used * step, step)
        ]
        if level == 0:
            yield from children
        else:
            waiting.extend((child, level - 1) for _, child in reversed(children))
    if any(right != UNDEFINED for _, right in rows.values()):
        source.refuse(f"{purpose} has nodes with wrong neighbours")


def _show(name: bytes) -> str:
    return repr(name[:60].decode("utf-8", "replace"))
