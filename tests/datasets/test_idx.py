import gzip
import struct

import numpy as np
import pytest

from epochal.core.errors import UsageError
from epochal.datasets.idx import read_idx, read_labelled_images


def idx(array, kind=8):
    """Return an array of bytes in idx form."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


IMAGES = idx(np.arange(12).reshape(3, 2, 2))


def test_bytes_come_back_in_order(tmp_path):
    for name, data in (("a", IMAGES), ("a.gz", gzip.compress(IMAGES))):
        (tmp_path / name).write_bytes(data)
        assert read_idx(tmp_path / name, 3).tolist() == np.arange(12).reshape(3, 2, 2).tolist()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not an idx file: it begins with nothing"),
        (IMAGES[:8], "is not an idx file"),
        (b"\x89PNG" + IMAGES, "begins with 89 50 4e 47"),
        (idx(np.zeros((3, 2, 2)), kind=0x0D), "idx type 0x0d; expected bytes, 0x08"),
        (idx(np.zeros((3, 2, 2, 1))), "has 4 axes; expected 3"),
        (IMAGES[:-1], r"promises 12 bytes for shape \(3, 2, 2\) and holds 11"),
        (IMAGES + b"x", "promises 12 bytes .* and holds 13"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "promises 79,228,162"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path, data, words):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UsageError, match=words):
        read_idx(tmp_path / "a", 3)


@pytest.mark.parametrize(
    "damage",
    [lambda d: d[:-9], lambda d: d[:20], lambda d: b"plain", lambda d: d[:-8] + b"\0" * 8,
     lambda d: d[:12] + b"\xff" + d[13:]],
)  # fmt: skip
def test_a_damaged_gzip_file_is_refused(tmp_path, damage):
    (tmp_path / "a.gz").write_bytes(damage(gzip.compress(IMAGES)))
    with pytest.raises(UsageError, match=r"a\.gz cannot be read: .*; get the file anew"):
        read_idx(tmp_path / "a.gz", 3)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.zeros((3, 2, 2)), np.zeros(4), "holds 3 images and .* 4 labels"),
        (np.zeros((3, 2, 3)), np.zeros(3), r"images of \(2, 3\) pixels, expected \(2, 2\)"),
        (np.zeros((3, 2, 2)), np.array([0, 9, 10]), "holds label 10, expected 0 to 9"),
    ],
)
def test_images_and_labels_are_checked_against_each_other(tmp_path, images, labels, words):
    (tmp_path / "x").write_bytes(idx(images))
    (tmp_path / "y").write_bytes(idx(labels))
    with pytest.raises(UsageError, match=words):
        read_labelled_images(tmp_path / "x", tmp_path / "y", size=2, classes=10)
