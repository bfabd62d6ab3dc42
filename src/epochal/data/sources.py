"""Which feed suits what the user passed, and what cannot go together."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from epochal.core.errors import Problems
from epochal.core.trees import map_leaves
from epochal.data.array_feed import ArrayFeed
from epochal.data.arrays import first_length, is_arrays, length_problems, rows, to_tensors
from epochal.data.feed import Feed
from epochal.data.iterable_feed import IterableFeed, LoaderFeed

__all__ = ["Arrays", "Source", "make_feed", "make_validation_feed", "split_off", "to_arrays"]


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
    if type(source.x) is TensorDataset and source.y is None:
        x, y, weight = (*source.x.tensors, None, None)[:3]
        source = source._replace(x=x, y=y, sample_weight=weight)
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
    if class_weight is not None:
        if weight is not None:
            problems.add(
                "both class_weight and sample_weight are given; multiply them into one sample_weight"
            )
        elif isinstance(y, Tensor):
            weight = class_weights(class_weight, problems)(y)
        else:
            problems.add("class_weight needs one array of class labels as y")
    return Arrays(x, y, weight)


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
                f"{name} is a {type(x).__name__}, which gives its own batches: leave {label} out and "
                "have it give (x, y) or (x, y, sample_weight)"
            )
    weigh = None if class_weight is None else class_weights(class_weight, problems)
    if isinstance(x, Dataset) and not isinstance(x, IterableDataset):
        if isinstance(x, Sized) and len(x) == 0:
            problems.add(f"{name} is a {type(x).__name__} of no rows; expected at least one")
            return None
        if feeding.shuffle == "batch":
            problems.add(f"shuffle='batch' works on arrays; {name} is a {type(x).__name__}")
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
            f"batch_size is {feeding.batch_size}, but {name} is a {type(x).__name__}, which makes its "
            "own batches: leave batch_size out"
        )
    if not hasattr(x, "__iter__") and hasattr(x, "__getitem__") and isinstance(x, Sized):
        x = _Indexed(x)
    if isinstance(x, (str, bytes)) or not isinstance(x, Iterable):
        shown = "nothing" if x is None else f"a {type(x).__name__}"
        problems.add(
            f"{name} is {shown}; expected arrays, tensors, a pandas frame, a Dataset, a DataLoader, "
            "a generator or another iterable of batches",
            of_type=True,
        )
        return None
    return IterableFeed(x, device=feeding.device, name=name, weigh=weigh)


def make_validation_feed(data: Any, feeding: Feeding, problems: Problems) -> Feed | None:
    """Return the feed of `validation_data`: `(x, y)`, `(x, y, sample_weight)` or any dataset."""
    batches = isinstance(data, list) and bool(data) and isinstance(data[0], tuple)
    if isinstance(data, (tuple, list)) and not batches:
        if len(data) not in (2, 3):
            problems.add(
                f"validation_data is a {type(data).__name__} of {len(data)}; expected (x, y), "
                "(x, y, sample_weight), or a dataset"
            )
            return None
        source = (
            Source(*data, name="validation_x")
            if len(data) == 3
            else Source(data[0], data[1], None, "validation_x")
        )
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
    if not (isinstance(fraction, (int, float)) and 0 < fraction < 1):
        problems.add(f"validation_split is {fraction!r}; give a share of the rows between 0 and 1")
        return arrays, arrays
    kept = math.floor(count * (1 - Fraction(repr(float(fraction)))))
    if kept in (0, count):
        problems.add(
            f"validation_split={fraction} of {count} rows leaves {kept} for training and "
            f"{count - kept} for validation; both need at least one"
        )
        return arrays, arrays
    parts = (slice(None, kept), slice(kept, None))
    train, validation = (Arrays(*(rows(tree, part) for tree in arrays)) for part in parts)
    return train, validation


def class_weights(weights: Mapping[int, float], problems: Problems) -> Callable[[Tensor], Tensor]:
    """Return the function from class labels to sample weights; a class not named weighs 1."""
    bad = [key for key in weights if isinstance(key, bool) or not _is_class(key)]
    if bad or not weights:
        problems.add(
            f"class_weight has the keys {bad or list(weights)}; expected class numbers, as in "
            "{0: 1.0, 1: 3.5}"
        )
        return lambda labels: torch.ones(labels.shape[0])
    table = torch.ones(max(map(int, weights)) + 2)
    for label, weight in weights.items():
        table[int(label)] = float(weight)

    def weigh(labels: Tensor) -> Tensor:
        if labels.ndim > 1 and labels.shape[-1] != 1:
            labels = labels.argmax(-1)
        numbers = labels.reshape(labels.shape[0], -1)[:, 0].round().long()
        # Classes above the largest one named share the table's last entry, 1.
        return table.to(labels.device)[numbers.clamp(0, len(table) - 1)]

    return weigh


def _is_class(key: Any) -> bool:
    try:
        return int(key) == key and key >= 0
    except (TypeError, ValueError):
        return False


class _Indexed:
    """Batches found by number (a sequence with `__len__` and `__getitem__` alone)."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Any]:
        return (self.source[index] for index in range(len(self.source)))
