"""The only place that writes files: whole or not at all, durable, and never pickled.

A file is written aside, flushed, fsynced and renamed, and its folder is fsynced: whoever is cut
off in between, by a crash or a full disk, leaves the old file as it was.
"""

from epochal.storage.archives import Archive, open_archive, write_archive
from epochal.storage.atomic import (
    FileMissingError,
    StorageError,
    atomic_path,
    atomic_write,
    free_space_check,
)
from epochal.storage.json_files import read_json, write_json
from epochal.storage.lines import LineFile
from epochal.storage.strict_json import parse_json
from epochal.storage.tensors import load_tensors, save_tensors

__all__ = [
    "Archive",
    "FileMissingError",
    "LineFile",
    "StorageError",
    "atomic_path",
    "atomic_write",
    "free_space_check",
    "load_tensors",
    "open_archive",
    "parse_json",
    "read_json",
    "save_tensors",
    "write_archive",
    "write_json",
]
