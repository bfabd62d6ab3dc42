"""Where the values of a dataset lie in the file."""

import math
import struct
from dataclasses import dataclass
from typing import TypeAlias

from epochal.storage.hdf5.headers import FILTERS, LAYOUT, Messages
from epochal.storage.hdf5.source import UNDEFINED, Source
from epochal.storage.hdf5.trees import chunk_tree

__all__ = ["Chunks", "Storage", "read_storage"]

_DEFLATE, _SHUFFLE = 1, 2
_VIRTUAL = 3


@dataclass(frozen=True)
class Chunks:
    """A dataset in pieces: the place and stored size of each, by its first row and column."""

    shape: tuple[int, ...]
    places: dict[tuple[int, ...], tuple[int, int]]
    shuffled: bool
    deflated: bool


# The bytes themselves, the address of all of them in a row, or pieces.
Storage: TypeAlias = bytes | int | Chunks


def read_storage(
    source: Source, messages: Messages, shape: tuple[int, ...], item: int, where: str
) -> Storage:
    """Return where a dataset's values lie, after holding its shape against what is stored."""
    [data] = messages[LAYOUT]
    damaged = f"the layout of {where} is damaged"
    if len(data) < 4:
        source.refuse(damaged)
    version, kind = data[:2]
    if version == 4 and kind == _VIRTUAL:
        source.refuse(f"{where} is a virtual dataset: its values would come from other files")
    if version != 3 or kind > 2:
        source.refuse(
            f"{where} has a layout that h5py does not write by default (version {version})"
        )
    shuffled, deflated = _filters(source, messages, where)
    size = math.prod(shape) * item
    if kind == 2:
        return _chunks(source, data, shape, item, (shuffled, deflated), where)
    if shuffled or deflated:
        source.refuse(damaged)
    if kind == 0:
        stored = data[4 : 4 + int.from_bytes(data[2:4], "little")]
        if len(stored) != size:
            source.refuse(_differs(where, size, len(stored)))
        return stored
    if len(data) < 18:
        source.refuse(damaged)
    address, held = struct.unpack_from("<QQ", data, 2)
    if held != size:
        source.refuse(_differs(where, size, held))
    if size == 0:
        return 0
    if address == UNDEFINED:
        source.refuse(_differs(where, size, 0))
    source.claim(address, size, f"the data of {where}")
    return int(address)


def _chunks(
    source: Source,
    data: bytes,
    shape: tuple[int, ...],
    item: int,
    filters: tuple[bool, bool],
    where: str,
) -> Chunks:
    rank = data[2] - 1
    if rank != len(shape) or rank < 1 or len(data) < 11 + 4 * (rank + 1):
        source.refuse(f"the layout of {where} is damaged")
    address = int.from_bytes(data[3:11], "little")
    *steps, width = struct.unpack_from(f"<{rank + 1}L", data, 11)
    if width != item or 0 in steps:
        source.refuse(f"the layout of {where} is damaged")
    chunk = math.prod(steps) * item
    expected = math.prod(-(-size // step) for size, step in zip(shape, steps, strict=True))
    source.allow(expected * chunk, where)
    places: dict[tuple[int, ...], tuple[int, int]] = {}
    if expected and address != UNDEFINED:
        for start, at, stored in chunk_tree(source, address, rank, expected, where):
            outside = any(
                begin % step or begin >= size
                for begin, step, size in zip(start, steps, shape, strict=True)
            )
            if outside or start in places or (stored != chunk and not filters[1]):
                source.refuse(f"the pieces of {where} are damaged")
            source.claim(at, stored, f"the data of {where}")
            places[start] = (at, stored)
    if len(places) != expected:
        source.refuse(_differs(where, expected * chunk, len(places) * chunk))
    return Chunks(tuple(steps), places, *filters)


def _filters(source: Source, messages: Messages, where: str) -> tuple[bool, bool]:
    """Return whether the data is shuffled, and whether it is deflated."""
    if FILTERS not in messages:
        return False, False
    [data] = messages[FILTERS]
    damaged = f"the filters of {where} are damaged"
    if len(data) < 8 or data[0] != 1:
        source.refuse(damaged)
    position = 8
    found = []
    for _ in range(data[1]):
        if position + 8 > len(data):
            source.refuse(damaged)
        number, name, _, values = struct.unpack_from("<HHHH", data, position)
        position += 8 + (name + 7) // 8 * 8 + (values + values % 2) * 4
        found.append(number)
    if position > len(data):
        source.refuse(damaged)
    if found not in ([], [_DEFLATE], [_SHUFFLE], [_SHUFFLE, _DEFLATE]):
        source.refuse(
            f"{where} went through the filters {found}; gzip (1), shuffle (2) and shuffle before "
            "gzip are read"
        )
    return _SHUFFLE in found, _DEFLATE in found


def _differs(where: str, declared: int, stored: int) -> str:
    return f"{where} declares {declared:,} bytes and stores {stored:,}"
