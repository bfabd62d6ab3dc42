"""Tensors as the bytes of a safetensors file, made and read piece by piece."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from epochal.core.errors import Problems, UsageError
from epochal.storage.digests import hash_all, hash_of_header
from epochal.storage.spans import Span
from epochal.storage.strict_json import parse_json
from epochal.storage.tensor_header import read_header

__all__ = [
    "DTYPES",
    "KEY",
    "TensorBytes",
    "bytes_of",
    "check_tensors",
    "decode_tensors",
    "find_ties",
]

# One key of the file's own metadata holds ours as JSON, in one order: two saves of the same state
# must be equal byte for byte.
KEY = "epochal"
_NAMES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.uint64: "U64",
    torch.complex64: "C64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.uint32: "U32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int16: "I16",
    torch.uint16: "U16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
DTYPES = {name: dtype for dtype, name in _NAMES.items()}


class TensorBytes:
    """The bytes that a safetensors file of some tensors has.

    Tensors that are the same memory (tied weights) are written once.

    Args:
        tensors: As `check_tensors` allows; read while `pieces` is iterated, and not copied if they
            are contiguous and on the CPU.
        notes: Text to keep beside them.
        hashed: Write hashes of the header and of each tensor, for `load_tensors` to check; not
            needed where something else holds a hash of the whole file.

    Example:
        >>> content = TensorBytes({"w": torch.ones(2)}, {"epoch": "3"})
        >>> decode_tensors(b"".join(content.pieces()), "the file")
        ({'w': tensor([1., 1.])}, {'epoch': '3'})
    """

    def __init__(
        self,
        tensors: Mapping[str, torch.Tensor],
        notes: Mapping[str, str] | None = None,
        *,
        hashed: bool = False,
    ) -> None:
        ties = find_ties(tensors)
        # Wide types first, so that each tensor lies at a multiple of its elements' size.
        names = sorted(
            (name for name in tensors if name not in ties),
            key=lambda name: (-tensors[name].element_size(), _NAMES[tensors[name].dtype], name),
        )
        self._tensors = [tensors[name] for name in names]
        own: dict[str, Any] = {"metadata": dict(notes or {}), "ties": ties}
        if hashed:
            kinds = {n: (_NAMES[tensors[n].dtype], tensors[n].shape) for n in names}
            own["sha256"] = {
                "header": hash_of_header(kinds, own["metadata"], ties),
                "tensors": dict(zip(names, hash_all(self._values()), strict=True)),
            }
        header: dict[str, Any] = {"__metadata__": {KEY: json.dumps(own, sort_keys=True)}}
        at = 0
        for name, tensor in zip(names, self._tensors, strict=True):
            end = at + tensor.numel() * tensor.element_size()
            header[name] = {
                "dtype": _NAMES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [at, end],
            }
            at = end
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._header = len(text).to_bytes(8, "little") + text
        self.size = len(self._header) + at

    def pieces(self) -> Iterator[memoryview]:
        """Give the bytes, a tensor at a time."""
        yield memoryview(self._header)
        yield from (value for value in self._values() if value)

    def _values(self) -> Iterator[memoryview]:
        for tensor in self._tensors:
            yield bytes_of(tensor.detach().resolve_conj().resolve_neg().cpu().contiguous())


def bytes_of(tensor: torch.Tensor) -> memoryview:
    """Return the memory of a tensor that is contiguous and on the CPU, to be read or filled."""
    if not tensor.numel():
        return memoryview(b"")
    view: memoryview = tensor.reshape(-1).view(torch.uint8).numpy().data
    return view


def decode_tensors(
    data: bytes | bytearray, what: str
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and the notes that `TensorBytes` made into bytes.

    Args:
        data: The whole file. The tensors are views of it if it is a `bytearray`.
        what: Whose bytes they are, for errors.

    Raises:
        UsageError: If the bytes are not such a file.
    """
    data = data if isinstance(data, bytearray) else bytearray(data)
    entries, notes = read_header(Span(data, len(data), what))
    try:
        own = parse_json(notes[KEY], f"the {KEY!r} metadata of {what}")
        tensors = {}
        for entry in entries:
            dtype = DTYPES[entry.dtype]
            count = entry.nbytes // dtype.itemsize
            flat = (
                torch.frombuffer(data, dtype=dtype, count=count, offset=entry.offset)
                if count
                else torch.empty(0, dtype=dtype)
            )
            tensors[entry.name] = flat.reshape(entry.shape)
        tied = {alias: tensors[name] for alias, name in own["ties"].items()}
        return tensors | tied, dict(own["metadata"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{what} is not a safetensors file of ours: {error}") from error


def check_tensors(problems: Problems, tensors: Mapping[str, torch.Tensor]) -> None:
    """Note what keeps tensors from being stored."""
    # Widened on purpose: the annotations promise what is checked here.
    values: dict[object, object] = dict(tensors.items())
    for name, value in values.items():
        if not isinstance(name, str):
            problems.add(f"the name {name!r} is no text", of_type=True)
        if not isinstance(value, torch.Tensor):
            kind = type(value).__name__
            problems.add(f"{name!r} is of type {kind}, not a tensor", of_type=True)
        elif value.layout != torch.strided:
            problems.add(f"{name!r} is sparse ({value.layout}); store value.to_dense()")
        elif value.device.type == "meta":
            problems.add(f"{name!r} is on the meta device and has no data to store")
        elif value.dtype == torch.complex128:
            problems.add(
                f"{name!r} is complex128, which safetensors lacks; store torch.view_as_real"
            )
        elif value.dtype not in _NAMES:
            problems.add(f"{name!r} is {value.dtype}, which safetensors lacks; convert it")


def find_ties(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Return for every tensor that is the same memory as an earlier one that one's name."""
    ties: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    for name, tensor in tensors.items():
        # Tensors without elements all live at address 0 and are not tied to each other.
        if tensor.numel():
            memory = (tensor.device, tensor.untyped_storage().data_ptr(), tensor.storage_offset())
            layout = (tensor.shape, tensor.stride(), tensor.dtype)
            first = seen.setdefault((*memory, *layout, tensor.is_conj(), tensor.is_neg()), name)
            if first != name:
                ties[name] = first
    return ties
