"""The tensors of an open file: looked over and verified first, and read one by one then."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from epochal.core.errors import UsageError
from epochal.storage.digests import hash_all, hash_of_header, hash_stretches
from epochal.storage.spans import Span
from epochal.storage.strict_json import parse_json
from epochal.storage.tensor_bytes import DTYPES, KEY, bytes_of
from epochal.storage.tensor_header import TensorEntry, read_header

__all__ = ["StoredTensors", "read_entries"]


class StoredTensors(Mapping[str, Tensor]):
    """The tensors of a safetensors file by name; each is read when it is asked for, and not kept.

    Args:
        span: The file, open for as long as the tensors are read.

    Raises:
        UsageError: If it is no safetensors file, or its header is damaged. Values are checked by
            `verify`, which has to come before the first of them is used.
    """

    def __init__(self, span: Span) -> None:
        self._span = span
        self._entries, notes = read_header(span)
        own = _own_notes(span, self._entries, notes)
        self._hashes = own.hashes
        self._ties = own.ties
        by_name = {entry.name: entry for entry in self._entries}
        self._by_name = by_name | {alias: by_name[name] for alias, name in own.ties.items()}
        self.metadata = own.metadata
        """The text kept beside the tensors."""

    @property
    def hashed(self) -> bool:
        """Whether the file says what its tensors' hashes are, as ours do."""
        return self._hashes is not None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's shape, tied ones under each of their names."""
        return {name: entry.shape for name, entry in self._by_name.items()}

    def dtype(self, name: str) -> torch.dtype:
        """Return what kind of numbers a tensor holds."""
        return DTYPES[self._by_name[name].dtype]

    def first_name(self, name: str) -> str:
        """Return the one name that tensors which were the same memory have in common."""
        return self._by_name[name].name

    def verify(self) -> None:
        """Check the values of all tensors, one piece after the other; nothing is kept in memory.

        Raises:
            UsageError: If a bit is not what was written. Files of other programs do not tell.
            StorageError: If the machine cannot read.
        """
        if self._hashes is not None:
            places = [(entry.offset, entry.nbytes) for entry in self._entries]
            for entry, found in zip(self._entries, hash_stretches(self._span, places), strict=True):
                self._check(entry, found)

    def read_checked(self) -> dict[str, Tensor]:
        """Return all tensors, each checked as it was read; tied ones are one tensor.

        Raises:
            UsageError: If a bit is not what was written.
        """
        tensors: dict[str, Tensor] = {}

        def values() -> Iterator[memoryview]:
            for entry in self._entries:
                tensors[entry.name] = self[entry.name]
                yield bytes_of(tensors[entry.name])

        if self._hashes is None:
            for _ in values():
                pass
        else:
            for entry, found in zip(self._entries, hash_all(values()), strict=True):
                self._check(entry, found)
        return tensors | {alias: tensors[name] for alias, name in self._ties.items()}

    @torch.no_grad()
    def read_into(self, name: str, target: Tensor) -> None:
        """Write a tensor over one of the same shape, whatever its type, layout and device.

        Where these are the file's, its bytes go straight there; else one tensor is held between.
        """
        entry = self._by_name[name]
        if _takes_bytes(target, DTYPES[entry.dtype]):
            self._span.read_into(entry.offset, bytes_of(target.detach()))
            increment_version(target)  # so that a backward pass notices, as after any other change
        else:
            target.copy_(self[name])

    def __getitem__(self, name: str) -> Tensor:
        entry = self._by_name[name]
        tensor = torch.empty(entry.shape, dtype=DTYPES[entry.dtype], device="cpu")
        self._span.read_into(entry.offset, bytes_of(tensor))
        return tensor

    def __contains__(self, name: object) -> bool:
        return name in self._by_name  # without reading it, as a mapping would by itself

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def _check(self, entry: TensorEntry, found: str) -> None:
        if self._hashes is not None and self._hashes[entry.name] != found:
            raise _damaged(self._span, f"the values of {entry.name!r} are not what was written")


def _takes_bytes(target: Tensor, dtype: torch.dtype) -> bool:
    """Return whether a tensor's memory is what a file's bytes of it are."""
    return (
        type(target) in (Tensor, torch.nn.Parameter)
        and target.device.type == "cpu"
        and target.dtype == dtype
        and target.layout == torch.strided
        and target.is_contiguous()
        and not (target.is_conj() or target.is_neg() or target.is_inference())
    )


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
