"""Handwritten digits of 8x8 pixels that come with scikit-learn: no download."""

from typing import Never

import numpy as np

from epochal.core.errors import UsageError, reject_unknown
from epochal.datasets.idx import LabelledImages
from epochal.utils import split_dataset

__all__ = ["load_data"]


def load_data(
    test_fraction: float = 0.2, seed: int = 0, **unknown: Never
) -> tuple[LabelledImages, LabelledImages]:
    """Return 1,797 handwritten digits as two parts, to train on and to test on.

    Use it where a run must be short and nothing can be downloaded.

    Args:
        test_fraction: The part of all images to keep aside, between 0 and 1.
        seed: Which images these are; the same for the same seed, on every machine.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images uint8 of shape (N, 8, 8) from 0 (paper) to
        16 (ink), labels uint8 of shape (N,) from 0 to 9.

    Raises:
        ImportError: If scikit-learn is not installed; says how to install it.
        UsageError: If `test_fraction` is no fraction or would leave a part empty.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()
        >>> x_train.shape, y_train.shape, x_test.shape
        ((1438, 8, 8), (1438,), (359, 8, 8))
    """
    reject_unknown(load_data, unknown)
    if not 0 < test_fraction < 1:
        raise UsageError(f"test_fraction is {test_fraction}; give a number between 0 and 1")
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            'the digits come with scikit-learn, which is missing: pip install "epochal[examples]"'
        ) from error
    bunch = load_digits()
    data = (bunch.images.astype(np.uint8), bunch.target.astype(np.uint8))
    return split_dataset(data, right_size=test_fraction, shuffle=True, seed=seed)
