"""JSON files that read back as what was written."""

import json
import math
from typing import Any

from epochal.core.errors import Problems, UsageError
from epochal.core.trees import leaves_with_paths
from epochal.storage.atomic import StrPath, atomic_write, existing_file
from epochal.storage.strict_json import parse_json

__all__ = ["read_json", "write_json"]

# Files of one's own, such as the history of a long run, may be larger than a model's description.
_MAX_BYTES = 256 * 2**20
_MAX_VALUES = 20_000_000


def write_json(path: StrPath, obj: Any, *, make_folder: bool = False) -> None:
    """Write `obj` as a JSON file, atomically.

    Use it for configurations, histories and states. Tuples become lists; anything else that would
    not read back as it was is refused before a byte is written.

    Args:
        path: The file to write.
        obj: Dicts with text keys, lists, tuples, text, finite numbers, booleans and `None`.
        make_folder: Make the missing folders above `path` instead of refusing.

    Raises:
        UsageError: If `obj` holds NaN or infinity, which JSON cannot say.
        UsageTypeError: If `obj` holds another kind of value or a key that is not text.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_json(f"{folder}/state.json", {"epoch": 3, "loss": 0.5})
        ...     read_json(f"{folder}/state.json")
        {'epoch': 3, 'loss': 0.5}
    """
    problems = Problems(f"write_json({str(path)!r})")
    _check_keys(problems, obj, "")
    for where, leaf in leaves_with_paths(obj):
        at = f"the value at {where}" if where else "the value"
        if isinstance(leaf, float) and not math.isfinite(leaf):
            problems.add(f"{at} is {leaf}, which JSON cannot hold; write None or text instead")
        elif not isinstance(leaf, (str, int, float)):
            kind = type(leaf).__name__
            problems.add(f"{at} is of type {kind}, which JSON cannot hold", of_type=True)
    problems.raise_if_any()
    text = json.dumps(obj, allow_nan=False, ensure_ascii=False, indent=1)
    with atomic_write(path, make_folder=make_folder) as file:
        file.write(text.encode() + b"\n")


def read_json(path: StrPath) -> Any:
    """Return what a JSON file holds.

    Args:
        path: The file to read.

    Raises:
        FileMissingError: If it is not there; names the file with the nearest name.
        UsageError: If it is not JSON in UTF-8, holds NaN, infinity or a key twice, or has more than
            256 MiB or 20 million values.
    """
    file = existing_file(path)
    size = file.stat().st_size
    if size > _MAX_BYTES:
        raise UsageError(f"{file} has {size:,} bytes; at most {_MAX_BYTES:,} are read as JSON")
    return parse_json(file.read_bytes(), str(file), max_bytes=_MAX_BYTES, max_values=_MAX_VALUES)


def _check_keys(problems: Problems, obj: Any, where: str) -> None:
    if isinstance(obj, dict):
        for key, item in obj.items():
            if not isinstance(key, str):
                at = f" at {where}" if where else ""
                problems.add(
                    f"the key {key!r}{at} is of type {type(key).__name__} and would read back "
                    "as text; make it text",
                    of_type=True,
                )
            _check_keys(problems, item, f"{where}[{key!r}]")
    elif isinstance(obj, (list, tuple)):
        for index, item in enumerate(obj):
            _check_keys(problems, item, f"{where}[{index}]")
