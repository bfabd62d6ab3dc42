"""Where batches come from: arrays, Datasets, DataLoaders, generators."""

from epochal.data.array_feed import ArrayFeed
from epochal.data.arrays import is_arrays
from epochal.data.bad_values import column_labels, non_finite
from epochal.data.feed import Batch, Feed, FixedSteps
from epochal.data.iterable_feed import IterableFeed
from epochal.data.loader_feed import LoaderFeed
from epochal.data.sources import (
    Arrays,
    Feeding,
    Source,
    array_feed,
    make_feed,
    make_validation_feed,
    split_off,
    to_arrays,
    with_class_weight,
)

__all__ = [
    "ArrayFeed",
    "Arrays",
    "Batch",
    "Feed",
    "Feeding",
    "FixedSteps",
    "IterableFeed",
    "LoaderFeed",
    "Source",
    "array_feed",
    "column_labels",
    "is_arrays",
    "make_feed",
    "make_validation_feed",
    "non_finite",
    "split_off",
    "to_arrays",
    "with_class_weight",
]
