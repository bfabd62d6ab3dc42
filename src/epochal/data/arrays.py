"""Arrays of every kind as tensors, made once; and what is wrong with them."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from epochal.core.errors import Problems
from epochal.core.trees import flatten, is_record, leaves_with_paths, map_leaves

__all__ = [
    "first_length",
    "is_arrays",
    "is_batches",
    "is_list_of_lists",
    "length_problems",
    "rows",
    "to_tensors",
]

# Types that torch holds but hardly computes with; and float64, which models are not made of.
_TAKEN_AS = {"uint16": torch.int32, "uint32": torch.int64, "uint64": torch.int64}
_TAKEN_AS["float64"] = torch.float32
_SHOWN = 8  # entries of a list in an error; a list of a thousand arrays may stand for inputs


def is_arrays(data: Any) -> bool:
    """Whether `data` is arrays in memory: tensors, NumPy, pandas, numbers, or nests of them."""
    if isinstance(data, Mapping):
        return bool(data) and all(map(is_arrays, data.values()))
    if isinstance(data, (list, tuple)):
        if not data or is_batches(data):
            return False
        return _is_numbers(data) or all(map(is_arrays, data))
    return isinstance(data, range) or _is_array(data) or _is_sparse(data)


def is_batches(data: Any) -> bool:
    """Whether it is a list of batches, `[(x, y), (x, y)]`, and not several inputs.

    `list(loader)` is one too, though a `DataLoader` makes its batches lists.
    """
    if not isinstance(data, list) or not data:
        return False
    return is_list_of_lists(data) or (
        all(isinstance(item, tuple) for item in data) and not _is_numbers(data)
    )


def is_list_of_lists(data: Any) -> bool:
    """Whether it is a list of lists of tensors: batches, or beside targets a nest of inputs."""
    return (
        isinstance(data, list)
        and bool(data)
        and all(
            isinstance(item, list)
            and 1 < len(item) <= 3
            and all(isinstance(part, Tensor) and part.ndim for part in item)
            for item in data
        )
    )


def to_tensors(data: Any, name: str, problems: Problems) -> Any:
    """Return arrays as tensors, nested as they were; float64 becomes float32.

    A NumPy array of a type that torch computes with is not copied, unless it is float64. What
    cannot become a tensor is noted in `problems` and stands as an empty tensor.

    Args:
        data: Tensors, NumPy arrays, pandas frames and series, lists of numbers, or nests of them.
        name: What the user called it.
        problems: Where to note what is wrong.
    """
    if data is None:
        return None
    if isinstance(data, (list, tuple)) and data and all(isinstance(item, str) for item in data):
        problems.add(
            f"{name} is a {type(data).__name__} of texts, {data[0]!r} the first; expected numbers: "
            "leave it out (of a DataLoader's batches in its collate_fn), or turn it into numbers",
            of_type=True,
        )
        return torch.zeros(0)
    if isinstance(data, Mapping) or (isinstance(data, (list, tuple)) and not _is_numbers(data)):
        if not data:
            problems.add(f"{name} is an empty {type(data).__name__}; expected arrays")
        keys = data if isinstance(data, Mapping) else range(len(data))
        made = {key: to_tensors(data[key], f"{name}[{key!r}]", problems) for key in keys}
        if isinstance(data, Mapping):
            return made
        if isinstance(data, tuple) and hasattr(data, "_fields"):
            return type(data)(*made.values())
        return tuple(made.values())
    if is_record(data):
        fields = {
            field.name: to_tensors(getattr(data, field.name), f"{name}.{field.name}", problems)
            for field in dataclasses.fields(data)
        }
        return dataclasses.replace(data, **fields)
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
        problems.add(f"{_listed(empty)} has no rows; expected at least one")
    elif len(set(lengths.values())) > 1:
        counts = _listed([f"{path} has {length}" for path, length in lengths.items()])
        problems.add(f"the arrays differ in their number of rows: {counts}; give the same for all")
    return next(iter(lengths.values()), 0)


def rows(tree: Any, selection: slice) -> Any:
    """Return a range of rows of every tensor in a nest, without copying."""
    return map_leaves(lambda leaf: leaf[selection], tree)


def first_length(tree: Any) -> int:
    """Return the number of rows of the first tensor of a nest."""
    return int(flatten(tree)[0].shape[0])


def _tensor(data: Any, name: str, problems: Problems) -> Tensor:
    if _is_sparse(data):
        dense = "to_dense" if isinstance(data, Tensor) else "toarray"
        problems.add(f"{name} is a sparse {type(data).__name__}; give {name}.{dense}()")
        return torch.zeros(0)
    if isinstance(data, (list, tuple)) and isinstance(data[0], Tensor):
        data = [item.item() if isinstance(item, Tensor) else item for item in data]
    if isinstance(data, Tensor) and not data.is_complex():
        wider = _TAKEN_AS.get(str(data.dtype).removeprefix("torch."), data.dtype)
        return data.detach().to(wider)
    array = np.empty(0, np.complex64) if isinstance(data, Tensor) else _array(data)
    if array.dtype.kind not in "biuf":
        problems.add(
            f"{name} is {_described(data, array)}; expected numbers: a tensor, a NumPy array, a "
            "pandas frame, a list of numbers of one shape, or a nest of them",
            of_type=True,
        )
        return torch.zeros(0)
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        problems.add(f"{name} has masked entries; give {name}.filled(...) or leave the rows out")
    if array.dtype.kind == "u" and array.dtype.itemsize == 8 and array.size:
        largest = int(array.max())
        if largest > np.iinfo(np.int64).max:
            problems.add(
                f"{name} holds {largest}, which is beyond int64, the largest type there is"
            )
    return _from_numpy(array)


def _array(data: Any) -> npt.NDArray[Any]:
    """Return data as an array; of objects if they are not numbers of one shape."""
    try:
        array = np.asarray(data.to_numpy() if hasattr(data, "to_numpy") else data)
        if array.dtype == object and array.ndim:
            # Numbers kept as objects: pandas' nullable columns, columns of different types.
            if hasattr(data, "isna"):
                array = np.where(data.isna(), np.nan, array)
            array = np.asarray(array.tolist())
    except ValueError:  # rows of different lengths
        return np.empty((0, 0), dtype=object)
    return array


def _from_numpy(array: npt.NDArray[Any]) -> Tensor:
    dtype = array.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize > 4:
        dtype = np.dtype(np.float32)
    elif dtype.name in _TAKEN_AS:
        dtype = np.dtype(str(_TAKEN_AS[dtype.name]).removeprefix("torch."))
    odd = any(step < 0 or step % max(1, array.itemsize) for step in array.strides)
    if odd or dtype != array.dtype:
        # Rows one after the other: a pandas frame comes column by column.
        array = array.astype(dtype, order="C")
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        # Read-only arrays (a memory map) are fine: batches are copies or are only read.
        warnings.filterwarnings("ignore", message=".*not writable")
        return torch.from_numpy(array)


def _described(data: Any, array: npt.NDArray[Any]) -> str:
    kind = type(data).__name__
    if isinstance(data, str):
        return f"the text {data!r}"
    if array.shape == (0, 0):
        return f"a {kind} whose rows differ in length"
    if hasattr(data, "columns") and hasattr(data, "dtypes"):
        named = zip(data.columns, data.dtypes, strict=True)
        texts = [repr(column) for column, dtype in named if _kind(dtype) not in "biuf"]
        return f"a {kind} whose columns {_listed(texts)} do not hold numbers alone"
    return f"a {kind}" if array.ndim == 0 else f"a {kind} of {array.dtype}"


def _kind(dtype: Any) -> str:
    return str(getattr(dtype, "kind", "O"))


def _listed(texts: Sequence[str]) -> str:
    more = f", and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _is_array(data: Any) -> bool:
    """Whether it is an array of any library (NumPy, pandas, polars, h5py), importing none."""
    return isinstance(data, Tensor) or (hasattr(data, "__array__") and hasattr(data, "shape"))


def _is_sparse(data: Any) -> bool:
    if isinstance(data, Tensor):
        return data.layout != torch.strided
    return hasattr(data, "toarray") and hasattr(data, "shape")


def _is_numbers(data: Any) -> bool:
    """Whether a list or tuple holds numbers, possibly in lists: `[1, 2]`, `[[0.1], [0.2]]`."""
    while isinstance(data, (list, tuple)) and data:
        if _is_array(data[-1]) and data[-1].shape:  # ([1, 2], array): several inputs
            return False
        data = data[0]
    if isinstance(data, Tensor):
        return data.ndim == 0
    return isinstance(data, (bool, int, float, np.generic))
