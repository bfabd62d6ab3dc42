"""One data set into two."""

from fractions import Fraction
from typing import Any, Never

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset

from epochal.core.errors import Problems, UsageError, UsageTypeError, reject_unknown
from epochal.core.random import draw_seed, epoch_order
from epochal.core.trees import leaves_with_paths, map_leaves

__all__ = ["split_dataset"]


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    **unknown: Never,
) -> tuple[Any, Any]:
    """Return two parts of a data set: the first rows and the last rows.

    Use it to keep rows aside for validation. Fractions are taken as written: 0.9 of 10 rows are 9.

    Args:
        dataset: An array, tensor, pandas object or list; tuples, lists or dicts of arrays of equal
            length; or a torch `Dataset` with a length.
        left_size: Rows of the left part: a number (`int`) or a fraction (`float`) of all.
        right_size: The same for the right part. Either is what the other leaves; if both are
            given and leave rows between, those are in neither.
        shuffle: Draw the rows of both parts at random instead of in order.
        seed: Makes the draw repeatable; drawn itself from torch's generator by default.

    Returns:
        The left and the right part, of the kind `dataset` is: unshuffled arrays are views, data
        sets are `torch.utils.data.Subset`s.

    Raises:
        UsageError: If a part would be empty or the parts exceed the rows, if lengths differ, or if
            neither size is given.
        UsageTypeError: If `dataset` cannot be split.

    Example:
        >>> train, held_out = split_dataset({"x": np.arange(5), "y": np.arange(5)}, right_size=0.4)
        >>> train["x"], held_out["y"]
        (array([0, 1, 2]), array([3, 4]))
    """
    reject_unknown(split_dataset, unknown)
    rows = _rows(dataset)
    left, right = _sizes(rows, left_size, right_size)
    if shuffle:
        order = epoch_order(rows, draw_seed() if seed is None else seed, 0).numpy()
        return _take(dataset, order[:left]), _take(dataset, order[rows - right :])
    return _take(dataset, slice(0, left)), _take(dataset, slice(rows - right, rows))


def _sizes(rows: int, left: float | None, right: float | None) -> tuple[int, int]:
    problems = Problems("split_dataset")
    if left is None and right is None:
        problems.add("give left_size or right_size, a number of rows or a fraction")
    _check_size(problems, "left_size", left)
    _check_size(problems, "right_size", right)
    problems.raise_if_any()
    if left is None:
        count_right = _count(right, rows)
        count_left = rows - count_right
    else:
        count_left = _count(left, rows)
        # Two fractions that make one whole leave no row out, whichever way each would round.
        rest = right is None or _fraction(left) + _fraction(right) == 1
        count_right = rows - count_left if rest else _count(right, rows)
    if count_left < 1 or count_right < 1 or count_left + count_right > rows:
        raise UsageError(
            f"split_dataset: left_size={left} and right_size={right} of {rows} rows would make "
            f"parts of {count_left} and {count_right} rows; each needs at least 1, together at "
            f"most {rows}"
        )
    return count_left, count_right


def _check_size(problems: Problems, name: str, size: object) -> None:
    if size is None:
        return
    if isinstance(size, (float, np.floating)):
        if not 0 < size < 1:
            problems.add(f"{name} is {size}; a fraction lies between 0 and 1, rows are an int")
    elif isinstance(size, bool) or not isinstance(size, (int, np.integer)):
        kind = type(size).__name__
        problems.add(f"{name} is of type {kind}; give an int or a float", of_type=True)
    elif size < 1:
        problems.add(f"{name} is {size}; give 1 or more rows")


def _count(size: float | None, rows: int) -> int:
    if isinstance(size, (float, np.floating)):
        return round(_fraction(size) * rows)
    return int(size or 0)


def _fraction(size: float | None) -> Fraction:
    """Return a fraction as it was written: 0.9 is nine tenths, not the double nearest to it.

    A number of rows, or none, is no fraction and counts as 0.
    """
    if not isinstance(size, (float, np.floating)):
        return Fraction(0)
    return Fraction(str(float(size)))


def _is_array(value: object) -> bool:
    return isinstance(value, (torch.Tensor, np.ndarray)) or hasattr(value, "iloc")


def _is_column(value: object) -> bool:
    """Return whether `value` is a plain list of rows, rather than a list of arrays."""
    if not isinstance(value, (list, tuple)):
        return False
    return not any(_is_array(leaf) for _, leaf in leaves_with_paths(value))


def _rows(dataset: Any) -> int:
    if isinstance(dataset, DataLoader):
        raise UsageTypeError("split_dataset: a DataLoader cannot be split; split loader.dataset")
    if isinstance(dataset, IterableDataset):
        raise UsageTypeError(
            "split_dataset: an IterableDataset has no rows to pick; split what it reads from"
        )
    if isinstance(dataset, Dataset):
        if not hasattr(dataset, "__len__"):
            raise UsageTypeError("split_dataset: the Dataset has no __len__; give it one")
        return len(dataset)
    if _is_column(dataset):
        return len(dataset)
    lengths: dict[str, int] = {}
    for path, leaf in leaves_with_paths(dataset, "dataset"):
        if not _is_array(leaf) or not leaf.shape:
            raise UsageTypeError(
                f"split_dataset: {path} is of type {type(leaf).__name__}, not an array with rows; "
                "give arrays, tensors, pandas objects, dicts or tuples of them, or a torch Dataset"
            )
        lengths[path] = len(leaf)
    if not lengths:
        raise UsageTypeError("split_dataset: the data set holds no arrays")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{path} has {length}" for path, length in lengths.items())
        raise UsageError(f"split_dataset: arrays of unequal lengths: {listed} rows")
    return next(iter(lengths.values()))


def _take(dataset: Any, rows: slice | npt.NDArray[np.int64]) -> Any:
    if isinstance(dataset, Dataset):
        kept = range(rows.start, rows.stop) if isinstance(rows, slice) else rows.tolist()
        return Subset(dataset, kept)
    if _is_column(dataset):
        if isinstance(rows, slice):
            return dataset[rows]
        return type(dataset)(dataset[row] for row in rows)
    return map_leaves(lambda leaf: _rows_of(leaf, rows), dataset)


def _rows_of(array: Any, rows: slice | npt.NDArray[np.int64]) -> Any:
    if isinstance(array, torch.Tensor) and not isinstance(rows, slice):
        return array[torch.from_numpy(rows).to(array.device)]
    return array.iloc[rows] if hasattr(array, "iloc") else array[rows]
