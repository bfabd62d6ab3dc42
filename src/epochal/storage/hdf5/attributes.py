"""Attributes of HDF5 objects, as plain Python values."""

import struct
from typing import Any, TypeAlias

import numpy as np

from epochal.storage.hdf5.heaps import GlobalHeaps
from epochal.storage.hdf5.kinds import Kind, read_shape, read_type
from epochal.storage.hdf5.source import Source

__all__ = ["Attribute", "read_attributes"]

Attribute: TypeAlias = str | list[str] | bool | int | float | np.ndarray[Any, Any] | None

_MAX_BYTES = 64 * 2**20  # of one attribute: `model_config` of 900 layers has 1 MB


def read_attributes(
    source: Source, heaps: GlobalHeaps, messages: list[bytes], where: str
) -> dict[str, Attribute]:
    """Return the attributes that messages hold, by name."""
    found: dict[str, Attribute] = {}
    for data in messages:
        name, value = _read(source, heaps, data, where)
        if name in found:
            source.refuse(f"{where} has the attribute {name!r} twice")
        found[name] = value
    return found


def _read(source: Source, heaps: GlobalHeaps, data: bytes, where: str) -> tuple[str, Attribute]:
    damaged = f"an attribute of {where} is damaged"
    if len(data) < 9 or data[0] not in (1, 2, 3) or (data[0] > 1 and data[1]):
        source.refuse(damaged)
    sizes = struct.unpack_from("<HHH", data, 2)
    position = 9 if data[0] == 3 else 8
    parts: list[bytes] = []
    for size in sizes:
        parts.append(data[position : position + size])
        # The first version pads each part.
        position += (size + 7) // 8 * 8 if data[0] == 1 else size
    if position > len(data):
        source.refuse(damaged)
    try:
        name = parts[0].removesuffix(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        source.refuse(damaged)
    if not name.isprintable() or not name:
        source.refuse(f"{where} has an attribute of which the name does not show ({name[:60]!r})")
    what = f"the attribute {name[:200]!r} of {where}"
    kind = read_type(source, parts[1], what)
    shape = read_shape(source, parts[2], what)
    if shape is None:
        return name, None
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if count * kind.size > len(data) - position:
        source.refuse(f"{what} declares {count * kind.size:,} bytes and stores fewer")
    stored = data[position : position + count * kind.size]
    return name, _value(source, heaps, kind, shape, stored, what)


def _value(
    source: Source,
    heaps: GlobalHeaps,
    kind: Kind,
    shape: tuple[int, ...],
    stored: bytes,
    what: str,
) -> Attribute:
    if kind.text or kind.heap:
        if len(shape) > 1:
            source.refuse(f"{what} is text in a table, which is not read")
        pieces = [stored[i : i + kind.size] for i in range(0, len(stored), kind.size)]
        if kind.heap:
            pieces = [heaps.text(piece, what) for piece in pieces]
        try:
            texts = [piece.rstrip(b"\0").decode("utf-8") for piece in pieces]
        except UnicodeDecodeError:
            source.refuse(f"{what} is not text in UTF-8")
        return texts if shape else texts[0]
    array = np.frombuffer(stored, kind.dtype).reshape(shape)
    return array.copy() if shape else array.item()
