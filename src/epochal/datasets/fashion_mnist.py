"""Fashion-MNIST: 70,000 pictures of clothes, 28x28 pixels, ten kinds.

Source: H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
Machine Learning Algorithms", 2017, https://arxiv.org/abs/1708.07747 (MIT licence).
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Never

from epochal.core.errors import UsageError, reject_unknown
from epochal.datasets.download import DownloadError, cache_folder, download
from epochal.datasets.idx import LabelledImages, read_labelled_images
from epochal.storage.atomic import StrPath

__all__ = ["CLASS_NAMES", "load_data"]

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_BASE_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
_PARTS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
_VARIABLE = "EPOCHAL_DATA"


def load_data(
    path: StrPath | None = None, **unknown: Never
) -> tuple[LabelledImages, LabelledImages]:
    """Return the training and the test images with their labels.

    Files are read from the folder `path`; without it from the folder that the environment variable
    EPOCHAL_DATA names; without that they are downloaded once (30 MB) into `~/.cache/epochal`.

    Args:
        path: A folder that holds the four idx files (gzipped or not, named `train-images...`,
            `train-labels...`, `t10k-images...`, `t10k-labels...`), or whose subfolder
            `fashion_mnist` does.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images uint8 of shape (N, 28, 28) from 0 to 255,
        labels uint8 of shape (N,) from 0 to 9 (`CLASS_NAMES`). All files hold 60,000 and 10,000.

    Raises:
        UsageError: If the folder lacks a file, or a file is damaged.
        DownloadError: If the files cannot be downloaded, or are not the official ones.

    Example:
        >>> from epochal.datasets import fashion_mnist
        >>> (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()  # doctest: +SKIP
        >>> CLASS_NAMES[9]
        'Ankle boot'
    """
    reject_unknown(load_data, unknown)
    return _load(path, _BASE_URL, _MD5)


def _load(
    path: StrPath | None, base_url: str, checksums: Mapping[str, str]
) -> tuple[LabelledImages, LabelledImages]:
    if path is not None:
        files = _find(Path(path), "path")
    elif named := os.environ.get(_VARIABLE):
        files = _find(Path(named), _VARIABLE)
    else:
        folder = cache_folder("fashion_mnist")
        _fetch_missing(folder, base_url, checksums)
        files = [folder / name for name in checksums]
    train = read_labelled_images(files[0], files[1], size=28, classes=len(CLASS_NAMES))
    test = read_labelled_images(files[2], files[3], size=28, classes=len(CLASS_NAMES))
    return train, test


def _fetch_missing(folder: Path, base_url: str, checksums: Mapping[str, str]) -> None:
    """Download what the cache lacks; a file that is there was checked before it got its name."""
    missing = [name for name in checksums if not (folder / name).exists()]
    if missing:
        print(f"Downloading Fashion-MNIST to {folder}", file=sys.stderr)
    for name in missing:
        try:
            download(base_url + name, folder / name, checksums[name])
        except DownloadError as error:
            raise DownloadError(
                f"Fashion-MNIST: {error}. Without a network, give load_data(path=...) a folder "
                f"that holds the four idx files, or name it in {_VARIABLE}"
            ) from error


def _find(folder: Path, source: str) -> list[Path]:
    """Return the four files of a folder, or of its subfolder `fashion_mnist`."""
    if not folder.is_dir():
        raise UsageError(f"fashion_mnist: {source} names {folder}, which is not a folder")
    below = folder / "fashion_mnist"
    home = below if below.is_dir() and not _candidates(folder, _PARTS[0]) else folder
    found = {part: _candidates(home, part) for part in _PARTS}
    missing = [f"{part}*-ubyte.gz" for part in _PARTS if not found[part]]
    if missing:
        raise UsageError(
            f"fashion_mnist: {source} names {folder}, and {home} holds no {', '.join(missing)}"
        )
    for part, files in found.items():
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise UsageError(f"fashion_mnist: {home} holds several {part} files: {names}; keep one")
    return [files[0] for files in found.values()]


def _candidates(folder: Path, part: str) -> list[Path]:
    files = sorted(folder.glob(f"{part}*-ubyte")) + sorted(folder.glob(f"{part}*-ubyte.gz"))
    # An unpacked file beside the packed one is the same file and faster to read.
    unpacked = {file.name for file in files}
    return [file for file in files if file.name.removesuffix(".gz") not in unpacked - {file.name}]
