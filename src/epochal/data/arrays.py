"""Arrays of every kind as tensors, made once; and what is wrong with them."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from epochal.core.errors import Problems
from epochal.core.trees import flatten, leaves_with_paths, map_leaves

__all__ = ["is_arrays", "length_problems", "non_finite", "to_tensors"]

_WIDER = {"uint16": np.int32, "uint32": np.int64, "uint64": np.int64}


def is_arrays(data: Any) -> bool:
    """Whether `data` is arrays in memory: tensors, NumPy, pandas, numbers, or nests of them."""
    if isinstance(data, dict):
        return bool(data) and all(map(is_arrays, data.values()))
    if isinstance(data, list) and data and isinstance(data[0], tuple) and not _is_numbers(data):
        return False  # a list of batches, each (x, y)
    if isinstance(data, (list, tuple)):
        return bool(data) and (_is_numbers(data) or all(map(is_arrays, data)))
    return isinstance(data, (Tensor, np.ndarray)) or _is_frame(data)


def to_tensors(data: Any, name: str, problems: Problems) -> Any:
    """Return arrays as tensors, nested as they were; float64 becomes float32.

    A NumPy array of another type than float64 is not copied. What cannot become a tensor is noted
    in `problems` and stands as an empty tensor.

    Args:
        data: Tensors, NumPy arrays, pandas frames and series, lists of numbers, or nests of them.
        name: What the user called it.
        problems: Where to note what is wrong.
    """
    if data is None:
        return None
    if isinstance(data, dict) or (isinstance(data, (list, tuple)) and not _is_numbers(data)):
        keys = data if isinstance(data, dict) else range(len(data))
        made = {key: to_tensors(data[key], f"{name}[{key!r}]", problems) for key in keys}
        if isinstance(data, dict):
            return made
        if isinstance(data, tuple) and hasattr(data, "_fields"):
            return type(data)(*made.values())
        return tuple(made.values())
    return _tensor(data, name, problems)


def length_problems(problems: Problems, **named: Any) -> int:
    """Note arrays that are empty, or not of one length; return the length of the first."""
    lengths = {}
    for name, tree in named.items():
        for path, leaf in leaves_with_paths(tree, name):
            if leaf.ndim == 0:
                problems.add(f"{path} is a single number; expected one row for each sample")
            else:
                lengths[path] = leaf.shape[0]
    if lengths and min(lengths.values()) == 0 and not problems:
        empty = [path for path, length in lengths.items() if length == 0]
        problems.add(f"{', '.join(empty)} has no rows; expected at least one")
    elif len(set(lengths.values())) > 1:
        counts = ", ".join(f"{path} has {length}" for path, length in lengths.items())
        problems.add(f"the arrays differ in their number of rows: {counts}; give the same for all")
    return next(iter(lengths.values()), 0)


def non_finite(**named: Any) -> Iterator[str]:
    """Yield one clause for each array that holds NaN or infinity: how many, and in which columns."""
    for name, tree in named.items():
        for path, leaf in leaves_with_paths(tree, name):
            # A finite sum proves every entry finite at the price of one pass without a copy.
            if not leaf.is_floating_point() or bool(torch.isfinite(leaf.sum())):
                continue
            bad = ~torch.isfinite(leaf)
            count = int(bad.sum())
            if not count:
                continue
            text = f"{path} holds {count} non-finite of {leaf.numel()} values"
            if leaf.ndim == 2 and leaf.shape[1] > 1:
                columns = bad.any(0).nonzero().flatten().tolist()
                shown = ", ".join(map(str, columns[:10])) + (", ..." if len(columns) > 10 else "")
                text += f" (column{'s' if len(columns) > 1 else ''} {shown})"
            yield text


def _tensor(data: Any, name: str, problems: Problems) -> Tensor:
    if isinstance(data, Tensor):
        return data.detach().float() if data.dtype == torch.float64 else data.detach()
    if _is_frame(data):
        data = data.to_numpy()
    try:
        array = np.asarray(data)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf":
        problems.add(
            f"{name} is {_described(data, array)}; expected numbers: a tensor, a NumPy array, a "
            "pandas frame, a list of numbers of one shape, or a nest of them",
            of_type=True,
        )
        return torch.zeros(0)
    array = array.astype(_WIDER[array.dtype.name]) if array.dtype.name in _WIDER else array
    if array.dtype == np.float64 or array.dtype.itemsize > 8:
        array = array.astype(np.float32)
    if any(s < 0 for s in array.strides) or not array.dtype.isnative:
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        # Read-only arrays (a memory map) are fine: batches are copies or are only read.
        warnings.filterwarnings("ignore", message=".*not writable")
        return torch.from_numpy(array)


def _described(data: Any, array: Any) -> str:
    if isinstance(data, str):
        return f"the text {data!r}"
    kind = type(data).__name__
    return (
        f"a {kind}" if isinstance(data, type) or array.ndim == 0 else f"a {kind} of {array.dtype}"
    )


def _is_frame(data: Any) -> bool:
    """Whether it is a pandas (or polars) frame or series, without importing either."""
    return hasattr(data, "to_numpy") and hasattr(data, "shape")


def _is_numbers(data: Any) -> bool:
    """Whether a list or tuple holds numbers, possibly in lists: `[1, 2]`, `[[0.1], [0.2]]`."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (bool, int, float, np.number))


def rows(tree: Any, selection: slice) -> Any:
    """Return a range of rows of every tensor in a nest, without copying."""
    return map_leaves(lambda leaf: leaf[selection], tree)


def first_length(tree: Any) -> int:
    """Return the number of rows of the first tensor of a nest."""
    return int(flatten(tree)[0].shape[0])
