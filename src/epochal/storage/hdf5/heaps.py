"""Text of varying length: HDF5 keeps it on heaps, away from the attribute that holds it."""

import struct

from epochal.storage.hdf5.source import UNDEFINED, Source

__all__ = ["GlobalHeaps", "local_heap"]


class GlobalHeaps:
    """The collections of text in a file, each read once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._collections: dict[int, dict[int, bytes]] = {}

    def text(self, pointer: bytes, where: str) -> bytes:
        """Return the bytes that a pointer of 16 bytes leads to."""
        length, address, index = struct.unpack("<LQL", pointer)
        if length == 0:
            return b""
        if address not in self._collections:
            self._collections[address] = self._read(address, where)
        # Taken out: a text that many attributes pointed at would take its memory many times.
        content = self._collections[address].pop(index, None)
        if content is None or length > len(content):
            self._source.refuse(f"the text of {where} is damaged, or used by another attribute too")
        return content[:length]

    def _read(self, address: int, where: str) -> dict[int, bytes]:
        purpose = f"the text of {where}"
        span = self._source.span
        if address == UNDEFINED or address + 16 > self._source.size:
            self._source.refuse(f"{purpose} lies outside of the file")
        mark, version, size = struct.unpack("<4sB3xQ", span.read(address, 16))
        if mark != b"GCOL" or version != 1 or size < 16:
            self._source.refuse(f"{purpose} is damaged")
        data = self._source.take(address, size, purpose)
        found: dict[int, bytes] = {}
        position = 16
        while position + 16 <= size:
            index, _, held = struct.unpack_from("<HH4xQ", data, position)
            if index == 0:
                break  # the rest is free
            position += 16
            if position + held > size or index in found:
                self._source.refuse(f"{purpose} is damaged")
            found[index] = data[position : position + held]
            position += (held + 7) // 8 * 8
        return found


def local_heap(source: Source, address: int, where: str) -> bytes:
    """Return the bytes in which the names of a group's members stand."""
    purpose = f"the names in {where}"
    mark, version, size, _, segment = struct.unpack("<4sB3xQQQ", source.take(address, 32, purpose))
    if mark != b"HEAP" or version != 0:
        source.refuse(f"{purpose} are damaged")
    return source.take(segment, size, purpose)
