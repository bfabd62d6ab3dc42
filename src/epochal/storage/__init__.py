"""The only place that writes files: whole or not at all, durable, and never pickled.

A file is written aside, flushed, fsynced and renamed, and its folder is fsynced: whoever is cut
off in between, by a crash or a full disk, leaves the old file as it was.
"""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
    from epochal.storage.archives import Archive, open_archive, write_archive
    from epochal.storage.async_saver import AsyncSaver
    from epochal.storage.atomic import (
        FileMissingError,
        StorageError,
        atomic_path,
        atomic_write,
        free_space_check,
        remove_leftovers,
    )
    from epochal.storage.checkpoint_files import Checkpoint, Manifest, Skipped
    from epochal.storage.checkpoint_list import list_checkpoints
    from epochal.storage.checkpoints import CheckpointStore
    from epochal.storage.hdf5 import H5Dataset, H5Group, open_hdf5, write_hdf5
    from epochal.storage.json_files import read_json, write_json
    from epochal.storage.lines import LineFile, LineMark, cut_lines
    from epochal.storage.stored_tensors import StoredTensors
    from epochal.storage.strict_json import parse_json
    from epochal.storage.tensors import load_tensors, open_tensors, save_tensors

__all__ = [
    "Archive",
    "AsyncSaver",
    "Checkpoint",
    "CheckpointStore",
    "FileMissingError",
    "H5Dataset",
    "H5Group",
    "LineFile",
    "LineMark",
    "Manifest",
    "Skipped",
    "StorageError",
    "StoredTensors",
    "atomic_path",
    "atomic_write",
    "cut_lines",
    "free_space_check",
    "list_checkpoints",
    "load_tensors",
    "open_archive",
    "open_hdf5",
    "open_tensors",
    "parse_json",
    "read_json",
    "remove_leftovers",
    "save_tensors",
    "write_archive",
    "write_hdf5",
    "write_json",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.storage.archives": "Archive open_archive write_archive",
            "epochal.storage.async_saver": "AsyncSaver",
            "epochal.storage.atomic": (
                "FileMissingError StorageError atomic_path atomic_write free_space_check "
                "remove_leftovers"
            ),
            "epochal.storage.checkpoint_files": "Checkpoint Manifest Skipped",
            "epochal.storage.checkpoint_list": "list_checkpoints",
            "epochal.storage.checkpoints": "CheckpointStore",
            "epochal.storage.hdf5": "H5Dataset H5Group open_hdf5 write_hdf5",
            "epochal.storage.json_files": "read_json write_json",
            "epochal.storage.lines": "LineFile LineMark cut_lines",
            "epochal.storage.stored_tensors": "StoredTensors",
            "epochal.storage.strict_json": "parse_json",
            "epochal.storage.tensors": "load_tensors open_tensors save_tensors",
        },
    )
