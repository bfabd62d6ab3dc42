"""Where batches come from: arrays, Datasets, DataLoaders, generators."""

from epochal.data.array_feed import ArrayFeed
from epochal.data.arrays import is_arrays, non_finite
from epochal.data.feed import Batch, Feed, FixedSteps
from epochal.data.iterable_feed import IterableFeed, LoaderFeed
from epochal.data.sources import (
    Arrays,
    Feeding,
    Source,
    array_feed,
    make_feed,
    make_validation_feed,
    split_off,
    to_arrays,
)

__all__ = [
    "ArrayFeed",
    "Arrays",
    "Feeding",
    "array_feed",
    "is_arrays",
    "to_arrays",
    "non_finite",
    "Batch",
    "Feed",
    "FixedSteps",
    "IterableFeed",
    "LoaderFeed",
    "Source",
    "make_feed",
    "make_validation_feed",
    "split_off",
]
