"""JSON files that read back as what was written."""

import json
import math
from typing import Any, Never

from epochal.core.errors import Problems, UsageError
from epochal.core.trees import leaves_with_paths
from epochal.storage.atomic import StrPath, atomic_write, existing_file

__all__ = ["read_json", "write_json"]


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
        UsageError: If it is not JSON in UTF-8, or holds NaN or infinity.
    """
    file = existing_file(path)
    try:
        return json.loads(file.read_bytes(), parse_constant=_refuse_constant)
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError and our own refusal
        raise UsageError(
            f"{file} is not a whole JSON file: {error}; it may be damaged or of another kind"
        ) from error


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")


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
