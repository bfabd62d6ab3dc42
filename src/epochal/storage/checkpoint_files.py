"""What a checkpoint is on the disk: a folder with tensors, a state, and a manifest of both."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from epochal.core.errors import Problems, UsageError
from epochal.storage.disk import DiskFile, write_all
from epochal.storage.exact_json import decode_exact, encode_exact
from epochal.storage.sealed import DamagedError, read_checked, seal, unseal
from epochal.storage.tensor_bytes import TensorBytes, check_tensors, decode_tensors

__all__ = [
    "MANIFEST", "STATE", "TENSORS", "Checkpoint", "FileRecord", "Manifest", "Skipped",
    "aside_name", "encode_checkpoint", "leftover_of", "name_of", "read_checkpoint", "read_manifest",
    "sequence_of", "verify_files", "write_recorded",
]  # fmt: skip

MANIFEST, TENSORS, STATE = "manifest.json", "tensors.safetensors", "state.json"
_FORMAT = 1
_NAME = re.compile(r"ckpt-([0-9]{8,15})")
_ASIDE = re.compile(r"\.ckpt-([0-9]{8,15})\.([0-9a-f]{8})\.(?:partial|removed)")


class FileRecord(NamedTuple):
    """What a file of a checkpoint has to be."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says of itself.

    Args:
        sequence: Its place in the order of the run's checkpoints; never used twice in a folder.
        run_id: The run it belongs to, 32 hexadecimal digits.
        saved_at: When it was saved, in UTC: "2026-05-01T12:03:41Z". For people; nothing is ordered
            by it.
        position: Where the run stood, in one line: "epoch 17, batch 340".
        files: The files it is made of.
    """

    sequence: int
    run_id: str
    saved_at: str
    position: str
    files: tuple[FileRecord, ...]

    @property
    def name(self) -> str:
        """The folder's name."""
        return name_of(self.sequence)

    @property
    def size(self) -> int:
        """How many bytes its files have together."""
        return sum(file.size for file in self.files)

    def encode(self) -> bytes:
        """Return the file's content, with its own hash."""
        files = [file._asdict() for file in self.files]
        return seal({"format": _FORMAT} | vars(self) | {"files": files}, "the manifest")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read, and is bit for bit what was saved.

    Args:
        manifest: What it says of itself.
        tensors: The tensors by name, on the CPU, in memory of their own.
        state: The state, as it was given.
    """

    manifest: Manifest
    tensors: dict[str, torch.Tensor]
    state: Any


class Skipped(NamedTuple):
    """A checkpoint that cannot be used, and why."""

    name: str
    reason: str


def name_of(sequence: int) -> str:
    """Return the name of a checkpoint's folder."""
    return f"ckpt-{sequence:08d}"


def sequence_of(name: str) -> int | None:
    """Return the number in a checkpoint's name, `None` if it is something else's."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match and name == name_of(int(match[1])) else None


def aside_name(sequence: int, run_id: str, kind: str) -> str:
    """Return the name of a folder that is on its way: `partial` to be one, `removed` to be none."""
    return f".{name_of(sequence)}.{run_id[:8]}.{kind}"


def leftover_of(name: str) -> tuple[int, str] | None:
    """Return number and run (its first 8 digits) of a folder on its way, `None` if it is none."""
    match = _ASIDE.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


def encode_checkpoint(tensors: Mapping[str, torch.Tensor], state: Any) -> tuple[TensorBytes, bytes]:
    """Return what a checkpoint's files will hold; the tensors are read when they are written.

    Raises:
        UsageError: If something cannot be stored.
    """
    problems = Problems("CheckpointStore.save")
    check_tensors(problems, tensors)
    problems.raise_if_any()
    return TensorBytes(tensors), encode_exact(state, "the state")


def write_recorded(path: Path, pieces: Iterable[bytes | memoryview]) -> FileRecord:
    """Write a new file durably, hashing it on its way. After an error it is to be thrown away."""
    hashed, size = hashlib.sha256(), 0
    with DiskFile(path, os.O_CREAT | os.O_EXCL) as file:
        for piece in pieces:
            write_all(file.fileno(), piece)
            hashed.update(piece)
            size += len(piece)
        file.sync()
    return FileRecord(path.name, size, hashed.hexdigest())


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a checkpoint's folder.

    Raises:
        DamagedError: If it is missing or damaged, or that of another folder.
        UsageError: If a newer version of epochal wrote it.
        StorageError: If the machine cannot read it for a reason that is not the file's.
    """
    found = unseal(read_checked(folder / MANIFEST, keep=True), MANIFEST)
    try:
        if found["format"] != _FORMAT:
            raise UsageError(
                f"{folder} has format {found['format']!r}, and this version of epochal knows "
                f"{_FORMAT}; use a newer one"
            )
        manifest = Manifest(
            int(found["sequence"]),
            str(found["run_id"]),
            str(found["saved_at"]),
            str(found["position"]),
            tuple(FileRecord(**file) for file in found["files"]),
        )
        names = [file.name for file in manifest.files]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise DamagedError(f"{MANIFEST} is not one of ours: {error!r}") from error
    if names != [TENSORS, STATE]:  # names in a file never become paths
        raise DamagedError(f"{MANIFEST} names the files {names}")
    if manifest.name != folder.name:
        raise DamagedError(f"its manifest is that of {manifest.name}: it was renamed or mixed up")
    return manifest


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Read every file and compare it with what the manifest says.

    Raises:
        DamagedError: If one differs.
        StorageError: If the machine cannot read one for a reason that is not the file's.
    """
    for file in manifest.files:
        read_checked(folder / file.name, keep=False, size=file.size, sha256=file.sha256)


def read_checkpoint(folder: Path, manifest: Manifest) -> Checkpoint:
    """Read a checkpoint; what is returned is what was hashed, not a second look at the file.

    Raises:
        DamagedError: If it is not what was saved.
        StorageError: If the machine cannot read it for a reason that is not the file's.
    """
    tensors, state = (
        read_checked(folder / file.name, keep=True, size=file.size, sha256=file.sha256)
        for file in manifest.files
    )
    try:
        return Checkpoint(manifest, decode_tensors(tensors, TENSORS)[0], decode_exact(state, STATE))
    except UsageError as error:  # somebody made it so, with the right hashes
        raise DamagedError(str(error)) from error
