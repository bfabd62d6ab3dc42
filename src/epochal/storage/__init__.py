"""The only place that writes files: whole or not at all, durable, and never pickled.

A file is written aside, flushed, fsynced and renamed, and its folder is fsynced: whoever is cut
off in between, by a crash or a full disk, leaves the old file as it was.
"""

from epochal.storage.atomic import (
    FileMissingError,
    StorageError,
    atomic_path,
    atomic_write,
    free_space_check,
)
from epochal.storage.json_files import read_json, write_json
from epochal.storage.lines import LineFile
from epochal.storage.tensors import load_tensors, save_tensors

__all__ = [
    "FileMissingError",
    "LineFile",
    "StorageError",
    "atomic_path",
    "atomic_write",
    "free_space_check",
    "load_tensors",
    "read_json",
    "save_tensors",
    "write_json",
]
