"""Tensors by name in safetensors files: loading one never runs code."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from epochal.core.errors import Problems, UsageError
from epochal.storage.atomic import StrPath, atomic_write, existing_file, free_space_check
from epochal.storage.digests import hash_all, hash_of_header
from epochal.storage.spans import Span, open_span
from epochal.storage.strict_json import parse_json
from epochal.storage.tensor_bytes import (
    DTYPES,
    KEY,
    TensorBytes,
    bytes_of,
    check_tensors,
    find_ties,
)
from epochal.storage.tensor_header import TensorEntry, read_header

__all__ = ["load_tensors", "read_entries", "save_tensors"]

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
    ties = find_ties(tensors)
    kept = [tensor for name, tensor in tensors.items() if name not in ties]
    free_space_check(file, sum(tensor.numel() * tensor.element_size() for tensor in kept))
    content = TensorBytes(tensors, notes, hashed=True)
    with atomic_write(file, make_folder=make_folder) as written:
        for piece in content.pieces():
            written.write(piece)


def load_tensors(path: StrPath | Span) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file, ours or another program's.

    The header is checked before memory is taken. In our own files, a single bit that has changed
    is an error.

    Args:
        path: The file to read; ends in `.safetensors`. Or a member of an archive.

    Returns:
        The tensors by name (tied ones are one tensor under several names), on the CPU, and the
        metadata.

    Raises:
        FileMissingError: If it is not there; names the file with the nearest name.
        UsageError: If it is no safetensors file, or a damaged one.
    """
    with open_span(path if isinstance(path, Span) else _with_ending(existing_file(path))) as span:
        entries, notes = read_header(span)
        own = _own_notes(span, entries, notes)
        tensors: dict[str, torch.Tensor] = {}

        def values() -> Iterator[memoryview]:
            for entry in entries:
                tensor = torch.empty(entry.shape, dtype=DTYPES[entry.dtype])
                span.read_into(entry.offset, bytes_of(tensor))
                tensors[entry.name] = tensor
                yield bytes_of(tensor)

        expected = own.hashes
        if expected is None:
            for _ in values():
                pass
        else:
            for entry, found in zip(entries, hash_all(values()), strict=True):
                if expected[entry.name] != found:
                    raise _damaged(span, f"the values of {entry.name!r} are not what was written")
        return tensors | {alias: tensors[name] for alias, name in own.ties.items()}, own.metadata


def read_entries(span: Span) -> tuple[list[TensorEntry], dict[str, str]]:
    """Return what a file says of its tensors, and its metadata; no tensor is read.

    Raises:
        UsageError: If it is no safetensors file, or its header is damaged.
    """
    entries, notes = read_header(span)
    return entries, _own_notes(span, entries, notes).metadata


class _Own(NamedTuple):
    """What our own files say beside their tensors."""

    metadata: dict[str, str]
    ties: dict[str, str]
    hashes: dict[str, str] | None


def _own_notes(span: Span, entries: Sequence[TensorEntry], notes: dict[str, str]) -> _Own:
    """Return what our own metadata says, checked; of another program's file, its metadata."""
    if KEY not in notes:
        if any(note.startswith('{"metadata": ') for note in notes.values()):
            raise _damaged(span, f"its {KEY!r} metadata stands under another name")
        return _Own(notes, {}, None)
    what = f"its {KEY!r} metadata is damaged"
    own = parse_json(notes[KEY], f"the {KEY!r} metadata of {span.what}")
    if not isinstance(own, dict) or not {"metadata", "ties"} <= set(own) or len(notes) > 1:
        raise _damaged(span, what)
    names = {entry.name for entry in entries}
    metadata, ties = _texts(own["metadata"]), _texts(own["ties"])
    if metadata is None or ties is None or not names.issuperset(ties.values()) or names & set(ties):
        raise _damaged(span, what)
    if set(own) == {"metadata", "ties"}:  # written before there were hashes
        return _Own(metadata, ties, None)
    hashes = own.get("sha256")
    if len(own) != 3 or not isinstance(hashes, dict) or set(hashes) != {"header", "tensors"}:
        raise _damaged(span, what)
    of_tensors = _texts(hashes["tensors"])
    kinds = {entry.name: (entry.dtype, entry.shape) for entry in entries}
    if (
        of_tensors is None
        or set(of_tensors) != names
        or hashes["header"] != hash_of_header(kinds, metadata, ties)
    ):
        raise _damaged(span, "its header is not what was written")
    return _Own(metadata, ties, of_tensors)


def _texts(value: object) -> dict[str, str] | None:
    if isinstance(value, dict) and all(isinstance(text, str) for text in value.values()):
        return value
    return None


def _damaged(span: Span, reason: str) -> UsageError:
    return UsageError(f"{span.what} is damaged: {reason}; use an earlier file")


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
