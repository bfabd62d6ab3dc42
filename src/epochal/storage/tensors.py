"""Tensors by name in safetensors files: loading one never runs code."""

import errno
import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from epochal.core.errors import Problems, UsageError
from epochal.storage.atomic import (
    StorageError,
    StrPath,
    atomic_path,
    existing_file,
    free_space_check,
)

__all__ = ["load_tensors", "save_tensors"]

_ENDING = ".safetensors"
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin")
# One key of the file's own metadata holds ours as JSON. The library writes several keys in a random
# order, and two saves of the same state must be equal byte for byte.
_KEY = "epochal"


def save_tensors(
    path: StrPath,
    tensors: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    make_folder: bool = False,
) -> None:
    """Write tensors under their names as one safetensors file, atomically.

    Tensors that are the same memory (tied weights) are written once and are the same tensor again
    after `load_tensors`. Other views are written as they read. The same input gives the same bytes.

    Args:
        path: The file to write; ends in `.safetensors`.
        tensors: Any shapes, also 0-d and empty; any device; any real or complex64 type.
        metadata: Text to keep beside them.
        make_folder: Make the missing folders above `path` instead of refusing.

    Raises:
        UsageError: If the ending is wrong or a tensor cannot be stored (sparse, no data).
        UsageTypeError: If a value is no tensor, or a name or a piece of metadata is no text.
        StorageError: If the machine cannot write; disk space is checked before.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_tensors(f"{folder}/a.safetensors", {"w": torch.ones(2)}, {"epoch": "3"})
        ...     load_tensors(f"{folder}/a.safetensors")
        ({'w': tensor([1., 1.])}, {'epoch': '3'})
    """
    file = _with_ending(path)
    notes = dict(metadata or {})
    _check(file, tensors, notes)
    ties = _find_ties(tensors)
    kept = {name: tensor for name, tensor in tensors.items() if name not in ties}
    free_space_check(file, sum(t.numel() * t.element_size() for t in kept.values()))
    own = json.dumps({"metadata": notes, "ties": ties}, sort_keys=True)
    with atomic_path(file, make_folder=make_folder) as temporary:
        try:
            save_file(_apart(kept), temporary, {_KEY: own})
        except SafetensorError as error:
            raise _cannot_write(file, error) from error


def load_tensors(path: StrPath) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file, ours or another program's.

    Tensors are read one by one into memory of their own on the CPU, so that a file that changes
    later changes none of them.

    Args:
        path: The file to read; ends in `.safetensors`.

    Returns:
        The tensors by name (tied ones are one tensor under several names), and the metadata.

    Raises:
        FileMissingError: If it is not there; names the file with the nearest name.
        UsageError: If it is no safetensors file, or a damaged one.
    """
    file = _with_ending(existing_file(path))
    try:
        with safe_open(file, framework="pt") as content:
            notes: dict[str, str] = dict(content.metadata() or {})
            tensors = {name: content.get_tensor(name).clone() for name in content.keys()}  # noqa: SIM118 (the file is no mapping)
    except SafetensorError as error:
        raise UsageError(f"{file} cannot be read: {_diagnosis(file, error)}") from error
    if _KEY not in notes:
        return tensors, notes
    try:
        own = json.loads(notes[_KEY])
        tied = {alias: tensors[name] for alias, name in own["ties"].items()}
        return tensors | tied, dict(own["metadata"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file} cannot be read: its {_KEY!r} metadata is damaged") from error


def _with_ending(path: StrPath) -> Path:
    file = Path(path)
    if file.suffix == _ENDING:
        return file
    better = file.with_suffix(_ENDING).name
    if file.suffix in _PICKLES:
        raise UsageError(
            f"{file} ends in {file.suffix}, which stands for pickled files: loading one can run "
            f"any code, so none is read or written; use {better!r}"
        )
    got = f"ends in {file.suffix}" if file.suffix else "has no ending"
    raise UsageError(f"{file} {got}; tensor files end in {_ENDING}: use {better!r}")


def _check(file: Path, tensors: Mapping[str, torch.Tensor], notes: Mapping[str, str]) -> None:
    # Widened on purpose: the annotations promise what is checked here.
    values: dict[object, object] = dict(tensors.items())
    texts: dict[object, object] = dict(notes.items())
    problems = Problems(f"save_tensors({str(file)!r})")
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
    for key, text in texts.items():
        if not isinstance(key, str) or not isinstance(text, str):
            problems.add(f"metadata {key!r}: {text!r} is not text under a text key", of_type=True)
    problems.raise_if_any()


def _find_ties(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Return for every tensor that is the same memory as an earlier one that one's name."""
    ties: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    for name, tensor in tensors.items():
        layout = (tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)
        read_as = (tensor.is_conj(), tensor.is_neg())
        # Tensors without elements all live at address 0 and are not tied to each other.
        if tensor.numel():
            first = seen.setdefault((*_memory(tensor), *layout, *read_as), name)
            if first != name:
                ties[name] = first
    return ties


def _apart(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors in memory of their own, as the library wants them; most are not copied."""
    apart: dict[str, torch.Tensor] = {}
    taken: set[tuple[torch.device, int]] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().resolve_conj().resolve_neg().contiguous()
        if _memory(value) in taken:
            value = value.clone()
        taken.add(_memory(value))
        apart[name] = value
    return apart


def _memory(tensor: torch.Tensor) -> tuple[torch.device, int]:
    return tensor.device, tensor.untyped_storage().data_ptr()


def _cannot_write(file: Path, error: SafetensorError) -> StorageError:
    found = re.search(r"(.*)\(os error (\d+)\)", str(error))
    reason, number = (found[1].strip(), int(found[2])) if found else (str(error), errno.EIO)
    text = f"cannot write {file}: {reason}; what was there before is untouched"
    return StorageError(number, text)


def _diagnosis(file: Path, error: SafetensorError) -> str:
    """Return what is most likely wrong with a file the library refused, and its own words."""
    size = file.stat().st_size
    with open(file, "rb") as content:
        start = content.read(8)
    header = int.from_bytes(start, "little")
    if size == 0:
        return "it is empty (0 bytes); use an earlier file"
    if start.startswith((b"PK", b"\x80")):
        return (
            f"it is a pickled torch file with a {_ENDING} name; it could run code and is not read"
        )
    if size > 8 and header > 100_000_000:
        return f"it is not a safetensors file ({error})"
    if size < 8 + header or "not fully covered" in str(error):
        return f"it was cut short at {size:,} bytes ({error}); use an earlier file"
    return f"it is not a safetensors file, or damaged ({error})"
