"""Small things around a run: seeds, one-hot labels, splits, batches of up to three parts."""

from epochal.core.random import set_random_seed
from epochal.utils.arrays import normalize, to_categorical
from epochal.utils.packing import pack_x_y_sample_weight, unpack_x_y_sample_weight
from epochal.utils.split import split_dataset

__all__ = [
    "normalize",
    "pack_x_y_sample_weight",
    "set_random_seed",
    "split_dataset",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
