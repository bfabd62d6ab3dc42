"""Looking at a folder of checkpoints, whoever writes there."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from epochal.core.errors import EpochalError, UsageError
from epochal.storage.atomic import StorageError, StrPath
from epochal.storage.checkpoint_files import (
    Manifest,
    Skipped,
    name_of,
    read_manifest,
    sequence_of,
    verify_files,
)
from epochal.storage.disk import disk
from epochal.storage.sealed import DamagedError

__all__ = ["list_checkpoints", "sequences_in", "storage_words"]


def list_checkpoints(folder: StrPath, *, verify: bool = False) -> list[Manifest | Skipped]:
    """Return what checkpoints a folder holds, oldest first; for looking, whoever writes there.

    Args:
        folder: The folder.
        verify: Whether all files are read and compared, too, and not the manifests alone.

    Raises:
        UsageError: If there is no such folder.
        StorageError: If the machine cannot read it.

    Example:
        >>> import tempfile
        >>> list_checkpoints(tempfile.mkdtemp())
        []
    """
    path = Path(folder)
    if not path.is_dir():
        raise UsageError(f"{path} is no folder; give the one that a run saves its checkpoints in")
    found: list[Manifest | Skipped] = []
    with storage_words("read", path):
        for sequence in sequences_in(path):
            one = path / name_of(sequence)
            try:
                manifest = read_manifest(one)
                if verify:
                    verify_files(one, manifest)
                found.append(manifest)
            except DamagedError as error:
                if one.exists():  # else it was rotated away meanwhile
                    found.append(Skipped(one.name, str(error)))
    return found


def sequences_in(folder: Path) -> list[int]:
    """Return the numbers of the checkpoints in a folder, damaged ones too, ascending."""
    found = (sequence_of(name) for name in disk().names(folder))
    return sorted(sequence for sequence in found if sequence is not None)


@contextlib.contextmanager
def storage_words(verb: str, path: Path, ending: str = "") -> Iterator[None]:
    """Let an error of the machine say what could not be done, where, and what is left."""
    try:
        yield
    except OSError as error:
        if isinstance(error, EpochalError):
            raise
        reason = error.strerror or str(error)
        raise StorageError(
            error.errno or errno.EIO, f"cannot {verb} {path}: {reason}{ending}"
        ) from error
