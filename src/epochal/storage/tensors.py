"""Tensors by name in safetensors files: loading one never runs code."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from epochal.core.errors import Problems, UsageError
from epochal.storage.atomic import StrPath, atomic_write, existing_file, free_space_check
from epochal.storage.spans import Span, open_span
from epochal.storage.stored_tensors import StoredTensors
from epochal.storage.tensor_bytes import TensorBytes, check_tensors, find_ties

__all__ = ["load_tensors", "open_tensors", "save_tensors"]

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
    with open_tensors(path) as stored:
        return stored.read_checked(), stored.metadata


@contextmanager
def open_tensors(path: StrPath | Span) -> Iterator[StoredTensors]:
    """Open a safetensors file whose tensors are compared and verified first, and then read singly.

    Use it where weights have a place already: no second copy of them all is ever in memory.

    Args:
        path: The file to read; ends in `.safetensors`. Or a member of an archive.

    Raises:
        FileMissingError: If it is not there; names the file with the nearest name.
        UsageError: If it is no safetensors file, or its header is damaged.

    Example:
        >>> import tempfile
        >>> file = f"{tempfile.mkdtemp()}/a.safetensors"
        >>> save_tensors(file, {"w": torch.ones(2)})
        >>> weights = torch.zeros(2)
        >>> with open_tensors(file) as stored:
        ...     stored.verify()
        ...     stored.read_into("w", weights)
        >>> weights
        tensor([1., 1.])
    """
    with open_span(path if isinstance(path, Span) else _with_ending(existing_file(path))) as span:
        yield StoredTensors(span)


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
