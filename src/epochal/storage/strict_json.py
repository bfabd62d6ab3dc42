"""JSON from files that strangers sent: one meaning, bounded size, bounded depth."""

import json
import math
import re
from typing import Any, Never

from epochal.core.errors import UsageError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "parse_json"]

# A Keras model of 900 layers is described in 1 MB, 60,000 values, depth 10; each model inside of a
# model adds 4 to the depth.
MAX_BYTES = 16 * 2**20
MAX_DEPTH = 128
MAX_VALUES = 1_000_000
_MAX_DIGITS = 40  # the state of a 128-bit random generator has 39; Python itself reads 4,300

# Possessive (`*+`): a text of many escapes must not be remembered step by step.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)


def parse_json(
    data: bytes | str,
    what: str,
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    max_values: int = MAX_VALUES,
) -> Any:
    """Return what JSON text says, if it says one thing only and stays within bounds.

    Use it for every piece of JSON that comes out of a file. Python's own parser takes NaN, numbers
    beyond all bounds and keys given twice, of which another program may see the other value.

    Args:
        data: The text, or its bytes in UTF-8.
        what: Whose text it is, for errors ("config.json of 'm.keras'").
        max_bytes: The longest text, in bytes (of a `str`: characters).
        max_depth: How many lists and dicts may lie in each other.
        max_values: How many values there may be, lists and dicts included.

    Raises:
        UsageError: If it is no JSON, holds a key twice, NaN, infinity, an integer of more than 40
            digits or half of a surrogate pair, or is larger or deeper than allowed.

    Example:
        >>> parse_json(b'{"units": 3}', "the config")
        {'units': 3}
        >>> parse_json('{"units": 3, "units": 4}', "the config")
        Traceback (most recent call last):
            ...
        epochal.core.errors.UsageError: the config is refused: the key 'units' stands there twice
    """
    if len(data) > max_bytes:
        raise UsageError(
            f"{what} is refused: it has {len(data):,} bytes, and at most {max_bytes:,} are read"
        )
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        _check_bounds(text, max_depth, max_values)
        value = json.loads(
            text,
            object_pairs_hook=_dict,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse_constant,
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except _RefusedError as error:
        raise UsageError(f"{what} is refused: {error}") from error
    except UnicodeEncodeError as error:
        raise UsageError(f"{what} is refused: it holds half of a surrogate pair") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{what} is not whole JSON ({error}): damaged, or another kind of file"
        ) from error
    return value


class _RefusedError(ValueError):
    """JSON that other parsers may take."""


def _check_bounds(text: str, max_depth: int, max_values: int) -> None:
    """Count before anything is built: of `[[[[...` each byte would become a list."""
    depth = values = 0
    for match in _TOKEN.finditer(text):
        character = text[match.start()]
        if character in "[{,":
            values += 1
            if values > max_values:
                raise _RefusedError(f"it holds more than {max_values:,} values")
        if character in "[{":
            depth += 1
            if depth > max_depth:
                raise _RefusedError(f"it is nested deeper than {max_depth} levels")
        elif character in "]}":
            depth -= 1


def _dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _RefusedError(f"the key {_short(twice)} stands there twice")
    return made


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _RefusedError(f"an integer has {len(text):,} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _RefusedError(f"the number {_short(text)} is beyond all bounds")
    return value


def _refuse_constant(name: str) -> Never:
    raise _RefusedError(f"{name} is not a JSON number")


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else repr(text[:60]) + "..."
