"""Tensors by name in safetensors files: loading one never runs code."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from epochal.core.errors import Problems, UsageError
from epochal.storage.atomic import StrPath, atomic_write, existing_file, free_space_check
from epochal.storage.tensor_bytes import KEY, TensorBytes, check_tensors

__all__ = ["load_tensors", "save_tensors"]

_ENDING = ".safetensors"
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin")


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
    content = TensorBytes(tensors, notes)
    free_space_check(file, content.size)
    with atomic_write(file, make_folder=make_folder) as written:
        for piece in content.pieces():
            written.write(piece)


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
    if KEY not in notes:
        return tensors, notes
    try:
        own = json.loads(notes[KEY])
        tied = {alias: tensors[name] for alias, name in own["ties"].items()}
        return tensors | tied, dict(own["metadata"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file} cannot be read: its {KEY!r} metadata is damaged") from error


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
    problems = Problems(f"save_tensors({str(file)!r})")
    check_tensors(problems, tensors)
    # Widened on purpose: the annotation promises what is checked here.
    texts: dict[object, object] = dict(notes.items())
    for key, text in texts.items():
        if not isinstance(key, str) or not isinstance(text, str):
            problems.add(f"metadata {key!r}: {text!r} is not text under a text key", of_type=True)
    problems.raise_if_any()


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
