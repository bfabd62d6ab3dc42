"""The header of a safetensors file, checked before anything is made of what it says."""

import math
from dataclasses import dataclass
from typing import Any

from epochal.core.errors import UsageError
from epochal.storage.spans import Span
from epochal.storage.strict_json import parse_json

__all__ = ["ITEM_SIZES", "MAX_HEADER", "TensorEntry", "read_header"]

# Of 100,000 tensors a header has 10 MB.
MAX_HEADER = 16 * 2**20

ITEM_SIZES = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}
_KEYS = {"dtype", "shape", "data_offsets"}
_METADATA = "__metadata__"
_MAX_RANK = 64


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a file: what it is, and where its bytes begin in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int


def read_header(span: Span) -> tuple[list[TensorEntry], dict[str, str]]:
    """Return the tensors of a safetensors file in the order of their bytes, and its metadata.

    Raises:
        UsageError: If it is no such file, a damaged one, or its header and its bytes disagree:
            every byte behind the header belongs to one tensor, and each tensor has as many bytes
            as its shape and type need.
    """
    if span.size < 8:
        raise _refused(
            span, f"it was cut short at {span.size} bytes" if span.size else "it is empty (0 bytes)"
        )
    length = int.from_bytes(span.read(0, 8), "little")
    text = span.read(8, length) if length <= min(MAX_HEADER, span.size - 8) else b""
    if not text.startswith(b"{"):
        raise _refused(span, _diagnosis(span, length))
    header = parse_json(text, f"the header of {span.what}", max_bytes=MAX_HEADER, max_depth=4)
    notes = header.pop(_METADATA, {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise _refused(span, "its metadata is not text under text keys")
    entries = [_entry(span, name, entry, 8 + length) for name, entry in header.items()]
    entries.sort(key=lambda entry: (entry.offset, entry.nbytes))
    expected = 8 + length
    for entry in entries:
        if entry.offset != expected:
            raise _refused(span, f"the bytes of {entry.name!r} do not follow those before them")
        expected += entry.nbytes
    if expected > span.size:
        raise _refused(
            span,
            f"it was cut short at {span.size:,} bytes of {expected:,}; use an earlier file",
        )
    if expected < span.size:
        raise _refused(span, f"{span.size - expected:,} of its bytes belong to no tensor")
    return entries, notes


def _diagnosis(span: Span, length: int) -> str:
    """Return what is most likely wrong with a file that has no header."""
    start = span.read(0, min(8, span.size))
    if start.startswith((b"PK\3\4", b"\x80")):
        return "it is a pickled torch file under another name; it could run code and is not read"
    if 8 + length > span.size and length <= MAX_HEADER:
        return f"it was cut short at {span.size:,} bytes, within its header; use an earlier file"
    return "it is not a safetensors file, or damaged"


def _entry(span: Span, name: str, entry: Any, start: int) -> TensorEntry:
    if not name.isprintable() or not 0 < len(name) <= 1000:
        raise _refused(
            span, f"the name of a tensor is empty, too long, or does not show ({name[:60]!r})"
        )
    what = f"what it says of the tensor {name!r} is damaged"
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        raise _refused(span, what)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise _refused(
            span,
            f"the tensor {name!r} is of type {str(dtype)[:20]!r}; {', '.join(ITEM_SIZES)} are read",
        )
    if not (_sizes(shape) and _sizes(offsets) and len(offsets) == 2 and len(shape) <= _MAX_RANK):
        raise _refused(span, what)
    nbytes = math.prod(shape) * ITEM_SIZES[dtype]
    if offsets[1] - offsets[0] != nbytes:
        raise _refused(
            span,
            f"the tensor {name!r} of shape {tuple(shape)} needs {nbytes:,} bytes and has "
            f"{offsets[1] - offsets[0]:,}",
        )
    # torch counts elements in 64 bits, also of a tensor that has none: (0, 2**60, 2**60).
    if math.prod(max(size, 1) for size in shape) >= 2**60:
        raise _refused(span, f"the tensor {name!r} has a shape that no machine can hold")
    return TensorEntry(name, dtype, tuple(shape), start + offsets[0], nbytes)


def _sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**63 for v in values)


def _refused(span: Span, reason: str) -> UsageError:
    return UsageError(f"{span.what} cannot be read: {reason}")
