"""Writes HDF5 files, whole or not at all."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from epochal.storage.atomic import StrPath, atomic_path, free_space_check

if TYPE_CHECKING:
    import h5py

__all__ = ["write_hdf5"]


def write_hdf5(
    path: StrPath,
    fill: "Callable[[h5py.File], Any]",
    *,
    size: int = 0,
    make_folder: bool = False,
) -> None:
    """Write an HDF5 file, atomically; the same content gives the same bytes.

    Args:
        path: The file to write.
        fill: Called with the open file, an `h5py.File`, to write into it.
        size: How many bytes the arrays have together, as far as that is known: the disk is asked
            for them before anything is written.
        make_folder: Make the missing folders above `path` instead of refusing.

    Raises:
        UsageError: If the folder is missing.
        StorageError: If the machine cannot write; the old file is untouched then.

    Example:
        >>> import tempfile
        >>> write_hdf5(f"{tempfile.mkdtemp()}/a.h5", lambda root: root.create_group("layers"))
    """
    import h5py  # a tenth of a second, for those who write such files

    free_space_check(path, size)
    # "earliest": readable by every version of HDF5, and by `open_hdf5`.
    with (
        atomic_path(path, make_folder=make_folder) as temporary,
        h5py.File(temporary, "w", libver="earliest") as root,
    ):
        fill(root)
