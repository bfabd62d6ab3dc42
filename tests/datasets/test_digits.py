import sys

import numpy as np
import pytest

from epochal.core.errors import UsageError, UsageTypeError
from epochal.datasets import digits


def test_every_digit_is_in_one_part_and_the_pixels_are_scikit_learns():
    from sklearn.datasets import load_digits

    (x_train, y_train), (x_test, y_test) = digits.load_data(test_fraction=0.25, seed=3)
    assert (len(x_train), len(x_test)) == (1348, 449)
    assert x_train.dtype == y_train.dtype == np.uint8
    assert x_test.shape[1:] == (8, 8)
    assert x_train.max() == 16

    def rows(images, labels):
        pairs = zip(images, labels, strict=True)
        return sorted((*image.ravel().tolist(), int(label)) for image, label in pairs)

    ours = rows(np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test]))
    bundled = load_digits()
    assert ours == rows(bundled.images.astype(int), bundled.target)


def test_the_seed_decides_which_rows_are_kept_aside():
    first, again, other = (digits.load_data(seed=seed)[1][1].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_a_part_without_rows_and_a_misspelt_argument_are_errors():
    with pytest.raises(UsageError, match=r"test_fraction is 0\.0; give a number between 0 and 1"):
        digits.load_data(test_fraction=0.0)
    with pytest.raises(UsageTypeError, match="did you mean 'test_fraction'"):
        digits.load_data(test_fractoin=0.1)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'pip install "epochal\[examples\]"'):
        digits.load_data()
