"""Lists of different lengths as one array."""

from collections.abc import Sequence
from typing import Any, Literal, Never

import numpy as np

from epochal.core.errors import Problems, reject_unknown

__all__ = ["pad_sequences"]


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: str = "int32",
    padding: Literal["pre", "post"] = "pre",
    truncating: Literal["pre", "post"] = "pre",
    value: float = 0.0,
    **unknown: Never,
) -> np.ndarray[Any, Any]:
    """Return sequences of different lengths as the rows of one array.

    Use it for texts as lists of word numbers. With `padding="pre"` the last steps, which a
    recurrent layer remembers best, are words; masks are not needed then.

    Args:
        sequences: Lists or arrays, (steps,) or (steps, ...) each.
        maxlen: Steps of a row; as many as the longest has if not given.
        dtype: Of the array.
        padding: Where what is missing is filled in.
        truncating: Where what is too much is cut off.
        value: What is filled in.

    Returns:
        (N, maxlen, ...).

    Raises:
        UsageError: If an argument cannot be used, or the steps differ in shape.

    Example:
        >>> pad_sequences([[1, 2, 3], [4]], maxlen=2)
        array([[2, 3],
               [0, 4]], dtype=int32)
    """
    reject_unknown(pad_sequences, unknown)
    problems = Problems("pad_sequences")
    for name, where in (("padding", padding), ("truncating", truncating)):
        if where not in ("pre", "post"):
            problems.add(f"{name} is {where!r}; expected 'pre' or 'post'")
    if maxlen is not None and (not isinstance(maxlen, int) or maxlen < 1):
        problems.add(f"maxlen is {maxlen!r}; give a number of steps of 1 or more")
    rows = [np.asarray(row) for row in sequences]
    if any(row.ndim == 0 for row in rows):
        problems.add("one of the sequences is a single number; expected a list of lists")
    problems.raise_if_any()
    shapes = {row.shape[1:] for row in rows if len(row)}
    if len(shapes) > 1:
        problems.add(f"the steps have the shapes {sorted(shapes)}; give all the same")
        problems.raise_if_any()
    size = max((len(row) for row in rows), default=0) if maxlen is None else maxlen
    padded = np.full((len(rows), size, *(shapes or {()}).pop()), value, dtype=dtype)
    for place, row in zip(padded, rows, strict=True):
        kept = row[max(0, len(row) - size) :] if truncating == "pre" else row[:size]
        if len(kept):
            place[size - len(kept) if padding == "pre" else 0 :][: len(kept)] = kept
    return padded
