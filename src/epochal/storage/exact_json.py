"""JSON from which exactly what was written comes back: tuples, NaN and infinity too."""

import json
import math
from typing import Any

from epochal.core.errors import UsageError, UsageTypeError
from epochal.storage.strict_json import MAX_BYTES, MAX_DEPTH, MAX_VALUES, parse_json

__all__ = ["decode_exact", "encode_exact"]

_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_MAX_DEPTH = MAX_DEPTH // 2 - 1  # a tuple takes two levels


def encode_exact(value: Any, what: str) -> bytes:
    """Return a value as JSON text that `decode_exact` makes into an equal value of the same types.

    What JSON cannot say is written as a dict with one key: `{"$tuple": [...]}`,
    `{"$float": "nan"}`; a dict of the user's that looks like one becomes `{"$dict": {...}}`.

    Args:
        value: Dicts with text keys, lists, tuples, text, numbers, booleans and `None`.
        what: Whose value it is, for errors.

    Raises:
        UsageTypeError: If it holds something else.
        UsageError: If it is larger or deeper than what is read back, or text is half a pair.

    Example:
        >>> decode_exact(encode_exact({"best": float("inf"), "at": (1, 2)}, "the state"), "it")
        {'best': inf, 'at': (1, 2)}
    """
    text = json.dumps(_plain(value, what), allow_nan=False, ensure_ascii=False)
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{what} holds half of a surrogate pair, which is no text") from error
    # At most so many; commas inside of text count too.
    values = data.count(b",") + data.count(b"[") + data.count(b"{")
    if len(data) > MAX_BYTES or values > MAX_VALUES:
        raise UsageError(
            f"{what} is too large for JSON ({len(data):,} bytes, {values:,} values); keep long "
            "series in tensors"
        )
    return data


def decode_exact(data: bytes | bytearray, what: str) -> Any:
    """Return what `encode_exact` wrote.

    Raises:
        UsageError: If it did not write that.
    """
    return _exact(parse_json(bytes(data), what), what)


def _plain(value: Any, at: str, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        raise UsageError(f"{at[:100]}... lies deeper than {_MAX_DEPTH} levels")
    if type(value) is dict:
        for key in value:
            if type(key) is not str:
                raise UsageTypeError(f"{at} has the key {key!r}, which is no text")
        made = {key: _plain(item, f"{at}[{key!r}]", depth + 1) for key, item in value.items()}
        return {"$dict": made} if len(made) == 1 and next(iter(made))[:1] == "$" else made
    if type(value) is list or type(value) is tuple:
        items = [_plain(item, f"{at}[{index}]", depth + 1) for index, item in enumerate(value)]
        return items if type(value) is list else {"$tuple": items}
    if type(value) is float and not math.isfinite(value):
        return {"$float": repr(value)}
    if type(value) is int and abs(value) >= 10**39:
        raise UsageError(f"{at} is an integer of more than 39 digits; write it as text")
    # Subclasses (NumPy's numbers, enums, ordered dicts) would not come back as what they are.
    if value is None or type(value) in (str, int, float, bool):
        return value
    kind = type(value).__name__
    raise UsageTypeError(f"{at} is of type {kind}; give plain numbers, text, lists and dicts")


def _exact(value: Any, what: str) -> Any:
    if isinstance(value, list):
        return [_exact(item, what) for item in value]
    if not isinstance(value, dict):
        return value
    name = next(iter(value), "")
    if len(value) != 1 or name[:1] != "$":
        return {key: _exact(item, what) for key, item in value.items()}
    inner = value[name]
    if name == "$tuple" and isinstance(inner, list):
        return tuple(_exact(item, what) for item in inner)
    if name == "$float" and inner in _FLOATS:
        return _FLOATS[inner]
    if name == "$dict" and isinstance(inner, dict):
        return {key: _exact(item, what) for key, item in inner.items()}
    raise UsageError(f"{what} is refused: {name!r} is not a mark of ours")
