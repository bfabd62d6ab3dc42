"""Groups of more than eight members of which a name is not ASCII: links on a heap, by an index.

HDF5 keeps these links in a fractal heap and finds them by a tree of their names' hashes. Only what
h5py writes is read: a heap of direct blocks, at most one block of addresses above them.
"""

import struct
from collections.abc import Iterator

from epochal.storage.hdf5.source import Source

__all__ = ["dense_links"]

_HEAP = struct.Struct("<4sBHHBL12QHQQHHQH4x")
_TREE = struct.Struct("<4sBBLHHBBQHQ4x")
_RECORD = 11  # the hash of a name, and the place of its link: kind, offset, length
_INDEX = 5
_MAX_DEPTH = 8


def dense_links(source: Source, heap: int, index: int, where: str) -> Iterator[bytes]:
    """Yield the link messages of a group in the order of their names' hashes."""
    purpose = f"the list of members of {where}"
    space = _Space(source, heap, purpose)
    for record in _records(source, index, purpose):
        kind, offset, length = struct.unpack("<4xBLH", record)
        if kind:
            source.refuse(f"{purpose} is damaged")
        yield space.read(offset, length)


class _Space:
    """The blocks of a heap, as one row of bytes."""

    def __init__(self, source: Source, address: int, purpose: str) -> None:
        self._source = source
        self._purpose = purpose
        fields = _HEAP.unpack(source.take(address, _HEAP.size, purpose))
        mark, version, id_size, filters, flags, _ = fields[:6]
        width, first, largest, bits, _, root, rows = fields[18:]
        plain = (version, id_size, filters, bits) == (0, 7, 0, 32) and flags & ~0b11 == 0
        sizes = 0 < first <= largest <= 2**16 and 0 < width <= 64
        if mark != b"FRHP" or not plain or not sizes:
            source.refuse(f"{purpose} is damaged")
        self._head = 17 + 4 * bool(flags & 0b10)
        self._blocks: list[tuple[int, int, bytes]] = []
        if rows == 0:
            self._add(root, 0, first)
            return
        if first << max(rows - 2, 0) > largest:
            source.refuse(f"{purpose} is too long to be read")
        size = 17 + 8 * width * rows
        data = source.take(root, size + 4, purpose)
        if data[:4] != b"FHIB":
            source.refuse(f"{purpose} is damaged")
        start = 0
        for number, [block] in enumerate(struct.iter_unpack("<Q", data[17:size])):
            length = first << max(number // width - 1, 0)
            if block != 2**64 - 1:
                self._add(block, start, length)
            start += length

    def _add(self, address: int, start: int, size: int) -> None:
        data = self._source.take(address, size, self._purpose)
        if data[:4] != b"FHDB" or int.from_bytes(data[13:17], "little") != start:
            self._source.refuse(f"{self._purpose} is damaged")
        self._blocks.append((start, start + size, data))

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes of one object, which lies within one block."""
        found = [
            data[offset - start : offset - start + length]
            for start, end, data in self._blocks
            if start + self._head <= offset and offset + length <= end
        ]
        if not found:
            self._source.refuse(f"{self._purpose} is damaged")
        return found[0]


def _records(source: Source, address: int, purpose: str) -> Iterator[bytes]:
    """Yield the records of the index, from the lowest nodes and from those above them."""
    fields = _TREE.unpack(source.take(address, _TREE.size, purpose))
    mark, version, kind, node, size, depth, _, _, root, used, total = fields
    if (mark, version, kind, size) != (b"BTHD", 0, _INDEX, _RECORD) or depth > _MAX_DEPTH:
        source.refuse(f"{purpose} is damaged")
    if not 64 <= node <= 2**16:
        source.refuse(f"{purpose} is damaged")
    # How many bytes the counts beside an address take, by the level of the node that holds it.
    below = most = (node - 10) // _RECORD
    widths = [(0, 0)]
    for level in range(1, depth + 1):
        counts = (_width((node - 10) // _RECORD), _width(below) if level > 1 else 0)
        widths.append(counts)
        most = (node - 18 - sum(counts)) // (_RECORD + 8 + sum(counts))
        below = (most + 1) * below + most
    waiting = [(root, used, depth)] if used else []
    found = 0
    while waiting:
        at, count, level = waiting.pop()
        expected = b"BTIN" if level else b"BTLF"
        step = 8 + sum(widths[level])
        children = step * (count + 1) if level else 0
        data = source.take(at, 6 + _RECORD * count + children, purpose)
        if data[:4] != expected or data[5] != _INDEX:
            source.refuse(f"{purpose} is damaged")
        end = 6 + _RECORD * count
        found += count
        for position in range(6, end, _RECORD):
            yield data[position : position + _RECORD]
        for position in range(end, end + children, step):
            child = int.from_bytes(data[position : position + 8], "little")
            own = data[position + 8 : position + 8 + widths[level][0]]
            waiting.append((child, int.from_bytes(own, "little"), level - 1))
    if found != total:
        source.refuse(f"{purpose} is damaged")


def _width(most: int) -> int:
    return (most.bit_length() - 1) // 8 + 1
