"""What the values of a dataset or an attribute are, and in how many rows and columns."""

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from epochal.storage.hdf5.source import Source

__all__ = ["Kind", "read_shape", "read_type"]

_MAX_RANK = 32
_CLASSES = {
    2: "times",
    4: "bit fields",
    5: "opaque values",
    6: "compound values",
    7: "references",
    9: "sequences of varying length",
    10: "arrays as values",
    11: "complex values",
}
# Bits before the mantissa, exponent position and width, mantissa width, exponent bias.
_FLOATS = {
    2: ("e", (0, 16, 10, 5, 0, 10, 15)),
    4: ("f", (0, 32, 23, 8, 0, 23, 127)),
    8: ("d", (0, 64, 52, 11, 0, 52, 1023)),
}
_BFLOAT16 = (0, 16, 7, 8, 0, 7, 127)


@dataclass(frozen=True)
class Kind:
    """The type of one value: a NumPy type, or text of varying length on a heap."""

    dtype: np.dtype[Any]
    size: int
    text: bool = False  # fixed-length text: bytes up to the first NUL
    heap: bool = False  # a pointer to text
    bfloat16: bool = False  # two bytes each, kept as uint16


def read_shape(source: Source, data: bytes, where: str) -> tuple[int, ...] | None:
    """Return the shape that a dataspace message gives; None for "no value at all"."""
    if len(data) < 4 or data[0] not in (1, 2):
        source.refuse(f"the shape of {where} is damaged")
    version, rank, flags, kind = data[:4]
    start = 8 if version == 1 else 4
    if version == 1:
        kind = 1 if rank else 0
    if rank > _MAX_RANK or flags & ~0b1 or kind > 2 or (rank > 0) != (kind == 1):
        source.refuse(f"the shape of {where} is damaged")
    if kind == 2:
        return None
    needed = start + 8 * rank * (2 if flags & 0b1 else 1)
    if len(data) < needed:
        source.refuse(f"the shape of {where} is damaged")
    shape: tuple[int, ...] = struct.unpack_from(f"<{rank}Q", data, start)
    if math.prod(max(size, 1) for size in shape) >= 2**60:
        source.refuse(f"{where} declares the shape {shape}, which no machine can hold")
    return shape


def read_type(source: Source, data: bytes, where: str) -> Kind:
    """Return the type that a datatype message gives."""
    if len(data) < 8:
        source.refuse(f"the type of {where} is damaged")
    version, kind = data[0] >> 4, data[0] & 0x0F
    bits = int.from_bytes(data[1:4], "little")
    size = int.from_bytes(data[4:8], "little")
    rest = data[8:]
    found = None
    if version in (1, 2, 3):
        if kind == 0:
            found = _integer(bits, size, rest)
        elif kind == 1:
            found = _floating(bits, size, rest)
        elif kind == 3 and 0 < size <= 2**16:
            found = Kind(np.dtype(f"S{size}"), size, text=True)
        elif kind == 8:
            found = _boolean(source, bits, size, rest, where)
        elif kind == 9 and bits & 0x0F == 1 and size == 16:
            found = Kind(np.dtype(object), size, heap=True)
        elif kind == 5 and size == 2 and bits == 0:  # how Keras keeps it
            found = Kind(np.dtype("<u2"), 2, bfloat16=True)
    if found is None:
        name = _CLASSES.get(kind, "numbers in a form that is unknown")
        source.refuse(f"{where} holds {name} ({size} bytes each), which are not read")
    return found


def _integer(bits: int, size: int, rest: bytes) -> Kind | None:
    if (
        len(rest) < 4
        or size not in (1, 2, 4, 8)
        or struct.unpack_from("<HH", rest) != (0, size * 8)
    ):
        return None
    if bits & ~0b1001:
        return None
    return Kind(np.dtype(f"{'>' if bits & 1 else '<'}{'i' if bits & 8 else 'u'}{size}"), size)


def _floating(bits: int, size: int, rest: bytes) -> Kind | None:
    if len(rest) < 12 or bits & 0x40:
        return None
    layout = struct.unpack_from("<HHBBBBL", rest)
    order = ">" if bits & 1 else "<"
    if size == 2 and layout == _BFLOAT16:
        return Kind(np.dtype(f"{order}u2"), 2, bfloat16=True)
    letter, expected = _FLOATS.get(size, ("", ()))
    return Kind(np.dtype(order + letter), size) if layout == expected else None


def _boolean(source: Source, bits: int, size: int, rest: bytes, where: str) -> Kind | None:
    """h5py writes booleans as an enumeration of one byte."""
    names_and_values = b"FALSE\0\0\0TRUE\0\0\0\0\0\1"
    if bits != 2 or size != 1 or rest[12 : 12 + len(names_and_values)] != names_and_values:
        return None
    base = read_type(source, rest[:12], where)
    return Kind(np.dtype(np.bool_), 1) if base.dtype == np.int8 else None
