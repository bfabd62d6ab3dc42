"""Which feed suits what the user passed, and what cannot go together."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from epochal.core.errors import Problems
from epochal.core.trees import map_leaves
from epochal.data.array_feed import ArrayFeed
from epochal.data.arrays import (
    first_length,
    is_arrays,
    is_batches,
    is_list_of_lists,
    length_problems,
    rows,
    to_tensors,
)
from epochal.data.class_weights import class_weights
from epochal.data.feed import Feed
from epochal.data.iterable_feed import IterableFeed
from epochal.data.loader_feed import LoaderFeed

__all__ = ["Arrays", "Feeding", "Source", "array_feed", "make_feed", "make_validation_feed"]
__all__ += ["split_off", "to_arrays", "with_class_weight"]


class Source(NamedTuple):
    """What a call names as data."""

    x: Any
    y: Any = None
    sample_weight: Any = None
    name: str = "x"


class Arrays(NamedTuple):
    """Data in memory as tensors, all of one length."""

    x: Any
    y: Any
    sample_weight: Any


class Feeding(NamedTuple):
    """How a feed is to give its batches."""

    batch_size: int | None
    device: torch.device | None
    shuffle: bool | Literal["batch"] = False
    seed: int = 0
    inherited: bool = False
    """Whether the batch size was said of other data: what makes its own batches may ignore it."""


def to_arrays(
    source: Source, problems: Problems, class_weight: Mapping[int, float] | None = None
) -> Arrays | None:
    """Return the source as tensors if it is arrays in memory, else None."""
    if (
        type(source.x) is TensorDataset
        and source.y is None
        and source.sample_weight is None
        and len(source.x.tensors) <= 3
    ):
        x, y, weight = (*source.x.tensors, None, None)[:3]
        source = source._replace(x=x, y=y, sample_weight=weight)
    if source.y is not None and is_list_of_lists(source.x):
        source = source._replace(x=tuple(source.x))  # beside targets these are inputs
    if not is_arrays(source.x):
        return None
    prefix = source.name.removesuffix("x")
    names = (source.name, f"{prefix}y", f"{prefix}sample_weight")
    x, y, weight = (
        to_tensors(tree, name, problems) for tree, name in zip(source[:3], names, strict=True)
    )
    if not problems:
        length_problems(problems, **dict(zip(names, (x, y, weight), strict=True)))
    if weight is not None and not problems:
        weight = map_leaves(lambda leaf: leaf.float(), weight)
    arrays = Arrays(x, y, weight)
    return arrays if class_weight is None else with_class_weight(arrays, class_weight, problems)


def with_class_weight(
    arrays: Arrays, class_weight: Mapping[int, float], problems: Problems
) -> Arrays:
    """Return the arrays with sample weights that follow from their labels."""
    weigh, y = class_weights(class_weight, problems), arrays.y
    if arrays.sample_weight is not None:
        problems.add(
            "both class_weight and sample_weight are given; multiply them into one sample_weight"
        )
    elif not isinstance(y, Tensor):
        problems.add("class_weight needs one array of class labels as y")
    elif y.ndim > 1 and y.shape[-1] != 1 and bool(((y < 0) | (y > 1)).any()):
        problems.add(
            f"class_weight needs class numbers, (N,), or one-hot classes, (N, C), as y; y has the "
            f"shape {tuple(y.shape)} and is not one-hot: pass sample_weight instead"
        )
    elif not problems:
        return arrays._replace(sample_weight=weigh(y))
    return arrays


def make_feed(
    source: Source,
    feeding: Feeding,
    problems: Problems,
    class_weight: Mapping[int, float] | None = None,
) -> Feed | None:
    """Return a feed for anything that gives batches; None (and a problem noted) if nothing fits."""
    arrays = to_arrays(source, problems, class_weight)
    if arrays is not None:
        return array_feed(arrays, feeding) if not problems else None
    x, name = source.x, source.name
    for other, label in ((source.y, "y"), (source.sample_weight, "sample_weight")):
        if other is not None:
            problems.add(
                f"{name} is a {type(x).__name__}, which gives its own batches: leave {label} out "
                "and have it give (x, y) or (x, y, sample_weight)"
            )
    if feeding.shuffle == "batch":
        problems.add(f"shuffle='batch' works on arrays; {name} is a {type(x).__name__}")
    weigh = None if class_weight is None else class_weights(class_weight, problems)
    if isinstance(x, Dataset) and not isinstance(x, IterableDataset):
        if not isinstance(x, Sized):
            problems.add(f"{name} is a {type(x).__name__} without __len__; give it one")
            return None
        if len(x) == 0:
            problems.add(f"{name} is a {type(x).__name__} of no rows; expected at least one")
            return None
        return LoaderFeed(
            x,
            batch_size=feeding.batch_size or 32,
            shuffle=bool(feeding.shuffle),
            seed=feeding.seed,
            device=feeding.device,
            name=name,
            weigh=weigh,
        )
    if isinstance(x, IterableDataset):
        x = DataLoader(x, batch_size=feeding.batch_size or 32)
    elif feeding.batch_size is not None and not feeding.inherited:
        problems.add(
            f"batch_size is {feeding.batch_size}, but {name} is a {type(x).__name__}, which makes "
            "its own batches: leave batch_size out"
        )
    if not hasattr(x, "__iter__") and hasattr(x, "__getitem__") and isinstance(x, Sized):
        x = _Indexed(x)
    if isinstance(x, (str, bytes, Mapping)) or not isinstance(x, Iterable):
        shown = "nothing" if x is None else f"a {type(x).__name__}"
        if isinstance(x, Mapping):
            shown = f"{'a' if x else 'an empty'} {type(x).__name__}"
            shown += _not_arrays(x)
        problems.add(
            f"{name} is {shown}; expected arrays, tensors, a pandas frame, a Dataset, a "
            "DataLoader, a generator or another iterable of batches",
            of_type=True,
        )
        return None
    return IterableFeed(x, device=feeding.device, name=name, weigh=weigh)


def make_validation_feed(data: Any, feeding: Feeding, problems: Problems) -> Feed | None:
    """Return the feed of `validation_data`: `(x, y)`, `(x, y, sample_weight)` or any dataset."""
    if isinstance(data, (tuple, list)) and not is_batches(data):
        if len(data) not in (2, 3):
            problems.add(
                f"validation_data is a {type(data).__name__} of {len(data)}; expected (x, y), "
                "(x, y, sample_weight), or a dataset"
            )
            return None
        x, y, weight = data if len(data) == 3 else (*data, None)
        source = Source(x, y, weight, "validation_x")
        return make_feed(source, feeding, problems)
    return make_feed(Source(data, name="validation_data"), feeding, problems)


def array_feed(arrays: Arrays, feeding: Feeding) -> ArrayFeed:
    """Return the feed of tensors in memory."""
    return ArrayFeed(
        *arrays,
        batch_size=feeding.batch_size or 32,
        shuffle=feeding.shuffle,
        seed=feeding.seed,
        device=feeding.device,
    )


def split_off(arrays: Arrays, fraction: float, problems: Problems) -> tuple[Arrays, Arrays]:
    """Return the first rows for training and the last `fraction` of them for validation.

    The fraction is taken as the decimal number it is written as: 0.9 of 10 rows leaves 1, where
    binary arithmetic would leave none.

    Args:
        arrays: All rows, in the user's order.
        fraction: Share of the rows to validate on, between 0 and 1.
        problems: Where to note a fraction that cannot be.
    """
    count = first_length(arrays.x)
    if not (isinstance(fraction, (int, float, np.floating)) and 0 < fraction < 1):
        problems.add(f"validation_split is {fraction!r}; give a share of the rows between 0 and 1")
        return arrays, arrays
    from fractions import Fraction  # and with it decimal: few scripts split

    kept = math.floor(count * (1 - Fraction(str(fraction))))
    if kept in (0, count):
        problems.add(
            f"validation_split={fraction} of {count} rows leaves {kept} for training and "
            f"{count - kept} for validation; both need at least one"
        )
        return arrays, arrays
    parts = (slice(None, kept), slice(kept, None))
    train, validation = (Arrays(*(rows(tree, part) for tree in arrays)) for part in parts)
    return train, validation


def _not_arrays(data: Mapping[Any, Any]) -> str:
    """Return which entries keep a dict from being arrays."""
    bad = [f"{key!r} a {type(item).__name__}" for key, item in data.items() if not is_arrays(item)]
    return f" with {', '.join(bad)}" if bad else ""


class _Indexed:
    """Batches found by number (a sequence with `__len__` and `__getitem__` alone)."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Any]:
        return (self.source[index] for index in range(len(self.source)))
