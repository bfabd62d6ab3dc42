"""The idx format of MNIST-like data sets, gzipped or not: read strictly."""

import gzip
import math
import zlib
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from epochal.core.errors import UsageError

__all__ = ["Bytes", "LabelledImages", "read_idx", "read_labelled_images"]

Bytes: TypeAlias = npt.NDArray[np.uint8]
LabelledImages: TypeAlias = tuple[Bytes, Bytes]

_UNSIGNED_BYTE = 0x08


def read_idx(file: Path, axes: int) -> Bytes:
    """Return the array of bytes in an idx file.

    Layout: two zero bytes, the type of an entry, the number of axes, the size of each as a
    big-endian 32-bit number, then the entries.

    Args:
        file: The file; gzipped if its name ends in `.gz`.
        axes: How many axes it has to have: 3 for images, 1 for labels.

    Raises:
        UsageError: If the file is damaged, cut short, too long, or holds something else.
    """
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{file} cannot be read: {error}; get the file anew") from error
    start = 4 + 4 * axes
    if len(data) < start or data[:2] != b"\0\0":
        raise UsageError(
            f"{file} is not an idx file: it begins with {data[:4].hex(' ') or 'nothing'}"
        )
    if data[2] != _UNSIGNED_BYTE:
        raise UsageError(
            f"{file} holds idx type {data[2]:#04x}; expected bytes, {_UNSIGNED_BYTE:#04x}"
        )
    if data[3] != axes:
        raise UsageError(
            f"{file} has {data[3]} axes; expected {axes}: is it the file for this part?"
        )
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", count=axes, offset=4))
    expected, got = math.prod(shape), len(data) - start
    if got != expected:
        raise UsageError(
            f"{file} promises {expected:,} bytes for shape {shape} and holds {got:,}; get it anew"
        )
    # A copy: an array over `bytes` is read only, which torch warns about.
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def read_labelled_images(images: Path, labels: Path, size: int, classes: int) -> LabelledImages:
    """Return the images of one file and the labels of another, checked against each other.

    Args:
        images: An idx file of shape (N, size, size).
        labels: An idx file of shape (N,).
        size: Pixels along each side.
        classes: Labels go from 0 to one less.

    Raises:
        UsageError: If the shapes or labels are others.
    """
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if x.shape[1:] != (size, size):
        raise UsageError(f"{images} holds images of {x.shape[1:]} pixels, expected {(size, size)}")
    if len(x) != len(y):
        raise UsageError(
            f"{images} holds {len(x):,} images and {labels} {len(y):,} labels; they are of "
            "different sets"
        )
    if len(y) and y.max() >= classes:
        raise UsageError(f"{labels} holds label {y.max()}, expected 0 to {classes - 1}")
    return x, y
