"""Small things around a run: seeds, one-hot labels, padding, splits, batches in parts."""

from epochal.core.random import set_random_seed
from epochal.utils.arrays import normalize, to_categorical
from epochal.utils.packing import pack_x_y_sample_weight, unpack_x_y_sample_weight
from epochal.utils.py_dataset import PyDataset, Sequence
from epochal.utils.sequences import pad_sequences
from epochal.utils.split import split_dataset

__all__ = [
    "PyDataset",
    "Sequence",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "set_random_seed",
    "split_dataset",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
